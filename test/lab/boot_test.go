package lab

import (
	"context"
	"testing"
	"time"
)

func TestBoot(t *testing.T) {
	t0 := time.Now()
	image, err := NewImage(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	t.Log("image", time.Since(t0))
	t0 = time.Now()
	m, err := Boot(image, Hardware{UARTs: 7, USB: 2, Modules: []string{"ppp_async"}}, t.Logf)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	t.Log("boot", time.Since(t0))
	for _, c := range []string{"cat /proc/uptime", "ls -l /dev/serial/by-id /dev/ppp", "cat /proc/tty/driver/serial; free", "time /lab/rashost --help | tail -3"} {
		out, err := m.Do("sh", "-c", c)
		t.Log(out, err)
	}
}

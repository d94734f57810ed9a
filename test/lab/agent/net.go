package agent

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"

	"golang.org/x/sys/unix"
)

// Request is an HTTP request on a unix socket, such as rashost's control socket.
type Request struct{ Socket, Method, Path string }

// Reply is the answer.
type Reply struct {
	Status int
	Body   []byte
}

// Ask sends a request.
func (a *Agent) Ask(q Request, r *Reply) error {
	transport := &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, "unix", q.Socket)
		},
	}
	req, err := http.NewRequest(q.Method, "http://guest"+q.Path, nil)
	if err != nil {
		return err
	}
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	*r = Reply{resp.StatusCode, body}
	return err
}

// namespace returns the network namespace of that name; a new one has its loopback interface up.
func (a *Agent) namespace(name string) (*os.File, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if f := a.nets[name]; f != nil {
		return f, nil
	}
	var f *os.File
	err := onThread(func() error {
		if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return err
		}
		var err error
		if f, err = os.Open(fmt.Sprintf("/proc/self/task/%d/ns/net", unix.Gettid())); err != nil {
			return err
		}
		return exec.Command("ip", "link", "set", "lo", "up").Run()
	})
	if err == nil {
		a.nets[name] = f
	}
	return f, err
}

// inside runs do in a network namespace. What it starts is born there.
func inside(space *os.File, do func() error) error {
	return onThread(func() error {
		if err := unix.Setns(int(space.Fd()), unix.CLONE_NEWNET); err != nil {
			return err
		}
		return do()
	})
}

// onThread runs do on a thread of its own, which ends with it.
func onThread(do func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // and never unlocked: the thread is not used again
		done <- do()
	}()
	return <-done
}

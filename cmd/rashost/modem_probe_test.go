package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"rashost/port"
	"rashost/port/modemsim"
)

// modemAt is a virtual modem on a pty of its own: to a command it is a tty.
func modemAt(t *testing.T, personality string, f modemsim.Faults) (*modemsim.Modem, string) {
	t.Helper()
	o, err := modemsim.Personality(personality)
	if err != nil {
		t.Fatal(err)
	}
	o.Faults = f
	o.Timing.Ring, o.Timing.CallerID = 50*time.Millisecond, 10*time.Millisecond
	pty, err := modemsim.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	m := modemsim.New(o)
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		if err := m.Run(ctx, pty); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(func() { cancel(); running.Wait() })
	return m, pty.Path
}

func TestModemProbe(t *testing.T) {
	b := newBench(t)
	_, path := modemAt(t, "usr-courier", modemsim.Faults{})
	out, _ := b.run(0, "modem", "probe", path)
	wantText(t, out, "usr-courier (US Robotics Courier)", `ATI3 says "USRobotics Courier V.Everything"`, "115200 bit/s", "ATI0     3366")
	out, _ = b.run(0, "modem", "probe", path, "--baud", "9600", "--json")
	var r probeReply
	if err := json.Unmarshal([]byte(out), &r); err != nil || !r.Answered || r.Profile != "usr-courier" || r.Baud != 9600 || r.Score < 100 || len(r.Answers) == 0 {
		t.Errorf("%+v, %v", r, err)
	}
	out, _ = b.run(0, "modem", "probe", "sim:zyxel-u1496")
	wantText(t, out, "zyxel-u1496")
}

func TestModemProbeNoAnswer(t *testing.T) {
	b := newBench(t)
	_, path := modemAt(t, "generic", modemsim.Faults{Wedged: true})
	out, _ := b.run(1, "modem", "probe", path, "--baud", "9600", "--json")
	var r probeReply
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Answered || r.Profile != "" || r.Why == "" {
		t.Errorf("%+v, %v", r, err)
	}
	for _, args := range [][]string{{"modem", "probe"}, {"modem", "probe", path, "--baud", "-1"}, {"modem", "probe", "pty:x"}, {"modem", "prob"}} {
		b.run(2, args...)
	}
	_, errs := b.run(1, "modem", "probe", "/dev/ttyNOSUCH")
	wantText(t, errs, "no such device")
}

// TestModemProbeInUse: a device that somebody has is left alone; when it is a line's, what to do is said.
func TestModemProbeInUse(t *testing.T) {
	b := newBench(t)
	_, path := modemAt(t, "generic", modemsim.Faults{})
	dev, err := port.NewOpener(path, port.Settings{CLOCAL: true}, port.LockOptions{Dirs: []string{t.TempDir()}}).Open(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = dev.Close() }()
	for _, command := range []string{"probe", "caller-id"} {
		_, errs := b.run(1, "modem", command, path)
		wantText(t, errs, "in use")
	}
	b.change("sim:a", path)
	_, errs := b.run(1, "modem", "probe", path)
	wantText(t, errs, "it is the device of line modem1", "rashost disable modem1", "rashost enable modem1")
}

// monitored runs `rashost modem caller-id` until its output has all of want; ring is called once the modem is set up.
func monitored(t *testing.T, b *bench, ring func(), want []string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	r, w := io.Pipe()
	code := make(chan int, 1)
	var errs watched
	errs.seen, errs.word = make(chan struct{}), "waiting for calls"
	go func() {
		code <- run(ctx, append([]string{"-c", b.config, "modem", "caller-id"}, args...), strings.NewReader(""), w, &errs)
		_ = w.Close()
	}()
	go func() {
		<-errs.seen
		ring()
	}()
	var out bytes.Buffer
	buf := make([]byte, 1024)
	for missing := len(want); missing > 0; {
		n, err := r.Read(buf)
		out.Write(buf[:n])
		if missing = 0; err != nil {
			t.Fatalf("it ended: %v\n%s%s", err, &out, errs.String())
		}
		for _, part := range want {
			if !strings.Contains(out.String(), part) {
				missing++
			}
		}
		if ctx.Err() != nil {
			t.Fatalf("not all of %q in\n%s%s", want, &out, errs.String())
		}
	}
	cancel() // as Ctrl-C does
	go func() { _, _ = io.Copy(io.Discard, r) }()
	if c := <-code; c != 0 {
		t.Errorf("exit %d: %s", c, errs.String())
	}
	return out.String()
}

// watched is a buffer that says when a word has been written.
type watched struct {
	mu   sync.Mutex
	buf  bytes.Buffer
	word string
	seen chan struct{}
	once sync.Once
}

func (w *watched) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.buf.Write(p)
	if strings.Contains(w.buf.String(), w.word) {
		w.once.Do(func() { close(w.seen) })
	}
	return n, err
}

func (w *watched) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.buf.String()
}

// TestComplaint2_5_CallerIDTool: the tool shows what came beside what it is taken for: misspelt, before the ring, hostile, never answered.
func TestComplaint2_5_CallerIDTool(t *testing.T) {
	b := newBench(t)
	m, path := modemAt(t, "usr-5637", modemsim.Faults{})
	ring := func() {
		_, err := m.Dial(t.Context(), modemsim.DialOptions{Rings: 2, IDFirst: true, Lines: []string{"NMRB = 5551234", "NAME = A\x1b[31mNNA", "MESG = 0123", "SOMETHING"}})
		if err == nil {
			t.Error("the tool answered")
		}
	}
	out := monitored(t, b, ring, []string{
		"NMRB = 5551234", "caller present, number 5551234", `NAME = A\x1b[31mNNA`, "name A[31mNNA", "not understood: taken for nothing", "RING 2",
	}, path)
	if strings.Contains(out, "\x1b") {
		t.Errorf("raw bytes on the screen: %q", out)
	}
}

func TestModemCallerIDOfASim(t *testing.T) {
	b := newBench(t)
	monitored(t, b, func() {}, []string{`"raw":"FM:+15551234 TO:5559876"`, `"number":"+15551234"`, `"called":"5559876"`, `"rings":1`}, "sim:zyxel-2864", "--json")
	b.run(2, "modem", "caller-id", "sim:a", "--profile", "none")
	b.run(2, "modem", "caller-id", "sim:a", "--profile", "nosuch")
}

package admin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
)

// fakeLoan is a loan of the fake host.
type fakeLoan struct {
	free, ended, returned chan struct{}
	once                  sync.Once
}

func (n *fakeLoan) Free() <-chan struct{}  { return n.free }
func (n *fakeLoan) Ended() <-chan struct{} { return n.ended }
func (n *fakeLoan) Return()                { n.once.Do(func() { close(n.returned) }) }

func (h *fakeHost) Lend(_ context.Context, line, to string) (Loan, error) {
	if err := h.act("lend to "+to, line); err != nil {
		return nil, err
	}
	n := &fakeLoan{free: make(chan struct{}), ended: make(chan struct{}), returned: make(chan struct{})}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.loan = n
	if line != "busy" {
		close(n.free)
	}
	return n, nil
}

func (h *fakeHost) lastLoan() *fakeLoan {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.loan
}

// A line is lent to the process that the kernel names, until it gives it back.
func TestLend(t *testing.T) {
	r := start(t)
	c := dial(t, r.path)
	for range 2 {
		l, err := c.Lend(t.Context(), "modem1", "rashost doctor")
		if err != nil {
			t.Fatal(err)
		}
		n := r.host.lastLoan()
		select {
		case <-n.returned:
			t.Fatal("returned while it is lent")
		default:
		}
		l.Close()
		select {
		case <-n.returned:
		default:
			t.Error("Close came back before the host had the line")
		}
		<-l.Ended()
	}
	if want := fmt.Sprintf("lend to rashost doctor, pid %d modem1", os.Getpid()); r.host.actions[0] != want {
		t.Errorf("the host was asked for %q, want %q", r.host.actions[0], want)
	}
	if err := c.Do(t.Context(), "return", "modem1"); !errors.Is(err, ErrNotFound) {
		t.Errorf("a line that is not lent: %v", err)
	}
	eventually(t, func() bool { return strings.Contains(r.log.String(), "the line is back") })
}

// The end of the connection gives the line back, whether it was lent or waited for.
func TestLendEndsWithTheConnection(t *testing.T) {
	r := start(t)
	for line, said := range map[string]string{"modem1": `"lent"`, "busy": `"waiting"`} {
		body := `{"to": "a test"}`
		conn := send(t, r.path, fmt.Sprintf("POST /v1/lines/%s/lend HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", line, len(body), body))
		buf, all := make([]byte, 4096), ""
		for !strings.Contains(all, said) {
			n, err := conn.Read(buf)
			if err != nil {
				t.Fatalf("%v after %q", err, all)
			}
			all += string(buf[:n])
		}
		conn.Close()
		<-r.host.lastLoan().returned
	}
}

// Who waits no longer, or whose line or daemon ends, is told, and the line goes back.
func TestLendEnds(t *testing.T) {
	r := start(t)
	c := dial(t, r.path)
	ctx, cancel := context.WithCancelCause(t.Context())
	given := errors.New("given up")
	go func() {
		eventually(t, func() bool { return r.host.lastLoan() != nil })
		cancel(given)
	}()
	if _, err := c.Lend(ctx, "busy", "a test"); !errors.Is(err, given) {
		t.Errorf("given up: %v", err)
	}
	<-r.host.lastLoan().returned
	l, err := c.Lend(t.Context(), "modem1", "a test")
	if err != nil {
		t.Fatal(err)
	}
	close(r.host.lastLoan().ended)
	<-l.Ended()
	if l, err = c.Lend(t.Context(), "modem1", "a test"); err != nil {
		t.Fatal(err)
	}
	r.stop()
	<-l.Ended()
	<-r.host.lastLoan().returned
	l.Close()
}

// What is no request for a loan is refused.
func TestLendRefuses(t *testing.T) {
	r := start(t)
	c := dial(t, r.path)
	for line, class := range map[string]error{"none": ErrNotFound, "idle": ErrConflict} {
		if _, err := c.Lend(t.Context(), line, "a test"); !errors.Is(err, class) {
			t.Errorf("%s: %v", line, err)
		}
	}
	for _, to := range []string{"", strings.Repeat("x", 41), "a\x1b[2Jb", "é"} {
		if _, err := c.Lend(t.Context(), "modem1", to); !errors.Is(err, ErrInvalid) {
			t.Errorf("%q: %v", to, err)
		}
	}
	if r.host.lastLoan() != nil {
		t.Error("something was lent")
	}
}

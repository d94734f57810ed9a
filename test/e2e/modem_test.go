package e2e

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"rashost/internal/caller"
	"rashost/port/modemsim"
)

// vmodem is a virtual modem on a pty, with a link to it where the host looks for the device.
type vmodem struct {
	*modemsim.Modem
	t       *testing.T
	link    string
	pty     *modemsim.PTY
	stop    context.CancelFunc
	stopped chan struct{}
}

// newModem switches a modem on and links its pty at link, in place of what was there.
func newModem(t *testing.T, link string, o modemsim.Options) *vmodem {
	t.Helper()
	pty, err := modemsim.OpenPTY()
	must(t, err)
	ctx, stop := context.WithCancel(context.Background())
	m := &vmodem{Modem: modemsim.New(o), t: t, link: link, pty: pty, stop: stop, stopped: make(chan struct{})}
	go func() {
		defer close(m.stopped)
		_ = m.Run(ctx, pty)
	}()
	t.Cleanup(func() {
		// The number of a pty is used again at once: a daemon that still runs must not find another test's.
		if to, err := os.Readlink(link); err == nil && to == pty.Path {
			_ = os.Remove(link)
		}
		m.off()
	})
	must(t, os.Symlink(pty.Path, link+".new"))
	must(t, os.Rename(link+".new", link))
	return m
}

// off takes the modem away, as when its plug is pulled: the pty is closed.
func (m *vmodem) off() {
	m.stop()
	<-m.stopped
}

// pull replaces the modem of a line by a new one: the device goes and comes back under another number.
func (h *host) pull(line string) {
	h.t.Helper()
	must(h.t, os.Remove(devicePath(h.dir, line)))
	h.modems[line].off()
}

// plug gives a line a new modem.
func (h *host) plug(line string, o modemsim.Options) {
	h.t.Helper()
	h.modems[line] = newModem(h.t, devicePath(h.dir, line), o)
}

// call is a robot caller's call.
type call struct {
	*caller.Caller
	t   *testing.T
	far *modemsim.FarCall
}

// dial calls until the line answers.
func (m *vmodem) dial(t *testing.T) *call {
	t.Helper()
	return m.dialWith(t, modemsim.DialOptions{Number: "5550100", Name: "ROBOT", IDFirst: true})
}

func (m *vmodem) dialWith(t *testing.T, o modemsim.DialOptions) *call {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var far *modemsim.FarCall
	eventually(t, "the line answers", func() (bool, string) {
		var err error
		far, err = m.Dial(ctx, o)
		if err != nil && !errors.Is(err, modemsim.ErrOff) && !errors.Is(err, modemsim.ErrBusy) {
			t.Fatalf("dial: %v", err)
		}
		return err == nil, errText(err)
	})
	t.Cleanup(func() { _ = far.Close() })
	return &call{caller.New(far), t, far}
}

// ring lets the phone ring in the background, until the test ends or cancel is called.
func (m *vmodem) ring(t *testing.T, o modemsim.DialOptions) (cancel func()) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			far, err := m.Dial(ctx, o)
			if err == nil {
				<-ctx.Done()
				_ = far.Close()
				return
			}
			if !errors.Is(err, modemsim.ErrOff) && !errors.Is(err, modemsim.ErrBusy) {
				return
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	cancel = func() { stop(); <-done }
	t.Cleanup(cancel)
	return cancel
}

// expect waits for a text and returns all up to its end.
func (c *call) expect(text string) string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	got, err := c.Expect(ctx, text)
	if err != nil {
		c.t.Fatalf("%v\ntranscript:\n%s", err, c.Transcript())
	}
	return got
}

// send sends a line.
func (c *call) send(text string) {
	c.t.Helper()
	if err := c.Send(text); err != nil {
		c.t.Fatalf("%v\ntranscript:\n%s", err, c.Transcript())
	}
}

func (c *call) raw(b []byte) {
	c.t.Helper()
	if err := c.SendRaw(b); err != nil {
		c.t.Fatalf("%v\ntranscript:\n%s", err, c.Transcript())
	}
}

// login logs in and waits for the service.
func (c *call) login(name, password string) {
	c.t.Helper()
	c.expect("login: ")
	c.send(name)
	c.expect("Password: ")
	c.send(password)
	c.expect(ready + " " + name)
}

// denied is one try that must be refused.
func (c *call) denied(name, password string) {
	c.t.Helper()
	c.expect("login: ")
	c.send(name)
	c.expect("Password: ")
	c.send(password)
	c.expect("Access denied.")
}

// echoes checks that the service answers.
func (c *call) echoes(text string) {
	c.t.Helper()
	c.send(text)
	c.expect(text)
}

// ended waits until the host has hung up and returns what it said before.
func (c *call) ended() string {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	got, err := c.ExpectEnd(ctx)
	if err != nil {
		c.t.Fatalf("the host did not hang up: %v\ntranscript:\n%s", err, c.Transcript())
	}
	return got
}

// hangUp is the caller's end of the call.
func (c *call) hangUp() { _ = c.far.Close() }

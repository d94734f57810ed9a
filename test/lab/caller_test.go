package lab

import (
	"context"
	"errors"
	"testing"
	"time"

	"rashost/internal/caller"
	"rashost/port/modemsim"
	"rashost/test/lab/exchange"
)

// lineLimit is how long a line may take from the beginning of a hang-up until it listens: 15 s, and in this slow machine twice as much. It
// takes about one.
const lineLimit = 2 * 15 * time.Second

// robot is a caller on the far side of the exchange.
type robot struct {
	*caller.Caller
	t   *testing.T
	far *modemsim.FarCall
}

// call calls a line until it answers.
func call(t *testing.T, l *exchange.Line, o modemsim.DialOptions) *robot {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	var far *modemsim.FarCall
	eventually(t, l.Number+" answers", func() (bool, string) {
		var err error
		far, err = l.Dial(ctx, o)
		if err != nil && !errors.Is(err, modemsim.ErrBusy) {
			t.Fatalf("dial %s: %v", l.Number, err)
		}
		return err == nil, "busy"
	})
	r := &robot{caller.New(far), t, far}
	t.Cleanup(r.hangUp)
	return r
}

// expect waits for a text.
func (r *robot) expect(text string) {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if _, err := r.Expect(ctx, text); err != nil {
		r.t.Fatalf("%v\ntranscript:\n%s", err, r.Transcript())
	}
}

func (r *robot) send(text string) {
	r.t.Helper()
	if err := r.Send(text); err != nil {
		r.t.Fatalf("%v\ntranscript:\n%s", err, r.Transcript())
	}
}

// login passes the dialog.
func (r *robot) login() {
	r.t.Helper()
	r.expect("login: ")
	r.send(name)
	r.expect("Password: ")
	r.send(password)
	r.expect("READY " + name)
	r.send("hello")
	r.expect("hello")
}

// hangUp is the caller's end of the call.
func (r *robot) hangUp() { _ = r.far.Close() }

// ended waits until the host has hung up.
func (r *robot) ended() {
	r.t.Helper()
	select {
	case <-r.far.Done():
	case <-time.After(patience):
		r.t.Fatalf("the modem is still off the hook\ntranscript:\n%s", r.Transcript())
	}
}

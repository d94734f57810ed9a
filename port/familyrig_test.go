package port

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"rashost/hardware"
	"rashost/port/modemsim"
)

// simRig is a line on a virtual modem of one personality, on a real pty.
type simRig struct {
	t    *testing.T
	sim  *modemsim.Modem
	mgr  *Manager
	ends chan End

	mu       sync.Mutex
	last     *Call
	events   []LineEvent
	commands []string
	stopped  bool
}

// newSimRig starts a line of that profile on a modem of that personality. It ends with the test.
func newSimRig(t *testing.T, personality, profile string) *simRig {
	t.Helper()
	o, err := modemsim.Personality(personality)
	if err != nil {
		t.Fatal(err)
	}
	p, err := hardware.Load(profile)
	if err != nil {
		t.Fatal(err)
	}
	return newSimRigWith(t, o, LineConfig{Name: "modem1", Device: "sim:" + personality, Profile: &p, Rings: 2})
}

func newSimRigWith(t *testing.T, o modemsim.Options, cfg LineConfig) *simRig {
	t.Helper()
	r := &simRig{t: t, ends: make(chan End, 10)}
	o.Timing.Ring, o.Timing.CallerID = 40*time.Millisecond, 10*time.Millisecond
	o.OnCommand = func(line string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.commands = append(r.commands, line)
	}
	r.sim = modemsim.New(o)
	r.mgr = NewManager(ManagerOptions{
		Handler: r, Observer: r, Log: slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Open: func(c LineConfig) (Opener, error) { return NewSimOpener(c.Device, r.sim, c.Settings(), nil), nil },
	})
	if err := r.mgr.Apply(t.Context(), []LineConfig{cfg}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.stop)
	return r
}

// stop ends the line; a second time nothing happens.
func (r *simRig) stop() {
	r.mu.Lock()
	done := r.stopped
	r.stopped = true
	r.mu.Unlock()
	if done {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.mgr.Shutdown(ctx); err != nil {
		r.t.Error(err)
	}
}

// ServeCall gives back in capitals what it reads, until "quit".
func (r *simRig) ServeCall(ctx context.Context, c *Call) Outcome {
	r.mu.Lock()
	r.last = c
	r.mu.Unlock()
	return echoHandler{}.ServeCall(ctx, c)
}

func (r *simRig) Answering(context.Context, *Call) error    { return nil }
func (r *simRig) NotAnswered(*Call, string)                 {}
func (r *simRig) Ended(_ *Call, e End)                      { r.ends <- e }
func (r *simRig) StateChanged(string, State, State, string) {}

func (r *simRig) LineEvent(e LineEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// told returns the events of one kind as text.
func (r *simRig) told(kind string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, e := range r.events {
		if e.Kind == kind {
			b.WriteString(e.Text + ": " + e.Result + "\n")
		}
	}
	return b.String()
}

func (r *simRig) lastCall() *Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

func (r *simRig) snap() Snapshot {
	s, _ := r.mgr.Line("modem1")
	return s
}

// until waits for a state.
func (r *simRig) until(what string, state State) {
	r.t.Helper()
	for end := time.Now().Add(familyPatience); r.snap().State != state; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.t.Fatalf("not %s: %+v\ncommands: %q", what, r.snap(), r.commands)
		}
	}
}

// ringsFor is how often it rings at most: the line answers after the second ring, as soon as the machine lets it.
const ringsFor = 500

// familyPatience is how long a line may take that shares the machine with all the others.
const familyPatience = 3 * patience

// dial rings until the line answers; the modem may be busy with its set-up.
func (r *simRig) dial(o modemsim.DialOptions) *modemsim.FarCall {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), familyPatience)
	defer cancel()
	for {
		call, err := r.sim.Dial(ctx, o)
		switch {
		case err == nil:
			return call
		case ctx.Err() != nil || !errors.Is(err, modemsim.ErrOff) && !errors.Is(err, modemsim.ErrBusy):
			r.t.Fatalf("dial: %v; %+v", err, r.snap())
		}
		time.Sleep(time.Millisecond)
	}
}

// talk sends a line and reads the answer.
func (r *simRig) talk(call *modemsim.FarCall) {
	r.t.Helper()
	if _, err := io.WriteString(call, "hello\r"); err != nil {
		r.t.Fatal(err)
	}
	_ = call.SetReadDeadline(time.Now().Add(familyPatience))
	got, err := bufio.NewReader(call).ReadString('\r')
	if err != nil || got != "HELLO\r" {
		r.t.Fatalf("the caller read %q, %v", got, err)
	}
}

// quit makes the handler end the call.
func (r *simRig) quit(call *modemsim.FarCall) End {
	r.t.Helper()
	_, _ = io.WriteString(call, "quit\r")
	e := r.end(UserRequest)
	select {
	case <-call.Done():
	default:
		r.t.Error("the record is closed, and the modem still in the call")
	}
	return e
}

// leave is the caller hanging up.
func (r *simRig) leave(call *modemsim.FarCall) End {
	r.t.Helper()
	_ = call.Close()
	return r.end(LostCarrier)
}

func (r *simRig) end(cause TerminateCause) End {
	r.t.Helper()
	select {
	case e := <-r.ends:
		if e.Cause != cause || !e.Connected {
			r.t.Errorf("the call ended with %v (%s), want %v", e.Cause, e.Reason, cause)
		}
		return e
	case <-time.After(familyPatience):
		r.t.Fatalf("the call does not end: %+v", r.snap())
		return End{}
	}
}

package port

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rashost/hardware"
	"rashost/port/modemsim"
)

// faultRig is a line on a fake device with a virtual modem at its far end, in simulated time: with modemsim's faults, and signals that a
// pty does not have.
type faultRig struct {
	*rig
	sim *modemsim.Modem
	far faultFar
}

// faultBubble runs test with one line of the generic profile in simulated time. change may alter modem and line before.
func faultBubble(t *testing.T, change func(o *modemsim.Options, c *LineConfig), test func(r *faultRig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		p, err := hardware.Load("generic")
		if err != nil {
			t.Fatal(err)
		}
		r := &faultRig{rig: newBareRig(t, FakeOptions{})}
		r.cfg.Profile, r.cfg.IdleProbe = &p, time.Minute
		o := modemsim.Options{Timing: modemsim.Timing{Ring: 6 * time.Second, CallerID: time.Second, Connect: 2 * time.Second}}
		o.OnSignals = func(s modemsim.Signals) {
			r.rig.far.SetCTS(s.CTS)
			r.rig.far.SetDSR(s.DSR)
			r.rig.far.SetRI(s.RI)
			r.rig.far.SetDCD(s.DCD)
		}
		if change != nil {
			change(&o, &r.cfg)
		}
		r.sim = modemsim.New(o)
		r.handler = capitals
		r.far = faultFar{Far: r.rig.far}
		ctx, cancel := context.WithCancel(context.Background())
		var done sync.WaitGroup
		done.Go(func() { r.power(ctx) })
		done.Go(func() { r.watchDTR(ctx) })
		r.stopModem = func() {
			cancel()
			_ = r.rig.far.Close()
			done.Wait()
		}
		defer r.stop()
		r.apply()
		test(r)
	})
}

// capitals gives back in capitals what it reads, until "quit".
func capitals(ctx context.Context, c *Call) Outcome { return echoHandler{}.ServeCall(ctx, c) }

// faultFar lets the modem use the far end of a Fake over and over: what it closes is its reading, not the Fake.
type faultFar struct{ *Far }

func (f faultFar) Close() error {
	_ = f.SetWriteDeadline(time.Unix(1, 0))
	return f.SetReadDeadline(time.Unix(1, 0))
}

// power keeps the modem running while it is plugged in; a modem that goes takes the device with it.
func (r *faultRig) power(ctx context.Context) {
	for ctx.Err() == nil {
		_ = r.far.SetReadDeadline(time.Time{})
		_ = r.far.SetWriteDeadline(time.Time{})
		_ = r.sim.Run(ctx, r.far)
		if r.sim.Plugged() {
			continue
		}
		_ = os.Remove(r.cfg.Device)
		r.rig.far.Vanish()
		for !r.sim.Plugged() && ctx.Err() == nil {
			time.Sleep(10 * time.Millisecond)
		}
		_ = os.WriteFile(r.cfg.Device, nil, 0o600)
		r.rig.far.Appear()
	}
}

// watchDTR tells the modem of DTR.
func (r *faultRig) watchDTR(ctx context.Context) {
	for dtr := true; ; {
		s, err := r.rig.far.Wait(ctx, func(s FakeState) bool { return s.Signals.DTR != dtr })
		if err != nil {
			return
		}
		dtr = s.Signals.DTR
		r.sim.SetDTR(dtr)
	}
}

// dial calls the modem until the line answers, and fails when that takes a simulated minute.
func (r *faultRig) dial(o modemsim.DialOptions) *modemsim.FarCall {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		call, err := r.sim.Dial(ctx, o)
		switch {
		case err == nil:
			return call
		case !errors.Is(err, modemsim.ErrBusy) && !errors.Is(err, modemsim.ErrOff) || ctx.Err() != nil:
			r.t.Fatalf("dial: %v; %+v", err, r.snap())
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// talk sends a line and reads the answer, which may come among others.
func (r *faultRig) talk(call *modemsim.FarCall) {
	r.t.Helper()
	_, _ = io.WriteString(call, "\rhello\r")
	_ = call.SetReadDeadline(time.Now().Add(10 * time.Second))
	for lines := bufio.NewReader(call); ; {
		got, err := lines.ReadString('\r')
		if strings.HasSuffix(got, "HELLO\r") {
			return
		}
		if err != nil {
			r.t.Fatalf("the caller read %q, %v; %+v", got, err, r.snap())
		}
	}
}

// works proves that the line takes a call and is back within 15 s of its end.
func (r *faultRig) works() {
	r.t.Helper()
	call := r.dial(modemsim.DialOptions{})
	r.talk(call)
	_, _ = io.WriteString(call, "\rquit\r")
	r.reaches(15*time.Second, Listening)
	wantCause(r.t, r.lastEnd(), UserRequest, "quit")
}

// reaches waits in simulated time for one of the states.
func (r *faultRig) reaches(limit time.Duration, states ...State) Snapshot {
	r.t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(20 * time.Millisecond) {
		s := r.snap()
		for _, state := range states {
			if s.State == state {
				return s
			}
		}
		if time.Now().After(end) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.t.Fatalf("after %s the line is %s (%s), not one of %v\n%v\n%+v", limit, s.State, s.Reason, states, r.states, r.events)
		}
	}
}

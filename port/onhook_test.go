package port

import (
	"context"
	"testing"
	"time"
)

// fakeCall is what a caller sends to look like the next one.
const fakeCall = "\r\nNMBR = 911\r\nRING\r\nRING\r\n"

// TestCallerCannotFakeTheNextCall: where DCD tells nothing, what comes while DTR is low may still be the refused caller's. It is neither
// a RING nor the caller id of the next caller.
func TestCallerCannotFakeTheNextCall(t *testing.T) {
	var ids []string
	bubble(t, FakeOptions{}, func(r *rig) {
		r.modem.carrier = false
		r.handler = func(ctx context.Context, c *Call) Outcome {
			ids = append(ids, c.CallerID.Number)
			if len(ids) > 1 {
				<-ctx.Done()
			}
			return Outcome{Cause: ServiceUnavailable, Reason: "refused"}
		}
	}, func(r *rig) {
		r.within(5*time.Second, Listening)
		r.say("\r\nRING\r\n")
		for range 10 {
			r.say(fakeCall)
			time.Sleep(10 * time.Millisecond)
		}
		r.within(15*time.Second, Listening)
		r.stays(5*time.Second, Listening)
		r.say("\r\nRING\r\n")
		r.within(5*time.Second, Dialog)
		if len(ids) != 2 || ids[1] != "" {
			t.Errorf("caller ids %q: the last caller sent the one of the next", ids)
		}
	})
}

// TestCallerCannotFakeACallWhileDTRIsLow: bytes still on their way when DTR drops are the caller's, a RING after DCD fell is the modem's.
func TestCallerCannotFakeACallWhileDTRIsLow(t *testing.T) {
	n := 0
	bubble(t, FakeOptions{}, func(r *rig) {
		r.handler = func(ctx context.Context, _ *Call) Outcome {
			if n++; n > 1 {
				<-ctx.Done()
			}
			return Outcome{}
		}
		r.modem.drops = 1 // the modem is slow to see DTR: the caller stays a little longer
	}, func(r *rig) {
		r.within(5*time.Second, Listening)
		r.say("\r\nRING\r\n")
		for range 50 {
			time.Sleep(10 * time.Millisecond)
			if r.far.State().Signals.DTR {
				continue
			}
			r.say(fakeCall)
		}
		r.within(15*time.Second, Listening)
		r.stays(time.Minute, Listening)
		if n != 1 {
			t.Fatalf("%d calls were served, want 1", n)
		}
	})
}

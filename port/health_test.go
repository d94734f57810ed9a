package port

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// TestLineEventsAreCounted: an event that repeats is told once a minute with its count, and none is lost.
func TestLineEventsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, FakeOptions{})
		defer r.modem.stop()
		l := r.mgr.newLine(r.cfg, r.fake)
		for range 10_000 {
			l.event(EventNoise, "bytes that mean nothing", "ignored")
			time.Sleep(time.Second)
		}
		l.event(EventQuarantine, "another kind", "")
		l.tellHeld(time.Now(), true)
		n, told := 0, 0
		for _, e := range r.events {
			if e.Kind == EventNoise {
				n += e.Count
				told++
			}
			if e.Line != "modem1" || e.At.IsZero() || e.Count < 1 {
				t.Errorf("incomplete: %+v", e)
			}
		}
		if n != 10_000 || told > 10 {
			t.Errorf("%d events were told as %d, in %d lines", 10_000, n, told)
		}
		// However many texts there are, the memory of them is bounded.
		for i := range 1000 {
			l.event(EventDiagnostics, fmt.Sprint("text ", i), "")
		}
		if len(l.events) > eventKeep {
			t.Errorf("%d texts are remembered", len(l.events))
		}
	})
}

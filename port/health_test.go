package port

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestLineEventsAreCounted: an event that repeats is told once a minute with its count, and none is lost.
func TestLineEventsAreCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, FakeOptions{})
		defer r.modem.stop()
		l := r.mgr.newLine(r.cfg, r.fake, nil)
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

// TestKindsAreDocumented: every kind of event stands in the list of JSON and in what to do when.
func TestKindsAreDocumented(t *testing.T) {
	source, err := os.ReadFile("health.go")
	if err != nil {
		t.Fatal(err)
	}
	kinds := regexp.MustCompile(`(?m)^\tEvent\w+ += "([a-z-]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(kinds) < 17 {
		t.Fatalf("found only %d kinds", len(kinds))
	}
	for file, form := range map[string]string{"../docs/json.md": "%s", "../docs/operations.md": "`%s`"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, kind := range kinds {
			if !strings.Contains(string(text), fmt.Sprintf(form, kind[1])) {
				t.Errorf("%s does not say what %s means", file, kind[1])
			}
		}
	}
}

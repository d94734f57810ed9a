package main

import (
	"encoding/json"
	"testing"
	"time"

	"rashost/internal/admin"
	"rashost/internal/record"
	"rashost/port"
)

// TestLineInDetail: `lines LINE` and `why LINE` show what happened on a line, safely.
func TestLineInDetail(t *testing.T) {
	b := newBench(t)
	b.start(&fakeDaemon{
		lines: []admin.LineView{{Name: "modem1", Device: "/dev/ttyS1", Modem: "generic", State: "quarantined", Since: since, Reason: "no answer to AT", Failures: 6}},
		events: []admin.LineEventView{
			{At: since, Kind: "ladder", Text: "DTR low for 500ms", Result: "no answer to AT", Count: 1},
			{At: since.Add(time.Minute), Kind: "noise", Text: "bytes \x1b[2J", Count: 43},
		},
	})
	for _, args := range [][]string{{"lines", "modem1"}, {"why", "modem1"}} {
		out, _ := b.run(0, args...)
		wantSafe(t, out)
		wantText(t, out, "modem1", "quarantined", "no answer to AT", "ladder  DTR low for 500ms: no answer to AT\n", `bytes \x1b[2J (43 times)`)
		out, _ = b.run(0, append(args, "--json")...)
		var reply admin.LineReply
		if err := json.Unmarshal([]byte(out), &reply); err != nil || reply.Line.Name != "modem1" || len(reply.Events) != 2 || reply.Events[1].Count != 43 {
			t.Errorf("%v: %v: %s", args, err, out)
		}
	}
	_, errs := b.run(1, "why", "nothing")
	wantText(t, errs, `call "nothing": no such call, and no line has that name`)
	_, errs = b.run(1, "lines", "nothing")
	wantText(t, errs, `line "nothing": no such line`)
	_, errs = b.run(2, "lines", "modem1", "modem2")
	wantText(t, errs, "lines takes no argument")
}

// TestWhyLineWithoutDaemon: the events can be read while rashost is not running.
func TestWhyLineWithoutDaemon(t *testing.T) {
	b := newBench(t)
	s, err := record.Open(t.Context(), b.dir+"/state", record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.LineEvent(port.LineEvent{Line: "modem1", Kind: port.EventStuckDCD, Text: "DCD is high without a call", Result: "recovery", Count: 2})
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, _ := b.run(0, "why", "modem1")
	wantText(t, out, "stuck-dcd  DCD is high without a call: recovery (2 times)")
	_, errs := b.run(1, "why", "modem2")
	wantText(t, errs, `call "modem2": no such call, and no line has that name`)
}

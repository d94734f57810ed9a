package main

import (
	"encoding/json"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"rashost/internal/admin"
	"rashost/internal/record"
	"rashost/plugin"
	"rashost/port"
)

func TestCallsFromTheDaemon(t *testing.T) {
	b := newBench(t)
	d := &fakeDaemon{calls: []admin.CallView{
		{ID: "c2", Line: "modem1", Open: true, Start: since, CallerStatus: "withheld", Verdict: "none"},
		{ID: "c1", Line: "modem1", Start: since, End: since.Add(90 * time.Second), CallerNumber: "5551234", User: "alice", Verdict: "success",
			Service: "shell", CauseName: "User-Request"},
	}}
	b.start(d)
	out, errs := b.run(0, "calls", "--since", "24h", "--line", "modem1", "--user", "alice", "--live", "--limit", "2")
	wantText(t, out, "c2    "+clock(since)+"  modem1  withheld  -      none     -        -       live",
		"c1    "+clock(since)+"  modem1  5551234   alice  success  shell    1m30s   User-Request")
	wantText(t, errs, "only the newest 2 calls are shown")
	if q := d.query; q.Line != "modem1" || q.User != "alice" || !q.Open || q.Limit != 2 || time.Since(q.Since) < 24*time.Hour || time.Since(q.Since) > 25*time.Hour {
		t.Errorf("the daemon was asked %+v", q)
	}
	out, _ = b.run(0, "why", "c1")
	if out != "refused:\n  \\x1b[2Jwrong password\n" {
		t.Errorf("got %q", out)
	}
	_, errs = b.run(1, "why", "c9")
	wantText(t, errs, `call "c9": no such call`)
}

func TestCallsFromTheRecords(t *testing.T) {
	b := newBench(t)
	out, errs := b.run(0, "calls")
	wantText(t, out+errs, "no calls", "rashost is not running: these are its records")
	_, errs = b.run(1, "why", "c1")
	wantText(t, errs, `call "c1": there are no records yet`)

	store, err := record.Open(t.Context(), filepath.Join(b.dir, "state"), record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	store.Start(record.Row{ID: "c1", Line: "modem1", Device: "sim:a", Start: since, CallerNumber: "555"})
	store.Verdict("c1", record.VerdictUpdate{At: since, Dialog: "staff", Plugin: "password", User: "alice", Verdict: plugin.Error,
		Code: plugin.ErrorPortDisconnected, Events: []plugin.EventID{plugin.EventSecurityInternal}, Steps: []record.Step{{At: since, What: "asked"}}})
	store.End("c1", record.EndUpdate{At: since.Add(time.Minute), Cause: port.LostCarrier, Reason: "gone", In: 3, Out: 4, Exit: "0"})
	if err := store.Close(t.Context()); err != nil {
		t.Fatal(err)
	}

	out, _ = b.run(0, "calls")
	wantText(t, out, "c1", "555", "alice", "error", "1m0s", "Lost-Carrier")
	out, _ = b.run(0, "calls", "--json")
	var reply admin.CallsReply
	if err := json.Unmarshal([]byte(out), &reply); err != nil || len(reply.Calls) != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	got := reply.Calls[0]
	for _, tm := range []*time.Time{&got.Start, &got.Decided, &got.End, &got.Steps[0].At} {
		*tm = tm.UTC()
	}
	want := admin.CallView{ID: "c1", Line: "modem1", Device: "sim:a", Start: since, Decided: since, End: since.Add(time.Minute), CallerNumber: "555",
		Dialog: "staff", Plugin: "password", User: "alice", Verdict: "error", Code: uint32(plugin.ErrorPortDisconnected),
		CodeName: plugin.ErrorPortDisconnected.String(), Events: []uint32{20098}, OctetsIn: 3, OctetsOut: 4, Cause: 2, CauseName: "Lost-Carrier",
		Reason: "gone", Exit: "0", Steps: []admin.StepView{{At: since, What: "asked"}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	if reply.Health.OK || reply.Health.PID != 0 || reply.Health.Records.Reason != "rashost is not running" {
		t.Errorf("health: %+v", reply.Health)
	}
	out, _ = b.run(0, "why", "c1")
	if out == "" {
		t.Error("why says nothing")
	}
	out, _ = b.run(0, "why", "c1", "--json")
	wantText(t, out, `"id": "c1"`, `"why": "`)
	out, _ = b.run(0, "calls", "--since", "2026-02-01")
	wantText(t, out, "no calls")
}

func TestSinceTime(t *testing.T) {
	now := time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"": {}, "90m": now.Add(-90 * time.Minute), "7d": now.AddDate(0, 0, -7), "0": now, "2026-01-02": time.Date(2026, 1, 2, 0, 0, 0, 0, time.UTC),
		"2026-01-02T03:04:05Z": since, "2026-01-02 03:04": since.Add(-5 * time.Second),
	} {
		if got, err := sinceTime(text, now); err != nil || !got.Equal(want) {
			t.Errorf("%q: got %v, %v; want %v", text, got, err, want)
		}
	}
	for _, text := range []string{"soon", "-3h", "24", "d", "-1d", "2026-13-01"} {
		if got, err := sinceTime(text, now); err == nil {
			t.Errorf("%q was taken as %v", text, got)
		}
	}
}

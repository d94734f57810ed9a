package main

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"time"

	"rashost/dialog"
	"rashost/internal/record"
	"rashost/internal/service"
	"rashost/plugin"
	"rashost/port"
	"rashost/port/modem"
)

// openStore opens a store that is closed at the end of the test.
func openStore(t *testing.T) *record.Store {
	t.Helper()
	store, err := record.Open(t.Context(), t.TempDir(), record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = store.Close(ctx)
	})
	return store
}

func newTestBook(store *record.Store, p recordPolicy) *callBook {
	return newCallBook(store, bookOptions{
		policy: func() recordPolicy { return p }, use: func(*port.Call) lineUse { return lineUse{dialogName: "d"} }, changed: func(string) {},
	}, slog.New(slog.DiscardHandler))
}

// knowing is a plugin that knows one name.
type knowing struct {
	inert
	name string
}

func (k *knowing) KnownUser(name string) bool { return name == k.name }

func row(t *testing.T, store *record.Store, id string) record.Row {
	t.Helper()
	r, err := store.Call(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestUnknownNamesAreMasked: a name typed at a prompt may be a password.
func TestUnknownNamesAreMasked(t *testing.T) {
	use := lineUse{dialogName: "d", dialog: &dialogUse{plugin: &knowing{name: "alice"}, pluginName: "p"}}
	for _, c := range []struct {
		name    string
		policy  recordPolicy
		verdict plugin.Verdict
		want    string
	}{
		{"alice", recordPolicy{}, plugin.Failure, "alice"},
		{"hunter2", recordPolicy{}, plugin.Failure, record.MaskName("hunter2")},
		{"hunter2", recordPolicy{unknownNames: true}, plugin.Failure, "hunter2"},
		{"somebody", recordPolicy{}, plugin.Success, "somebody"},
	} {
		store := openStore(t)
		book := newTestBook(store, c.policy)
		call := &port.Call{ID: "c1", Line: "l", Start: time.Now()}
		if err := book.Answering(t.Context(), call); err != nil {
			t.Fatal(err)
		}
		out := dialog.Outcome{Verdict: c.verdict, User: c.name, Domain: c.name, Ended: dialog.Completed}
		book.verdict("c1", out, use)
		book.Ended(call, port.End{Cause: port.UserRequest, At: time.Now()})
		r := row(t, store, "c1")
		if r.User != c.want {
			t.Errorf("%s, %+v: recorded as %q, want %q", c.name, c.policy, r.User, c.want)
		}
		if c.want != c.name && r.Domain == c.name {
			t.Errorf("%s: the domain gives the name away", c.name)
		}
	}
}

// TestStartRowIsOnDiskBeforeTheDialog: what another reader sees after awaitStart.
func TestStartRowIsOnDiskBeforeTheDialog(t *testing.T) {
	dir := t.TempDir()
	store, err := record.Open(t.Context(), dir, record.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = store.Close(context.Background()) }()
	book := newTestBook(store, recordPolicy{})
	call := &port.Call{ID: "c1", Line: "l", Start: time.Now()}
	if err := book.Answering(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	if err := book.awaitStart(t.Context(), call); err != nil {
		t.Fatal(err)
	}
	reader, err := record.OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	r, err := reader.Call(t.Context(), "c1")
	if err != nil || !r.Open() {
		t.Fatalf("on disk: %+v, %v; want an open row", r, err)
	}
}

// TestEventsOfACall: the numbers that RAS would have logged stand in the record.
func TestEventsOfACall(t *testing.T) {
	use := lineUse{dialogName: "d", dialog: &dialogUse{plugin: &inert{}, pluginName: "p"}, serviceName: "s"}
	granted := dialog.Outcome{Verdict: plugin.Success, User: "alice", Ended: dialog.Completed}
	refused := dialog.Outcome{Verdict: plugin.Failure, Event: plugin.EventSecurityFailure, Ended: dialog.Completed}
	for _, c := range []struct {
		out    dialog.Outcome
		cause  port.TerminateCause
		want   []plugin.EventID
		logged []string
	}{
		{granted, port.LostCarrier, []plugin.EventID{plugin.EventAuthSuccess, plugin.EventUserActiveTime, plugin.EventUserDisconnected}, []string{"20019"}},
		{granted, port.UserRequest, []plugin.EventID{plugin.EventAuthSuccess, plugin.EventUserActiveTime, plugin.EventUserDisconnected}, []string{"20019"}},
		{granted, port.PortError, []plugin.EventID{plugin.EventAuthSuccess, plugin.EventUserActiveTime, plugin.EventDeviceNotFunctioning}, []string{"20015"}},
		{refused, port.ServiceUnavailable, []plugin.EventID{plugin.EventSecurityFailure}, nil},
	} {
		store := openStore(t)
		book := newTestBook(store, recordPolicy{})
		var logged bytes.Buffer
		book.log = slog.New(slog.NewTextHandler(&logged, nil))
		call := &port.Call{ID: "c1", Line: "l", Start: time.Now()}
		if err := book.Answering(t.Context(), call); err != nil {
			t.Fatal(err)
		}
		book.verdict("c1", c.out, use)
		if c.out.Granted() {
			book.session("c1", service.Result{Cause: c.cause})
		}
		book.Ended(call, port.End{Cause: c.cause, At: time.Now()})
		for _, event := range c.logged {
			if !strings.Contains(logged.String(), "event="+event) {
				t.Errorf("cause %v: event %s is not in the log: %s", c.cause, event, logged.String())
			}
		}
		if r := row(t, store, "c1"); !slices.Equal(r.Events, c.want) {
			t.Errorf("cause %v: events %v, want %v", c.cause, r.Events, c.want)
		}
	}
}

// TestRefuseWithoutRecords: with records.on_failure refuse, no call is answered that can't be recorded.
func TestRefuseWithoutRecords(t *testing.T) {
	store := openStore(t)
	if err := store.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	book := newTestBook(store, recordPolicy{refuse: true})
	call := &port.Call{ID: "c1", Line: "l", Start: time.Now()}
	if err := book.Answering(t.Context(), call); err == nil {
		if err := book.awaitStart(t.Context(), call); !errors.Is(err, errRecordsDown) {
			t.Fatalf("awaitStart = %v, want %v", err, errRecordsDown)
		}
	}
}

// TestNotAnswered: a call that was turned away has a record of its own, with the reason, and nothing that a terminal would obey.
func TestNotAnswered(t *testing.T) {
	store := openStore(t)
	b := newTestBook(store, recordPolicy{})
	c := &port.Call{ID: "0000000001", Line: "modem1", Device: "/dev/ttyS0", Start: time.Now().Add(-6 * time.Second), Rings: 2}
	c.CallerID.Number, c.CallerID.Status, c.CallerID.Name = "0512345", modem.Present, "MALLORY\x1b[2J"
	b.NotAnswered(c, "caller id rule 1: deny 0512*")
	r := row(t, store, c.ID)
	if r.Open() || r.Cause != port.NASRequest || r.Reason != "not answered: caller id rule 1: deny 0512*" || r.CallerNumber != "0512345" ||
		!r.Answered.IsZero() || r.Verdict != 0 || strings.Contains(r.CallerName, "\x1b") {
		t.Errorf("%+v", r)
	}
	wantText(t, record.Why(r), "nobody was let in", "not answered: caller id rule 1: deny 0512* (decided at ring 2)", "NAS-Request")

	var ids modem.CallerIDCollector
	for _, line := range []string{"NMBR = 6661234", "NAME = EVE", "NMBR = 5551234"} {
		ids.Line(line)
	}
	c = &port.Call{ID: "0000000002", Line: "modem1", Device: "/dev/ttyS0", Start: time.Now(), Rings: 2, CallerID: ids.CallerID()}
	b.NotAnswered(c, "no caller id rule allows it (the number is contradictory)")
	r = row(t, store, c.ID)
	if r.CallerNumber != "" || r.CallerStatus != "contradictory" {
		t.Errorf("%+v", r)
	}
	wantText(t, record.Why(r), `caller id not believed (number 6661234 and number 5551234): the modem said "NMBR = 6661234", "NAME = EVE", "NMBR = 5551234"`)
}

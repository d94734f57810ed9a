package record

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"rashost/plugin"
	"rashost/port"
)

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	at := func(seconds int) time.Time {
		return time.UnixMicro(1_700_000_000_000_000).Add(time.Duration(seconds) * time.Second)
	}
	if err := s.Start(Row{ID: "c1", Line: "modem1", Device: "/dev/ttyS0", Start: at(0), Steps: []Step{{at(0), "RING"}}}).Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	s.Answered("c1", AnswerUpdate{At: at(1), CallerNumber: "5551234", CallerName: "ALICE", CallerStatus: "present", Called: "100", Connect: "33600"})
	s.Step("c1", Step{at(2), "asked for the name"})
	s.Verdict("c1", VerdictUpdate{
		At: at(3), Dialog: "staff", Plugin: "password", User: "alice", Domain: "LAB", Verdict: plugin.Error, Code: plugin.ErrorRequestTimeout,
		Events: []plugin.EventID{plugin.EventAuthTimeout}, Service: "shell", Steps: []Step{{at(3), "decided"}},
	})
	s.End("c1", EndUpdate{
		At: at(4), Cause: port.IdleTimeout, Reason: "idle", In: 7, Out: 1 << 40, Exit: "signal HUP",
		Events: []plugin.EventID{plugin.EventUserActiveTime}, Steps: []Step{{at(4), "hung up"}},
	})
	s.End("c1", EndUpdate{Cause: port.PortError, Reason: "a second end changes nothing"})
	s.Step("c1", Step{at(5), "nor does a late step"})
	want := Row{
		ID: "c1", Line: "modem1", Device: "/dev/ttyS0", Start: at(0), Answered: at(1), Decided: at(3), End: at(4),
		CallerNumber: "5551234", CallerName: "ALICE", CallerStatus: "present", Called: "100", Connect: "33600", Dialog: "staff",
		Plugin: "password", User: "alice", Domain: "LAB", Verdict: plugin.Error, Code: plugin.ErrorRequestTimeout,
		Events: []plugin.EventID{plugin.EventAuthTimeout, plugin.EventUserActiveTime}, Service: "shell", In: 7, Out: 1 << 40,
		Cause: port.IdleTimeout, Reason: "idle", Exit: "signal HUP",
		Steps: []Step{{at(0), "RING"}, {at(2), "asked for the name"}, {at(3), "decided"}, {at(4), "hung up"}},
	}
	check := func(when string, get func(context.Context, string) (Row, error)) {
		t.Helper()
		got, err := get(t.Context(), "c1")
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got\n%+v\nwant\n%+v", when, got, want)
		}
	}
	check("at once", s.Call)
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := OpenReader(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	check("without a host", r.Call)
	check("after a restart", open(t, dir, Options{}).Call)
	info, err := os.Stat(path(dir))
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode().Perm(); mode&^0o640 != 0 {
		t.Errorf("the database has mode %o", mode)
	}
}

// What a killed host left open is closed with NAS-Reboot, and nothing else is touched.
func TestKilledHost(t *testing.T) {
	dir := t.TempDir()
	host := helper(t, "host", dir)
	out, err := host.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := host.Start(); err != nil {
		t.Fatal(err)
	}
	line := make([]byte, 6)
	if _, err := out.Read(line); err != nil || string(line) != "ready\n" {
		t.Fatalf("the host said %q, %v", line, err)
	}
	if err := host.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = host.Wait() // killed, as it should be
	before := time.Now().Truncate(time.Microsecond)

	s := open(t, dir, Options{})
	for id, verdict := range map[string]plugin.Verdict{"started": 0, "decided": plugin.Success} {
		r, err := s.Call(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		if r.Cause != port.NASReboot || r.End.Before(before) || r.Verdict != verdict || r.Reason == "" {
			t.Errorf("%s: cause %v, ended %v, verdict %v, reason %q", id, r.Cause, r.End, r.Verdict, r.Reason)
		}
		if n := len(r.Steps); n == 0 || r.Steps[n-1].What != r.Reason {
			t.Errorf("%s: the last step does not say it: %+v", id, r.Steps)
		}
	}
	r, err := s.Call(t.Context(), "ended")
	if err != nil || r.Cause != port.UserRequest {
		t.Errorf("a call that had ended: cause %v, %v", r.Cause, err)
	}
}

func TestOtherProcessReads(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	for _, id := range []string{"a", "b"} {
		s.Start(Row{ID: id})
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	out, err := helper(t, "reader", dir).Output()
	if err != nil || len(strings.Fields(string(out))) != 2 {
		t.Errorf("another process read %q, %v", out, err)
	}
	s.End("a", EndUpdate{Cause: port.UserRequest})
	if err := s.Flush(t.Context()); err != nil {
		t.Error("after another process has read:", err)
	}
}

func TestQueries(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	begin := time.Now().Add(-time.Hour)
	for i := range 10 {
		id := fmt.Sprintf("call-%02d", i)
		s.Start(Row{ID: id, Line: fmt.Sprintf("line%d", i%2), User: []string{"Alice", "bob"}[i%2], Start: begin.Add(time.Duration(i) * time.Minute)})
		if i < 8 {
			s.End(id, EndUpdate{Cause: port.UserRequest})
		}
	}
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		q    Query
		want string
	}{
		{"all", Query{}, "9876543210"},
		{"limit", Query{Limit: 3}, "987"},
		{"no limit", Query{Limit: -1}, "9876543210"},
		{"line", Query{Line: "line1"}, "97531"},
		{"user", Query{User: "ALICE"}, "86420"},
		{"since", Query{Since: begin.Add(7 * time.Minute)}, "987"},
		{"open", Query{Open: true}, "98"},
		{"all together", Query{Line: "line0", Open: true, User: "alice", Since: begin, Limit: 1}, "8"},
		{"nothing", Query{Line: "line2"}, ""},
	} {
		for source, get := range map[string]func(context.Context, Query) ([]Row, error){"store": s.Calls, "reader": s.reader.Calls} {
			rows, err := get(t.Context(), c.q)
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			for _, r := range rows {
				got += r.ID[len(r.ID)-1:]
			}
			if got != c.want {
				t.Errorf("%s from %s: got %q, want %q", c.name, source, got, c.want)
			}
		}
	}
	for id, want := range map[string]error{"call-0": ErrAmbiguous, "": ErrNotFound, "call-1": ErrNotFound, "call-03": nil, "call_03": ErrNotFound, "%": ErrNotFound} {
		if _, err := s.Call(t.Context(), id); !errors.Is(err, want) {
			t.Errorf("call %q: %v, want %v", id, err, want)
		}
	}
	s.Start(Row{ID: "x"})
	s.Start(Row{ID: "xy"})
	if r, err := s.Call(t.Context(), "x"); err != nil || r.ID != "x" {
		t.Errorf("an exact id that is also a prefix: %q, %v", r.ID, err)
	}
}

func TestReaderWithoutRecords(t *testing.T) {
	r, err := OpenReader(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if _, err := r.Calls(t.Context(), Query{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// What came from the caller can neither harm a terminal nor fill the disk.
func TestHostileText(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	hostile := "\x1b]0;owned\x07\x00\xff\u202e" + strings.Repeat("A", 5000)
	s.Start(Row{ID: "c", CallerName: hostile})
	s.Answered("c", AnswerUpdate{CallerNumber: hostile, Connect: hostile})
	s.Verdict("c", VerdictUpdate{User: hostile, Domain: hostile, Verdict: plugin.Failure})
	for range 2 * maxSteps {
		s.Step("c", Step{What: hostile})
	}
	s.End("c", EndUpdate{Reason: hostile})
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	r, err := s.Call(t.Context(), "c")
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{r.CallerName, r.CallerNumber, r.Connect, r.User, r.Domain, r.Reason, r.Steps[0].What} {
		if len(text) > maxText || !strings.HasPrefix(text, `\x1b]0;owned\a\x00\xff\u202eAAA`) || !strings.HasSuffix(text, "A…") {
			t.Errorf("kept %q", text)
		}
	}
	if len(r.Steps) != maxSteps+1 || !strings.Contains(r.Steps[maxSteps].What, "not kept") {
		t.Errorf("%d steps kept, the last is %.60q", len(r.Steps), r.Steps[len(r.Steps)-1].What)
	}
	if r.Cause != port.NASError {
		t.Errorf("an end without a cause became %v", r.Cause)
	}
}

// An id that an earlier run used for another call never overwrites that call.
func TestIDClash(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Options{})
	s.Start(Row{ID: "1", Line: "first"})
	s.End("1", EndUpdate{Cause: port.UserRequest})
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	var log syncBuffer
	s = open(t, dir, Options{Log: log.logger()})
	s.Start(Row{ID: "1", Line: "second"})
	s.Start(Row{ID: "2", Line: "second"})
	s.End("1", EndUpdate{Cause: port.LostCarrier})
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r, err := s.Call(t.Context(), "1"); err != nil || r.Line != "first" || r.Cause != port.UserRequest {
		t.Errorf("the old call reads %+v, %v", r, err)
	}
	if _, err := s.Call(t.Context(), "2"); err != nil {
		t.Error("a call in the same transaction:", err)
	}
	if s.Health().Lost == 0 || !strings.Contains(log.String(), "recorded already") {
		t.Errorf("the loss is not told: %+v, %q", s.Health(), log.String())
	}
	if err := s.Start(Row{ID: "2"}).Wait(t.Context()); err == nil {
		t.Error("an open call was started again")
	}
}

// All that waits goes into one transaction.
func TestGroupCommit(t *testing.T) {
	s, err := newStore(t.Context(), t.TempDir(), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var tickets []*Ticket
	for i := range 500 {
		tickets = append(tickets, s.Start(Row{ID: fmt.Sprint(i)}))
	}
	s.End("7", EndUpdate{Cause: port.UserRequest})
	batch := s.take()
	if len(batch.rows) != 500 || batch.rows[7].row.Open() {
		t.Errorf("a transaction takes %d rows", len(batch.rows))
	}
	s.putBack(batch, errors.New("not yet"))
	go s.run()
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, ticket := range tickets {
		if err := ticket.Wait(t.Context()); !errors.Is(err, ErrUnsaved) {
			t.Fatalf("a ticket of the failed attempt says %v", err)
		}
	}
	rows, err := s.reader.Calls(t.Context(), Query{Limit: -1})
	if err != nil || len(rows) != 500 {
		t.Errorf("%d rows, %v", len(rows), err)
	}
	_ = s.reader.Close()
}

func TestManyLines(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	var wg sync.WaitGroup
	for line := range 8 {
		wg.Go(func() {
			for i := range 10 {
				id := fmt.Sprintf("%d-%d", line, i)
				if err := s.Start(Row{ID: id}).Wait(t.Context()); err != nil {
					t.Error(err)
				}
				s.Verdict(id, VerdictUpdate{Verdict: plugin.Success, Steps: []Step{{What: "in"}}})
				if _, err := s.Call(t.Context(), id); err != nil {
					t.Error(err)
				}
				s.End(id, EndUpdate{Cause: port.UserRequest, Steps: []Step{{What: "out"}}})
			}
		})
	}
	wg.Wait()
	if err := s.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	rows, err := s.reader.Calls(t.Context(), Query{Limit: -1})
	if err != nil || len(rows) != 80 {
		t.Fatalf("%d rows, %v", len(rows), err)
	}
	for _, r := range rows {
		if r.Open() || len(r.Steps) != 2 {
			t.Errorf("%+v", r)
		}
	}
	if len(s.calls) != 0 {
		t.Errorf("%d ended calls are still in memory", len(s.calls))
	}
}

func TestClosed(t *testing.T) {
	s := open(t, t.TempDir(), Options{})
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Start(Row{ID: "late"}).Wait(t.Context()); !errors.Is(err, ErrClosed) {
		t.Errorf("got %v", err)
	}
}

func TestWaitEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newTicket().Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestJSON(t *testing.T) {
	text, err := json.Marshal(Row{ID: "c", Verdict: plugin.Error, Code: plugin.ErrorRequestTimeout, Cause: port.LostCarrier})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"verdict":"error"`, `"code":638`, `"code_name":"ERROR_REQUEST_TIMEOUT"`, `"cause":2`, `"cause_name":"Lost-Carrier"`, `"steps":[]`, `"events":[]`} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("%s is not in %s", want, text)
		}
	}
	if bytes.Contains(text, []byte(`"end"`)) {
		t.Errorf("an open call has an end: %s", text)
	}
}

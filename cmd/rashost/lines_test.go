package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"rashost/internal/admin"
)

func TestLines(t *testing.T) {
	b := newBench(t)
	d := &fakeDaemon{lines: []admin.LineView{
		{Name: "modem1", State: "session", Condition: "AUTHENTICATED", Since: since, CallerID: "\x1b]0;x\a\u009b2J", User: "ali\u202ece", Calls: 12},
		{Name: "m2", State: "quarantined", Condition: "NON_OPERATIONAL", Since: since, NextTry: since.Add(time.Minute), Reason: "no answer to AT"},
	}}
	b.start(d)
	out, _ := b.run(0, "lines")
	wantSafe(t, out)
	wantText(t, out, "LINE    STATE        CONDITION", `\x1b]0;x\x07\u009b2J`, `ali\u202ece`, "no answer to AT; next try "+clock(since.Add(time.Minute)))
	rows := strings.Split(out, "\n")
	for _, column := range []string{"STATE", "CALLS"} {
		if i := strings.Index(rows[0], column); rows[1][i-1] != ' ' || rows[2][i-1] != ' ' || rows[1][i] == ' ' || rows[2][i] == ' ' {
			t.Errorf("column %s is not aligned:\n%s", column, out)
		}
	}
	if strings.Contains(out, "RECORDS") {
		t.Errorf("a healthy daemon is reported:\n%s", out)
	}

	out, _ = b.run(0, "lines", "--json")
	wantSafe(t, out)
	var reply admin.LinesReply
	if err := json.Unmarshal([]byte(out), &reply); err != nil || len(reply.Lines) != 2 || reply.Lines[0].CallerID != d.lines[0].CallerID {
		t.Errorf("%v: %s", err, out)
	}

	d.ill = true
	out, _ = b.run(0, "lines")
	wantText(t, out, "RECORDS ARE NOT SAVED since "+clock(since)+": disk full (3 wait in memory, 1 lost)", "2 plugin workers do not end")
}

type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

func waitFor(t *testing.T, done func() bool, why func() string) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it does not happen: %s", why())
		}
	}
}

func TestLinesWatchPrintsChanges(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		b := newBench(t)
		d := &fakeDaemon{lines: []admin.LineView{{Name: "modem1", State: "listening", Since: since}}}
		b.start(d)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var out, errs lockedBuffer
		code := make(chan int, 1)
		args := []string{"-c", b.config, "lines", "--watch", fmt.Sprintf("--json=%v", asJSON)}
		go func() { code <- run(ctx, args, strings.NewReader(""), &out, &errs) }()
		want := []string{clock(since) + " modem1 listening caller=- user=- -\n", " modem1 ringing ", " modem1 removed\n"}
		if asJSON {
			want = []string{`"state":"listening"`, `"state":"ringing"`, `{"type":"removed","at":"0001-01-01T00:00:00Z","name":"modem1"}`}
		}
		has := func(part string) {
			waitFor(t, func() bool { return strings.Contains(out.String(), part) }, func() string { return part + " in " + out.String() + errs.String() })
		}
		has(want[0])
		d.Publish(admin.Event{Type: admin.EventLine, Line: &admin.LineView{Name: "modem1", State: "ringing"}})
		has(want[1])
		d.Publish(admin.Event{Type: admin.EventRemoved, Name: "modem1"})
		has(want[2])
		if strings.Contains(out.String(), "\x1b") {
			t.Errorf("escape sequences without a terminal: %q", out.String())
		}
		cancel()
		if got := <-code; got != 0 {
			t.Errorf("exit %d: %s", got, errs.String())
		}
	}
}

func TestLinesWatchRedrawsATerminal(t *testing.T) {
	b := newBench(t)
	d := &fakeDaemon{lines: []admin.LineView{{Name: "modem1", State: "listening"}, {Name: "modem2", State: "listening"}}}
	b.start(d)
	screenEnd, tty, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	var out lockedBuffer
	copied := make(chan struct{})
	go func() { _, _ = io.Copy(&out, screenEnd); close(copied) }()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"-c", b.config, "lines", "--watch"}, strings.NewReader(""), tty, tty)
	}()
	waitFor(t, func() bool { return strings.Contains(out.String(), "modem2") }, out.String)
	d.Publish(admin.Event{Type: admin.EventLine, Line: &admin.LineView{Name: "modem1", State: "session"}})
	waitFor(t, func() bool { return strings.Contains(out.String(), "session") }, out.String)
	d.Publish(admin.Event{Type: admin.EventRemoved, Name: "modem1"})
	last := func() string { s := out.String(); return s[strings.LastIndex(s, home):] }
	waitFor(t, func() bool {
		return strings.HasSuffix(last(), eraseRest) && strings.Contains(last(), "modem2") && !strings.Contains(last(), "modem1")
	}, out.String)
	if !strings.Contains(last(), "\x1b[K") {
		t.Errorf("old text would stay on the screen: %q", last())
	}
	cancel()
	if got := <-code; got != 0 {
		t.Errorf("exit %d", got)
	}
	tty.Close()
	<-copied
	screenEnd.Close()
}

// TestWatchShowsWhatIsWrong: records that are not saved and workers that are stuck stand on a watcher's screen, as in `rashost lines`.
func TestWatchShowsWhatIsWrong(t *testing.T) {
	b := newBench(t)
	d := &fakeDaemon{lines: []admin.LineView{{Name: "modem1", State: "listening"}}}
	b.start(d)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out lockedBuffer
	code := make(chan int, 1)
	go func() {
		code <- run(ctx, []string{"-c", b.config, "lines", "--watch"}, strings.NewReader(""), &out, io.Discard)
	}()
	shows := func(ill bool, state string, texts ...string) {
		t.Helper()
		d.mu.Lock()
		d.ill = ill
		d.mu.Unlock()
		d.Publish(admin.Event{Type: admin.EventLine, Line: &admin.LineView{Name: "modem1", State: state}})
		waitFor(t, func() bool { return strings.Contains(out.String(), " "+state+" ") }, out.String)
		for _, text := range texts {
			if n := strings.Count(out.String(), text); n != 1 {
				t.Errorf("%q stands there %d times, want once: %s", text, n, out.String())
			}
		}
	}
	waitFor(t, func() bool { return strings.Contains(out.String(), "listening") }, out.String)
	shows(true, "ringing", "RECORDS ARE NOT SAVED", "disk full", "2 plugin workers do not end")
	shows(true, "dialog", "RECORDS ARE NOT SAVED")
	shows(false, "session", "records are saved, no plugin is stuck")
	if text := screen(nil, "\nRECORDS\n"); !strings.Contains(text, "RECORDS"+eraseLine) {
		t.Errorf("on a terminal it is missing: %q", text)
	}
	cancel()
	if got := <-code; got != 0 {
		t.Errorf("exit %d", got)
	}
}

func TestWatchTellsTheEndOfTheDaemon(t *testing.T) {
	b := newBench(t)
	d := &fakeDaemon{}
	s, err := admin.Listen(t.Context(), filepath.Join(b.dir, "c.sock"), admin.Options{Host: d})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan error, 1)
	go func() { served <- s.Serve(ctx) }()
	var errs lockedBuffer
	code := make(chan int, 1)
	go func() {
		code <- run(t.Context(), []string{"-c", b.config, "lines", "--watch"}, strings.NewReader(""), io.Discard, &errs)
	}()
	waitFor(t, func() bool { return d.watchers() == 1 }, errs.String)
	cancel()
	if got := <-code; got != 1 {
		t.Errorf("exit %d, want 1", got)
	}
	wantText(t, errs.String(), "has ended the watch")
	if err := <-served; err != nil {
		t.Error(err)
	}
}

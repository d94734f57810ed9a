package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"

	"rashost/internal/admin"
	"rashost/internal/record"
	"rashost/plugin"
	"rashost/port"
)

const commandsConfig = `state_dir: state
control: c.sock
lines: [{name: modem1, device: "sim:a", dialog: staff, service: shell}]
dialogs: {staff: {plugin: password, options: {file: users.yaml}}}
services: {shell: {type: command, command: [/bin/true], run_as: nobody}}
`

var since = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// fakeDaemon answers on the control socket.
type fakeDaemon struct {
	admin.Hub
	mu    sync.Mutex
	lines []admin.LineView
	calls []admin.CallView
	query admin.CallQuery
	done  []string
	fail  error
	ill   bool
	views int // of Watch
}

func (d *fakeDaemon) Lines() []admin.LineView { return d.lines }

func (d *fakeDaemon) Calls(_ context.Context, q admin.CallQuery) ([]admin.CallView, error) {
	d.query = q
	return d.calls, nil
}

func (d *fakeDaemon) Call(_ context.Context, id string) (admin.CallView, error) {
	if id != "c1" {
		return admin.CallView{}, admin.NotFound(fmt.Errorf("call %q: no such call", id))
	}
	return admin.CallView{ID: id, Why: "refused:\n  \x1b[2Jwrong password\n"}, nil
}

func (d *fakeDaemon) act(name, line string) error {
	d.done = append(d.done, name+" "+line)
	return d.fail
}

func (d *fakeDaemon) Hangup(_ context.Context, l string) error  { return d.act("hangup", l) }
func (d *fakeDaemon) Disable(_ context.Context, l string) error { return d.act("disable", l) }
func (d *fakeDaemon) Enable(_ context.Context, l string) error  { return d.act("enable", l) }
func (d *fakeDaemon) Reset(_ context.Context, l string) error   { return d.act("reset", l) }
func (d *fakeDaemon) Plugins() []admin.PluginView {
	return []admin.PluginView{{Name: "password", Kind: "built-in", From: "rashost", Dialogs: []string{"staff"}, Error: "no file"}}
}

func (d *fakeDaemon) Health() admin.HealthView {
	h := admin.HealthView{OK: !d.ill, PID: 1, Records: admin.RecordsHealth{OK: !d.ill}}
	if d.ill {
		h.Records = admin.RecordsHealth{Reason: "disk full", Since: since, Unsaved: 3, Lost: 1}
		h.Dialogs.WorkersStuck = 2
	}
	return h
}

func (d *fakeDaemon) Watch(ctx context.Context) <-chan admin.Event {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.views++
	return d.Hub.Watch(ctx)
}

func (d *fakeDaemon) watchers() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.views
}

// bench is a folder with a configuration, and commands that use it.
type bench struct {
	t      *testing.T
	dir    string
	config string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	b := &bench{t: t, dir: t.TempDir()}
	b.config = filepath.Join(b.dir, "config.yaml")
	if err := os.WriteFile(b.config, []byte(commandsConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	return b
}

// start runs a daemon on the socket of the configuration.
func (b *bench) start(d *fakeDaemon) {
	b.t.Helper()
	s, err := admin.Listen(b.t.Context(), filepath.Join(b.dir, "c.sock"), admin.Options{Host: d})
	if err != nil {
		b.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Serve(ctx) }()
	b.t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			b.t.Error(err)
		}
	})
}

// run runs a command and wants its exit code.
func (b *bench) run(want int, args ...string) (stdout, stderr string) {
	b.t.Helper()
	var out, errs bytes.Buffer
	if code := run(b.t.Context(), append([]string{"-c", b.config}, args...), strings.NewReader(""), &out, &errs); code != want {
		b.t.Errorf("%v: exit %d, want %d\n%s%s", args, code, want, &out, &errs)
	}
	return out.String(), errs.String()
}

func wantText(t *testing.T, got string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(got, part) {
			t.Errorf("%q is missing in:\n%s", part, got)
		}
	}
}

func wantSafe(t *testing.T, text string) {
	t.Helper()
	for _, r := range text {
		if r != '\n' && !printable(r) {
			t.Errorf("%U reached the screen:\n%q", r, text)
		}
	}
}

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

// lockedBuffer is written by a command and read by its test.
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
	go func() { code <- run(ctx, []string{"-c", b.config, "lines", "--watch"}, strings.NewReader(""), tty, tty) }()
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

func TestControl(t *testing.T) {
	b := newBench(t)
	d := &fakeDaemon{}
	b.start(d)
	for name, done := range map[string]string{"hangup": "hung up", "disable": "disabled", "enable": "enabled", "reset": "reset"} {
		out, _ := b.run(0, name, "modem1")
		if out != "modem1: "+done+"\n" || d.done[len(d.done)-1] != name+" modem1" {
			t.Errorf("%s: %q, the daemon did %v", name, out, d.done)
		}
		_, errs := b.run(2, name)
		wantText(t, errs, "usage: rashost "+name+" LINE")
	}
	d.fail = admin.Conflict(errors.New("line modem1 has no call \x1b[2J"))
	_, errs := b.run(1, "hangup", "modem1")
	if errs != "rashost: line modem1 has no call \\x1b[2J\n" {
		t.Errorf("got %q", errs)
	}
}

func TestNotRunning(t *testing.T) {
	b := newBench(t)
	for _, args := range [][]string{{"lines"}, {"lines", "--watch"}, {"hangup", "modem1"}, {"reset", "modem1"}} {
		_, errs := b.run(1, args...)
		wantText(t, errs, "rashost is not running (no answer at "+filepath.Join(b.dir, "c.sock")+"): start it with `rashost serve`")
	}
	b.config = filepath.Join(b.dir, "missing.yaml")
	_, errs := b.run(2, "lines")
	wantText(t, errs, "missing.yaml: there is no such file: name yours with -c, or try `rashost demo`")
}

func TestUsage(t *testing.T) {
	b := newBench(t)
	for _, args := range [][]string{
		{"lines", "extra"}, {"lines", "--nonsense"}, {"why"}, {"why", "a", "b"}, {"calls", "--since", "soon"}, {"calls", "--limit", "0"}, {"nonsense"},
	} {
		if _, errs := b.run(2, args...); errs == "" {
			t.Errorf("%v: no word of what is wrong", args)
		}
	}
}

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

func TestCheck(t *testing.T) {
	b := newBench(t)
	out, errs := b.run(0, "check")
	if out != b.config+": no faults\n" || errs != "" {
		t.Errorf("got %q, %q", out, errs)
	}
	change := func(old, text string) {
		t.Helper()
		if err := os.WriteFile(b.config, []byte(strings.Replace(commandsConfig, old, text, 1)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	change("name: modem1", "name: modem1, carier: auto, rings: 99")
	out, errs = b.run(2, "check")
	want := b.config + ":3:24: lines[0].carier: is not a key here: did you mean carrier?\n" +
		b.config + ":3:45: lines[0].rings: 99 is out of range: allowed is 1 to 20\n"
	if out != "" || errs != want {
		t.Errorf("got %q, %q\nwant %q", out, errs, want)
	}
	change("file: users.yaml", "fil: users.yaml") // only the plugin knows
	_, errs = b.run(2, "check")
	wantText(t, errs, b.config+":4:47: dialogs.staff.options.fil: is not a key here: did you mean file?")
	change("services: {", "services: {spare: {type: tcp, address: \"h:1\"}, ")
	out, errs = b.run(0, "check")
	wantText(t, out+errs, "warning: "+b.config+":5:12: services.spare: no line uses this service", ": no faults\n")
}

func TestSchemaIsJSON(t *testing.T) {
	out, _ := newBench(t).run(0, "schema")
	var v map[string]any
	if err := json.Unmarshal([]byte(out), &v); err != nil || v["properties"] == nil {
		t.Errorf("%v: %.200s", err, out)
	}
}

func TestPlugins(t *testing.T) {
	b := newBench(t)
	out, _ := b.run(0, "plugins")
	wantText(t, out, "PLUGIN", "password  built-in  rashost  staff    -", "anyone    built-in  rashost  -        -")
	b.start(&fakeDaemon{})
	out, _ = b.run(0, "plugins")
	wantText(t, out, "password  built-in  rashost  staff    no file")
	out, _ = b.run(0, "plugins", "--json")
	wantText(t, out, `"dialogs": [`, `"error": "no file"`)

	b = newBench(t)
	b.config = filepath.Join(b.dir, "faulty.yaml")
	if err := os.WriteFile(b.config, []byte("control: x\nnonsense: 1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, errs := b.run(0, "plugins")
	wantText(t, out+errs, "password", "see `rashost check`")
}

func TestOnScreen(t *testing.T) {
	for text, want := range map[string]string{
		"plain": "plain", "a\nb": "a\nb", "\x1b[2J": `\x1b[2J`, "\u009b": `\u009b`, "\u202e": `\u202e`, "\xff": `\xff`, "\x7f\t": `\x7f\x09`, "Grüße": "Grüße",
	} {
		if got := onScreen(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
	if got := cell("a\nbcdef", 5); got != `a\nb…` {
		t.Errorf("got %q", got)
	}
	if got := safeJSON([]byte("\"\u009b\u202e\U000E0001\"")); got != `"\u009b\u202e\udb40\udc01"` {
		t.Errorf("got %s", got)
	}
}

// docs/json.md lists the fields of every schema, no more and no fewer.
func TestJSONDocumentation(t *testing.T) {
	data, err := os.ReadFile("../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	field := regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\|")
	documented := map[string][]string{}
	for _, section := range strings.Split(string(data), "\n## ")[1:] {
		title, body, _ := strings.Cut(section, "\n")
		for _, m := range field.FindAllStringSubmatch(body, -1) {
			documented[title] = append(documented[title], m[1])
		}
	}
	for title, v := range map[string]any{
		"lines": admin.LinesReply{}, "line": admin.LineView{}, "calls": admin.CallsReply{}, "call": admin.CallView{}, "step": admin.StepView{},
		"health": admin.HealthView{}, "records": admin.RecordsHealth{}, "dialogs": admin.DialogsHealth{}, "plugins": admin.PluginsReply{},
		"plugin": admin.PluginView{}, "event": admin.Event{}, "user": userView{},
	} {
		var fields []string
		for i := range reflect.TypeOf(v).NumField() {
			name, _, _ := strings.Cut(reflect.TypeOf(v).Field(i).Tag.Get("json"), ",")
			fields = append(fields, name)
		}
		if !reflect.DeepEqual(documented[title], fields) {
			t.Errorf("%s: docs/json.md lists %v, the program writes %v", title, documented[title], fields)
		}
		delete(documented, title)
	}
	for title := range documented {
		t.Errorf("docs/json.md documents %s, which the program does not write", title)
	}
}

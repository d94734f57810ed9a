package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"rashost/internal/admin"
	"rashost/internal/doctor"
	"rashost/port"
)

const commandsConfig = `state_dir: state
control: c.sock
lines: [{name: modem1, device: "sim:a", dialog: staff, service: shell}]
dialogs: {staff: {plugin: password, options: {file: users.yaml}}}
services: {shell: {type: command, command: [/bin/true], run_as: nobody, idle: 1h}}
`

var since = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// fakeDaemon answers on the control socket.
type fakeDaemon struct {
	admin.Hub
	mu     sync.Mutex
	lines  []admin.LineView
	calls  []admin.CallView
	events []admin.LineEventView
	query  admin.CallQuery
	done   []string
	fail   error
	ill    bool
	views  int // of Watch
}

func (d *fakeDaemon) Lines() []admin.LineView { return d.lines }

func (d *fakeDaemon) Line(_ context.Context, name string) (admin.LineReply, error) {
	for _, l := range d.lines {
		if l.Name == name {
			return admin.LineReply{Line: l, Events: d.events}, nil
		}
	}
	return admin.LineReply{}, admin.NotFound(fmt.Errorf("line %q: no such line", name))
}

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
func (d *fakeDaemon) Drain(_ context.Context, l string) error   { return d.act("drain", l) }
func (d *fakeDaemon) Enable(_ context.Context, l string) error  { return d.act("enable", l) }
func (d *fakeDaemon) Reset(_ context.Context, l string) error   { return d.act("reset", l) }

func (d *fakeDaemon) Lend(context.Context, string, string) (admin.Loan, error) {
	return nil, admin.Conflict(errors.New("nothing is lent"))
}

func (d *fakeDaemon) Arm(_ context.Context, l string, peer admin.Peer, r admin.ArmRequest) (admin.ArmView, error) {
	if _, err := newArming(l, "sim:a", peer, r); err != nil {
		return admin.ArmView{}, admin.Invalid(err)
	}
	return admin.ArmView{Since: since, Until: since.Add(15 * time.Minute), By: r.By, Reason: r.Reason, UID: peer.UID}, d.act("arm for "+r.For, l)
}

func (d *fakeDaemon) Disarm(_ context.Context, l string, _ admin.Peer) error {
	return d.act("disarm", l)
}
func (d *fakeDaemon) PPPPreUp(context.Context, admin.Peer, admin.PPPReport) error { return nil }

func (d *fakeDaemon) Plugins() []admin.PluginView {
	return []admin.PluginView{{Name: "password", Kind: "built-in", From: "rashost", Dialogs: []string{"staff"}, Error: "no file"}}
}

func (d *fakeDaemon) Health() admin.HealthView {
	d.mu.Lock()
	defer d.mu.Unlock()
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

// lockedBuffer is written by a command and read by its test.
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
	out, _ := b.run(0, "disable", "modem1", "--when-idle")
	if out != "modem1: disabled, at once or when its call is over\n" || d.done[len(d.done)-1] != "drain modem1" {
		t.Errorf("--when-idle: %q, the daemon did %v", out, d.done)
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
		{"lines", "one", "more"}, {"lines", "modem1", "--watch"}, {"lines", "--nonsense"}, {"why"}, {"why", "a", "b"}, {"calls", "--since", "soon"}, {"calls", "--limit", "0"}, {"nonsense"},
	} {
		if _, errs := b.run(2, args...); errs == "" {
			t.Errorf("%v: no word of what is wrong", args)
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
		"lines": admin.LinesReply{}, "line": admin.LineView{}, "line detail": admin.LineReply{}, "line event": admin.LineEventView{}, "calls": admin.CallsReply{}, "call": admin.CallView{}, "step": admin.StepView{},
		"health": admin.HealthView{}, "records": admin.RecordsHealth{}, "dialogs": admin.DialogsHealth{}, "plugins": admin.PluginsReply{},
		"plugin": admin.PluginView{}, "event": admin.Event{}, "user": userView{}, "arm": admin.ArmView{}, "try": tryResult{}, "fault": tryFault{},
		"report": doctor.Report{}, "finding": doctor.Finding{}, "devices": devicesReply{}, "device": deviceView{},
		"probe": probeReply{}, "probe answer": port.Answer{}, "heard": heardView{}, "caller": callerView{},
		"lint": lintReply{}, "lint command": lintCommand{}, "lint finding": lintFinding{}, "lint trap": lintTrap{}, "lint fact": lintFact{},
	} {
		var fields []string
		for _, f := range reflect.VisibleFields(reflect.TypeOf(v)) {
			if name, _, _ := strings.Cut(f.Tag.Get("json"), ","); !f.Anonymous {
				fields = append(fields, name)
			}
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

package lab

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"rashost/internal/admin"
	"rashost/test/lab/agent"
)

// The user of every daemon.
const name, password = "alice", "wonderland-7"

// daemon is rashost in the guest.
type daemon struct {
	t   *testing.T
	m   *Machine
	dir string // in the guest
	pid int
}

// daemons counts them, for the names of their folders.
var daemons atomic.Int64

// serve starts a daemon with these lines, and waits until it serves. Root needs run_as, so the service is nobody's.
func serve(t *testing.T, m *Machine, lines string, services ...string) *daemon {
	t.Helper()
	d := &daemon{t: t, m: m, dir: fmt.Sprint("/tmp/daemon", daemons.Add(1))}
	d.write("config.yaml", fmt.Sprintf(`state_dir: state
control: control.sock
log: {level: debug}
lock_dirs: []
lines:
%s
dialogs:
  staff: {plugin: password, timeout: 2m, attempts: 3, options: {file: users.yaml}}
services:
  echo: {type: command, command: [/bin/sh, -c, 'stty -echo; echo READY $RASHOST_USER; exec cat'], run_as: nobody, idle: 1h, grace: 1s}
%s
`, lines, strings.Join(services, "\n")))
	d.write("users.yaml", users)
	d.start()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the daemon's log:\n%s", d.log())
		}
		d.stop()
	})
	return d
}

// line is a line of the configuration.
func line(name, device, more string) string {
	return fmt.Sprintf("  - {name: %s, device: %s, dialog: staff, service: echo%s}\n", name, device, more)
}

// users has alice with her password's hash.
const users = `version: 1
users:
  - {name: alice, hash: "$argon2id$v=19$m=19456,t=2,p=1$Ir/EfOTCAFCDtgZ54A4Quw$xMIjYnfXDoYCKiRlFSc2vZwnVUizLtSTuiVlAWWfFgA"}
`

func (d *daemon) write(name, text string) {
	d.t.Helper()
	must(d.t, d.m.call("Write", agent.File{Path: path.Join(d.dir, name), Data: []byte(text), Mode: 0o600}, new(struct{})))
}

// start starts the daemon and waits until its control socket answers.
func (d *daemon) start() {
	d.t.Helper()
	must(d.t, d.m.call("Start", agent.Command{
		Args: []string{"/lab/rashost", "serve", "-c", path.Join(d.dir, "config.yaml")}, Log: path.Join(d.dir, "log"),
	}, &d.pid))
	eventually(d.t, "the daemon serves", func() (bool, string) {
		var alive bool
		must(d.t, d.m.call("Alive", d.pid, &alive))
		if !alive {
			d.t.Fatalf("the daemon ended at once with %d:\n%s", d.wait(), d.log())
		}
		_, err := d.tryLines()
		return err == nil, d.log()
	})
}

// signal sends the daemon a signal.
func (d *daemon) signal(number int) {
	d.t.Helper()
	must(d.t, d.m.call("Kill", agent.Signal{PID: d.pid, Number: number}, new(struct{})))
}

// wait waits until the daemon has ended, and returns its exit code.
func (d *daemon) wait() (code int) {
	d.t.Helper()
	must(d.t, d.m.call("Wait", d.pid, &code))
	d.pid = 0
	return code
}

// stop ends the daemon in order.
func (d *daemon) stop() {
	if d.pid == 0 {
		return
	}
	d.signal(15)
	if code := d.wait(); code != 0 {
		d.t.Errorf("the daemon ended with %d:\n%s", code, d.log())
	}
}

func (d *daemon) log() string {
	var f agent.File
	if err := d.m.call("Read", path.Join(d.dir, "log"), &f); err != nil {
		return err.Error()
	}
	return string(f.Data)
}

// ask sends a request to the control socket.
func (d *daemon) ask(method, where string, reply any) error {
	var r agent.Reply
	if err := d.m.call("Ask", agent.Request{Socket: path.Join(d.dir, "control.sock"), Method: method, Path: where}, &r); err != nil {
		return err
	}
	if r.Status != 200 {
		return fmt.Errorf("%s: status %d: %s", where, r.Status, r.Body)
	}
	return json.Unmarshal(r.Body, reply)
}

func (d *daemon) tryLines() (reply admin.LinesReply, err error) {
	err = d.ask("GET", "/v1/lines", &reply)
	return reply, err
}

// view returns a line as it is now.
func (d *daemon) view(name string) admin.LineView {
	d.t.Helper()
	reply, err := d.tryLines()
	must(d.t, err)
	i := slices.IndexFunc(reply.Lines, func(l admin.LineView) bool { return l.Name == name })
	if i < 0 {
		d.t.Fatalf("there is no line %s", name)
	}
	return reply.Lines[i]
}

// wantState waits until a line is in one of these states.
func (d *daemon) wantState(name string, states ...string) (l admin.LineView) {
	d.t.Helper()
	eventually(d.t, name+" is "+strings.Join(states, " or "), func() (bool, string) {
		l = d.view(name)
		return slices.Contains(states, l.State), l.State + ": " + l.Reason
	})
	return l
}

// wantRecord waits until a line has n calls that have all ended, and returns the newest, which must have ended so.
func (d *daemon) wantRecord(name string, n int, cause string) admin.CallView {
	d.t.Helper()
	var reply admin.CallsReply
	eventually(d.t, fmt.Sprintf("%s has %d records", name, n), func() (bool, string) {
		must(d.t, d.ask("GET", "/v1/calls?line="+url.QueryEscape(name), &reply))
		text, _ := json.Marshal(reply.Calls)
		return len(reply.Calls) >= n && !slices.ContainsFunc(reply.Calls, func(c admin.CallView) bool { return c.Open }), string(text)
	})
	var c admin.CallView
	must(d.t, d.ask("GET", "/v1/calls/"+reply.Calls[0].ID, &c))
	if len(reply.Calls) != n || c.CauseName != cause || c.Reason == "" {
		d.t.Errorf("%d calls; the last ended with %s, want %s:\n%s", len(reply.Calls), c.CauseName, cause, c.Why)
	}
	return c
}

// wantBack waits until a line listens again, and checks that it took no longer than it may. By the guest's clock: since is when the
// trouble began, as a record says.
func (d *daemon) wantBack(name string, c admin.CallView) {
	d.t.Helper()
	l := d.wantState(name, "listening", "quarantined")
	if took := l.Since.Sub(c.End); l.State == "listening" && took > lineLimit {
		d.t.Errorf("%s listened %s after the hang-up began, want at most %s", name, took, lineLimit)
	}
	if l.State == "quarantined" && l.Reason == "" {
		d.t.Errorf("%s is quarantined without a reason", name)
	}
}

package plugintest

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing/synctest"
	"time"

	"rashost/dialog"
	"rashost/plugin"
)

// run is one case on one plugin.
type run struct {
	subject  Subject
	opts     dialog.Options
	host     *dialog.Host
	probe    *probe
	baseline []string // the goroutines that were there before
	skip     func(reason string)

	mu     sync.Mutex
	calls  []*exchange
	faults []Fault
	faulty *exchange // the first that broke the contract
}

func newRun(s Subject, p plugin.Plugin) *run {
	r := &run{subject: s, opts: s.defaults(), host: dialog.New(nil)}
	r.probe = &probe{run: r, inner: p, txs: make(map[plugin.HPORT]*tx)}
	for _, g := range goroutines() {
		r.baseline = append(r.baseline, g.id)
	}
	return r
}

// add registers a call and returns its id.
func (r *run) add(x *exchange) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.calls = append(r.calls, x)
	return strconv.Itoa(len(r.calls))
}

// exchange finds a call by its id.
func (r *run) exchange(id string) *exchange {
	r.mu.Lock()
	defer r.mu.Unlock()
	n, _ := strconv.Atoi(id) // the id is our own
	return r.calls[n-1]
}

// fault notes a breach; the same one is kept once.
func (r *run) fault(x *exchange, rule, format string, args ...any) {
	f := Fault{rule, fmt.Sprintf(format, args...)}
	r.mu.Lock()
	defer r.mu.Unlock()
	if slices.Contains(r.faults, f) {
		return
	}
	r.faults = append(r.faults, f)
	if r.faulty == nil {
		r.faulty = x
	}
}

// result returns the faults and the trace of the first faulty exchange.
func (r *run) result() (faults []Fault, trace []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if x := r.faulty; x != nil {
		x.mu.Lock()
		defer x.mu.Unlock()
		for _, line := range x.lines {
			trace = append(trace, line.String())
		}
	}
	return r.faults, trace
}

// patience is how long the caller waits for a prompt or for his typing to be taken.
func (r *run) patience() time.Duration {
	if r.subject.Virtual {
		return r.opts.Timeout
	}
	return 15 * time.Second
}

// longest is the time by which every dialog has ended.
func (r *run) longest() time.Duration {
	return r.opts.Timeout + r.opts.EndGrace + r.opts.BeginLimit + r.opts.DrainLimit + 10*time.Second
}

// idle waits, in a bubble, until the plugin waits for the caller.
func (r *run) idle() {
	if r.subject.Virtual {
		synctest.Wait()
	}
}

// until asks cond again and again until it holds or the time is over, and returns its last answer.
func (r *run) until(limit time.Duration, cond func() bool) bool {
	r.idle()
	for deadline := time.Now().Add(limit); !cond(); {
		if time.Now().After(deadline) {
			return false
		}
		time.Sleep(5 * time.Millisecond)
	}
	return true
}

// look looks for goroutines that neither host nor suite has started.
func (r *run) look(x *exchange) {
	for _, g := range goroutines() {
		if !slices.Contains(r.baseline, g.id) && g.foreign(r.subject.Goroutines) {
			r.fault(x, "goroutines", "a goroutine was not started with Host.Go: %s", g.text)
		}
	}
}

// finish hangs up all calls, waits for the host, and looks for goroutines that are left.
func (r *run) finish() {
	for _, x := range r.calls {
		if !x.ended() {
			x.hangUp()
		}
		_ = x.conn.Close()
	}
	ctx, cancel := context.WithTimeout(context.Background(), r.longest())
	defer cancel()
	if err := r.host.Shutdown(ctx); err != nil {
		r.fault(nil, "E4", "the host cannot shut down: %v", err)
	}
	var left []string
	gone := r.until(5*time.Second, func() bool {
		left = nil
		for _, g := range goroutines() {
			if !slices.Contains(r.baseline, g.id) && !below(g.owner, r.subject.Goroutines) && !runtimeOwn(g) {
				left = append(left, g.text)
			}
		}
		return len(left) == 0
	})
	if !gone {
		r.fault(nil, "goroutines", "%d goroutines are left over: %s", len(left), strings.Join(left[:min(len(left), 3)], "; "))
	}
}

// runtimeOwn says whether g is one that the runtime or the tests' machinery starts for itself.
func runtimeOwn(g goroutine) bool {
	return below(g.owner, []string{"runtime", "testing", "os/signal"})
}

// verify checks what holds for every transaction, whatever its caller did.
func (r *run) verify(x *exchange) {
	t, ok := x.seen()
	out := x.outcome
	switch {
	case out.Code == plugin.ErrorProcessAborted && out.Verdict == plugin.Error:
		r.fault(x, "R9", "the plugin crashed")
	case !ok || !t.returned || out.Ended == dialog.BeginTimedOut:
		r.fault(x, "B3", "Begin did not return within %v", r.opts.BeginLimit)
		return
	case t.begin == plugin.Pending:
		r.fault(x, "B4", "Begin returned PENDING, which counts as an error")
		return
	case t.begin != plugin.NoError:
		r.fault(x, "B4", "Begin returned %v", t.begin)
		return
	}
	if r.subject.Virtual && t.beginTook > 0 {
		r.fault(x, "B3", "Begin waited for %v", t.beginTook)
	}
	if t.begins != 1 {
		r.fault(x, "B1", "Begin was called %d times for one call", t.begins)
	}
	switch {
	case len(t.ends) == 0:
		r.fault(x, "E4", "End did not return within %v", r.opts.EndGrace)
	case len(t.ends) > 1:
		r.fault(x, "E1", "End was called %d times, want once", len(t.ends))
	}
	r.verifyCompletes(x, t)
	if t.late > 16 {
		r.fault(x, "E8", "the plugin made %d calls on the closed HPORT; ERROR_INVALID_PORT_HANDLE means stop", t.late)
	}
	if t.workers > 0 {
		r.fault(x, "goroutines", "%d workers of the transaction are left over", t.workers)
	}
}

// verifyCompletes counts the verdicts against what End has answered.
func (r *run) verifyCompletes(x *exchange, t tx) {
	out := x.outcome
	deferred := len(t.ends) > 0 && t.ends[0] == plugin.NoError
	switch {
	case out.Ended == dialog.LimitReached && !x.wasCut() && x.unsaid() == 0:
		r.fault(x, "C2", "Complete was not called before the time limit")
	case deferred && len(t.after) == 0:
		r.fault(x, "E4", "End deferred, and the Complete that it then owes did not come within %v", r.opts.EndGrace)
	case len(t.before) > 1:
		r.fault(x, "C2", "Complete was called %d times before End", len(t.before))
	case len(t.after) > 1:
		r.fault(x, "C2", "Complete was called %d times after End", len(t.after))
	case !deferred && len(t.before) == 1 && len(t.after) > 0:
		r.fault(x, "C2", "Complete was called again although End had closed the transaction")
	}
	if out.Ended == dialog.EndOverdue {
		r.fault(x, "E4", "End was neither answered nor completed within %v", r.opts.EndGrace)
	}
	if t.lateGrant {
		r.fault(x, "E6", "Success was reported after the call was cut, although the caller had not finished logging in")
	}
	for _, m := range slices.Concat(t.before, t.after) {
		if m.HPort != t.hport {
			r.fault(x, "C1", "Complete named HPORT %d, want %d", m.HPort, t.hport)
		}
		if rule, wrong := messageFault(m); wrong != "" {
			r.fault(x, rule, "%s", wrong)
		}
	}
}

// messageFault says what is wrong with a message by itself, and by which rule; "" for nothing.
func messageFault(m plugin.SecurityMessage) (rule, wrong string) {
	user, _, nul := bytes.Cut(m.UserName[:], []byte{0})
	switch {
	case m.MsgID < plugin.Success || m.MsgID > plugin.Error:
		return "C4", fmt.Sprintf("Complete reported message %d; there are Success, Failure and Error", m.MsgID)
	case m.MsgID == plugin.Error && m.Error == plugin.NoError:
		return "C4", "Complete reported Error without a code"
	case !nul || bytes.IndexByte(m.Domain[:], 0) < 0:
		return "C5", "Complete reported a name or a domain without a NUL"
	case m.MsgID == plugin.Success && len(user) == 0:
		return "C3", "Complete reported Success without a name"
	}
	return "", ""
}

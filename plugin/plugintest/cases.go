package plugintest

import (
	"math/rand/v2"
	"runtime"
	"runtime/metrics"
	"slices"
	"strings"
	"time"

	"rashost/plugin"
)

// testCase is one scenario.
type testCase struct {
	name     string
	rules    []string
	title    string
	needsBad bool
	body     func(r *run)
}

// cases is the suite.
func cases() []testCase {
	rules := func(s string) []string { return strings.Fields(s) }
	return []testCase{
		{"good", rules("B3 B4 C2 C3 C4 C5 E1 E4"), "a good login is a Success that names the user", false, goodLogin},
		{"bad", rules("C3"), "a wrong secret is a Failure with a name", true, badLogin},
		{"again", rules("B1"), "one caller after the other, good and bad, on one plugin", true, oneAfterTheOther},
		{"late", rules("E8"), "a closed transaction takes no calls", false, lateCalls},
		{"typeahead", rules("B6"), "a caller may type ahead", false, typeAhead},
		{"drop", rules("E6"), "the caller hangs up at every step of a good login", false, dropGood},
		{"drop-bad", rules("E6"), "the caller hangs up at every step of a bad login", true, dropBad},
		{"stop", rules("E6"), "the service stops at every step", false, stopEverywhere},
		{"silence", rules("C9"), "the caller falls silent at every step", false, silence},
		{"noise", rules("R9"), "NULs and 8-bit noise at every prompt", false, noise},
		{"flood", rules("R9"), "1 MiB of noise at every prompt", false, flood},
		{"endless", rules("R9"), "a line of 512 KiB without an end at every prompt", false, endless},
		{"two", rules("1.10"), "two callers at once do not mix", false, func(r *run) { together(r, 2) }},
		{"twenty", rules("1.10"), "twenty callers at once, some refused, do not mix", false, func(r *run) { together(r, Callers) }},
	}
}

// wantGrant checks the outcome of a good login.
func (r *run) wantGrant(x *exchange, rule string) {
	out := x.outcome
	switch {
	case x.misreported():
		// its message says what is wrong, and why the host did not let in
	case !out.Granted():
		r.fault(x, rule, "a good login was not let in: %v, %v, %v", out.Verdict, out.Ended, out.Code)
	case !strings.EqualFold(out.User, x.login.User):
		r.fault(x, rule, "Success names %s, want %s", quote(out.User), quote(x.login.User))
	}
}

// misreported says that a message of the exchange was wrong by itself.
func (x *exchange) misreported() bool {
	t, _ := x.seen()
	return slices.ContainsFunc(slices.Concat(t.before, t.after), func(m plugin.SecurityMessage) bool {
		_, wrong := messageFault(m)
		return wrong != ""
	})
}

// wantRefusal checks the outcome of a bad login.
func (r *run) wantRefusal(x *exchange, rule string) {
	out := x.outcome
	switch {
	case out.Granted():
		r.fault(x, rule, "a bad login was let in as %s", quote(out.User))
	case out.Verdict != plugin.Failure:
		r.fault(x, rule, "a bad login gave %v, %v, %v; want Failure", out.Verdict, out.Ended, out.Code)
	case out.User == "":
		r.fault(x, rule, "Failure names nobody")
	case x.login.User != "" && !strings.EqualFold(out.User, x.login.User):
		r.fault(x, rule, "Failure names %s, want %s", quote(x.redact(out.User)), quote(x.login.User))
	}
}

func goodLogin(r *run) {
	login := r.subject.Good(0)
	x := r.call(login, "")
	x.awaitBegin() // the caller says nothing until then: a Begin that waits for him never returns
	if x.playAll(login.Steps) && x.end() {
		r.wantGrant(x, "C3")
	}
}

func badLogin(r *run) {
	login := r.subject.Bad(0)
	x := r.call(login, "")
	if x.playAll(login.Steps) && x.end() {
		r.wantRefusal(x, "C3")
	}
}

func oneAfterTheOther(r *run) {
	for n := range 4 {
		login, want := r.subject.Good(n/2), r.wantGrant
		if n%2 == 0 {
			login, want = r.subject.Bad(n/2), r.wantRefusal
		}
		x := r.call(login, "")
		if x.playAll(login.Steps) && x.end() {
			want(x, "C3")
		}
	}
}

func lateCalls(r *run) {
	login := r.subject.Good(0)
	x := r.call(login, "")
	if !x.playAll(login.Steps) || !x.end() {
		return
	}
	t, ok := x.seen()
	if !ok {
		return
	}
	n := uint16(1)
	for what, code := range map[string]plugin.Code{
		"Send":    r.host.DialogSend(t.hport, []byte("late")),
		"Receive": r.host.DialogReceive(t.hport, make([]byte, 1), &n, 1, nil),
		"GetInfo": r.host.DialogGetInfo(t.hport, &plugin.SecurityInfo{}),
	} {
		if code != plugin.ErrorInvalidPortHandle {
			r.fault(x, "E8", "%s on the closed HPORT gave %v: the transaction is still open", what, code)
		}
	}
}

func typeAhead(r *run) {
	login := r.subject.Good(0)
	var all strings.Builder
	for _, s := range login.Steps {
		if s.reply != nil {
			r.skip("the caller must see a challenge before he can answer")
			return
		}
		all.WriteString(s.send)
	}
	x := r.call(login, all.String())
	if x.end() {
		r.wantGrant(x, "B6")
	}
}

// everyStep calls once for each step of login, and once more for its end; cut gets the call after the steps before it. Only a caller
// who had typed everything of a good login may have been let in by then.
func (r *run) everyStep(login func(n int) Login, good bool, cut func(x *exchange)) {
	for k := 0; k <= len(login(0).Steps); k++ {
		l := login(0)
		x := r.call(l, "")
		if !x.playAll(l.Steps[:k]) {
			return
		}
		x.awaitBegin()
		if k < len(l.Steps) {
			r.idle()
		}
		cut(x)
		if x.end() && x.outcome.Granted() && (!good || x.cutShort()) {
			r.fault(x, "E6", "a call that was cut before step %d of the login was let in", k+1)
		}
	}
}

func dropGood(r *run) { r.everyStep(r.subject.Good, true, (*exchange).hangUp) }

func dropBad(r *run) { r.everyStep(r.subject.Bad, false, (*exchange).hangUp) }

func stopEverywhere(r *run) { r.everyStep(r.subject.Good, true, (*exchange).stop) }

func silence(r *run) {
	var silent []*exchange
	for k := range r.subject.Good(0).Steps {
		l := r.subject.Good(k % Callers)
		x := r.call(l, "")
		if !x.playAll(l.Steps[:k]) {
			return
		}
		if x.unsaid() > 0 {
			silent = append(silent, x)
		}
	}
	for _, x := range silent {
		x.trace("caller is silent")
		if x.end() && x.outcome.Granted() {
			r.fault(x, "C9", "a caller who fell silent was let in")
		}
	}
}

// atEveryPrompt calls once for each typing step of a good login, goes up to it, lets disturb loose there and hangs up.
func (r *run) atEveryPrompt(disturb func(x *exchange)) {
	tried := false
	for k, s := range r.subject.Good(0).Steps {
		if !s.types() {
			continue
		}
		tried = true
		l := r.subject.Good(0)
		x := r.call(l, "")
		if !x.playAll(l.Steps[:k]) {
			return
		}
		disturb(x)
		x.hangUp()
		if x.end() && x.outcome.Granted() && r.subject.Bad != nil {
			r.fault(x, "R9", "noise was let in as %s", quote(x.outcome.User))
		}
	}
	if !tried {
		r.skip("the caller types nothing")
	}
}

// pour writes size bytes from fill, as long as the dialog takes them.
func (x *exchange) pour(size int, fill func(p []byte)) {
	x.trace("caller sends %d bytes", size)
	chunk := make([]byte, 4096)
	for ; size > 0 && !x.ended(); size -= len(chunk) {
		chunk = chunk[:min(size, len(chunk))]
		fill(chunk)
		if x.write(chunk) != nil {
			return
		}
	}
	x.run.idle()
}

func noise(r *run) {
	r.atEveryPrompt(func(x *exchange) {
		x.pour(1000, func(p []byte) { clear(p) })
		x.pour(1024, func(p []byte) {
			for i := range p {
				p[i] = byte(i)
			}
		})
		x.pour(512, func(p []byte) {
			copy(p, strings.Repeat("\xff\xfe\x1b[2J\x03\x04\x15\x7f\x08\r\n\x00~}#\xc0!", len(p)/18+1))
		})
	})
}

const floodSize = 1 << 20

func flood(r *run) {
	source := rand.NewChaCha8([32]byte{1})
	r.atEveryPrompt(func(x *exchange) {
		x.pour(floodSize, func(p []byte) { _, _ = source.Read(p) }) // never fails
	})
}

// endlessSize is the length of the line without an end; maxGrowth is what may be kept of it: the host's own 64 KiB and some room.
// endlessTime is for a program that reads byte by byte: what it has not read by then it cannot keep.
const (
	endlessSize = 512 << 10
	maxGrowth   = endlessSize / 2
	endlessTime = 5 * time.Second
)

func endless(r *run) {
	line := strings.Repeat("A", 16<<10)
	r.atEveryPrompt(func(x *exchange) {
		before := liveHeap()
		start := time.Now()
		for sent := 0; sent < endlessSize && time.Since(start) < endlessTime && !x.ended(); sent += len(line) {
			x.pour(len(line), func(p []byte) { copy(p, line) })
			x.awaitReceive()
		}
		if grown := liveHeap() - before; grown > maxGrowth && !x.ended() {
			r.fault(x, "R9", "a line of %d bytes without an end made the plugin keep %d KiB", endlessSize, grown>>10)
		}
	})
}

// awaitReceive waits until the plugin has taken what the caller sent and asks for more.
func (x *exchange) awaitReceive() {
	t, ok := x.seen()
	if !ok {
		return
	}
	x.run.until(time.Second, func() bool {
		var info plugin.SecurityInfo
		code := x.run.host.DialogGetInfo(t.hport, &info)
		return code != plugin.NoError || info.LastError == plugin.Pending
	})
}

// liveHeap is the size of all objects in use, in bytes.
func liveHeap() int64 {
	runtime.GC()
	live := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	metrics.Read(live)
	return int64(live[0].Value.Uint64())
}

// together holds count calls at once, key by key in turn; in a crowd, every third caller has a wrong secret.
func together(r *run, count int) {
	type caller struct {
		x    *exchange
		todo []Step
		want func(x *exchange, rule string)
	}
	callers := make([]*caller, 0, count)
	for n := range count {
		login, want := r.subject.Good(n), r.wantGrant
		if count > 2 && n%3 == 2 && r.subject.Bad != nil {
			login, want = r.subject.Bad(n), r.wantRefusal
		}
		callers = append(callers, &caller{r.call(login, ""), singleKeys(login.Steps), want})
	}
	for busy := true; busy; {
		busy = false
		for _, c := range callers {
			if len(c.todo) == 0 {
				continue
			}
			busy = true
			if err := c.x.play(c.todo[0]); err != nil {
				r.fault(c.x, "1.10", "with %d callers at once, the login of %s went wrong: %v", count, quote(c.x.login.User), err)
				c.x.hangUp()
				c.todo = nil
				continue
			}
			c.todo = c.todo[1:]
		}
		r.idle()
	}
	for _, c := range callers {
		if c.x.end() && !c.x.wasCut() {
			c.want(c.x, "1.10")
		}
	}
}

// singleKeys splits what is typed into single bytes.
func singleKeys(steps []Step) []Step {
	var keys []Step
	for _, s := range steps {
		if s.send == "" {
			keys = append(keys, s)
			continue
		}
		for i := range len(s.send) {
			keys = append(keys, Step{send: s.send[i : i+1], secret: s.secret})
		}
	}
	return keys
}

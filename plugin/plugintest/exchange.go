package plugintest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"rashost/dialog"
	"rashost/plugin"
)

// errCarrier is the cause of a hang-up.
var errCarrier = errors.New("plugintest: the caller has hung up")

const (
	outputKept = 64 << 10 // bytes of the plugin's output that a script can look back on
	traceHead  = 40       // lines of a trace that are kept from its beginning,
	traceTail  = 60       // and from its end
)

// exchange is one call: a line in memory, the caller at its far end, and the host's Run at this one.
type exchange struct {
	run    *run
	login  Login
	secret []string
	conn   net.Conn // the caller's end
	cancel context.CancelCauseFunc
	start  time.Time
	tx     *tx // guarded by probe.mu

	mu      sync.Mutex
	changed chan struct{} // closed and replaced when out grows
	out     []byte        // what the plugin has sent
	used    int           // bytes of out that an Expect has matched
	answer  int           // where out was when the caller last typed
	leaked  bool
	typed   int  // typing steps done
	cut     bool // hung up, stopped
	short   bool // cut before the caller had typed everything
	lines   []traceLine

	done    chan struct{} // closed when Run has returned and out is complete
	outcome dialog.Outcome
}

// call starts a call. What ahead holds is on the line before the dialog begins.
func (r *run) call(login Login, ahead string) *exchange {
	caller, line := net.Pipe()
	ctx, cancel := context.WithCancelCause(context.Background())
	x := &exchange{
		run: r, login: login, secret: login.secrets(), conn: caller, cancel: cancel, start: time.Now(),
		changed: make(chan struct{}), done: make(chan struct{}),
	}
	o := r.opts
	o.Call.ID = r.add(x)
	if o.Call.Line == "" {
		o.Call.Line = "plugintest"
	}
	if ahead != "" {
		x.typed = len(login.Steps)
		x.trace("caller typed ahead %s", quote(x.redact(ahead)))
		go func() { _, _ = caller.Write([]byte(ahead)) }() // ends with the pipe at the latest
	}
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		x.listen()
	}()
	go func() {
		out := r.host.Run(ctx, line, r.probe, o)
		x.trace("outcome: %v, %v, user %s, %v", out.Verdict, out.Ended, quote(x.redact(out.User)), out.Code.String())
		_ = line.Close()
		<-heard
		x.outcome = out
		close(x.done)
	}()
	return x
}

// listen collects what the plugin sends and looks for secrets in it.
func (x *exchange) listen() {
	buf := make([]byte, 4096)
	for {
		n, err := x.conn.Read(buf)
		x.heard(buf[:n])
		if err != nil {
			return
		}
	}
}

func (x *exchange) heard(p []byte) {
	x.mu.Lock()
	x.out = append(x.out, p...)
	leak := false
	for _, s := range x.secret {
		window := x.out[max(0, len(x.out)-len(p)-len(s)):]
		leak = leak || bytes.Contains(window, []byte(s))
	}
	leak, x.leaked = leak && !x.leaked, x.leaked || leak
	if over := len(x.out) - outputKept; over > 0 {
		x.out = slices.Delete(x.out, 0, over)
		x.used, x.answer = max(0, x.used-over), max(0, x.answer-over)
	}
	close(x.changed)
	x.changed = make(chan struct{})
	x.mu.Unlock()
	if leak {
		x.run.fault(x, "secrets", "a secret came back over the line")
	}
}

// play does one step of a script.
func (x *exchange) play(s Step) error {
	text := s.send
	switch {
	case s.expect != "":
		err := x.expect(s.expect)
		x.run.look(x)
		return err
	case s.reply != nil:
		x.mu.Lock()
		seen := string(x.out[x.answer:])
		x.mu.Unlock()
		var err error
		if text, err = s.reply(seen); err != nil {
			return fmt.Errorf("no answer to %s: %w", quote(x.redact(seen)), err)
		}
	}
	if err := x.keyIn(text, s.secret); err != nil {
		return err
	}
	x.mu.Lock()
	x.typed++
	x.mu.Unlock()
	return nil
}

// expect waits until the plugin has sent text.
func (x *exchange) expect(text string) error {
	timer := time.NewTimer(x.run.patience())
	defer timer.Stop()
	ended := false
	for {
		x.mu.Lock()
		changed := x.changed
		rest := x.out[x.used:]
		i := bytes.Index(rest, []byte(text))
		if i >= 0 {
			x.used += i + len(text)
		}
		got := quote(x.redact(string(rest)))
		x.mu.Unlock()
		switch {
		case i >= 0:
			x.trace("caller sees %s", got)
			return nil
		case ended:
			return fmt.Errorf("the dialog ended without sending %s; it sent %s", quote(text), got)
		}
		select {
		case <-changed:
		case <-x.done:
			ended = true
		case <-timer.C:
			return fmt.Errorf("the plugin did not send %s; it sent %s", quote(text), got)
		}
	}
}

// keyIn sends what the caller types.
func (x *exchange) keyIn(text string, secret bool) error {
	x.mu.Lock()
	x.answer = len(x.out)
	x.mu.Unlock()
	shown := quote(text)
	if secret {
		shown = "(secret)"
	}
	x.trace("caller types %s", shown)
	if err := x.write([]byte(text)); err != nil {
		return fmt.Errorf("the dialog took no more input: %w", err)
	}
	return nil
}

// write puts bytes on the line and waits until the host has taken them.
func (x *exchange) write(p []byte) error {
	if err := x.conn.SetWriteDeadline(time.Now().Add(x.run.patience())); err != nil {
		return err
	}
	_, err := x.conn.Write(p)
	return err
}

// playAll does the steps in turn. The first that goes wrong is reported and ends the call.
func (x *exchange) playAll(steps []Step) bool {
	for i, s := range steps {
		if err := x.play(s); err != nil {
			x.run.fault(x, "script", "step %d of the login: %v", i+1, err)
			x.hangUp()
			x.end()
			return false
		}
	}
	return true
}

// cutNow notes that the call is being cut.
func (x *exchange) cutNow(how string) {
	x.trace("%s", how)
	short := x.unsaid() > 0
	x.mu.Lock()
	defer x.mu.Unlock()
	if !x.cut {
		x.cut, x.short = true, short
	}
}

// unsaid is how many typing steps of the login the caller has not done.
func (x *exchange) unsaid() int {
	n := 0
	for _, s := range x.login.Steps {
		if s.types() {
			n++
		}
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	return n - x.typed
}

// wasCut says whether the call was cut at all.
func (x *exchange) wasCut() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.cut
}

// hangUp is the caller putting down the receiver.
func (x *exchange) hangUp() {
	x.cutNow("caller hangs up")
	_ = x.conn.Close()
	x.cancel(errCarrier)
}

// stop is the service stopping in the middle of the call.
func (x *exchange) stop() {
	x.cutNow("the service stops")
	x.cancel(dialog.ErrStop)
}

// cutShort says whether the call was cut before the caller had typed everything, so that no plugin may let him in.
func (x *exchange) cutShort() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.cut && x.short
}

// ended says whether the dialog is over.
func (x *exchange) ended() bool {
	select {
	case <-x.done:
		return true
	default:
		return false
	}
}

// end waits for the outcome and for the transaction's end, and checks what holds for every transaction. It returns false when there
// is no outcome.
func (x *exchange) end() bool {
	r := x.run
	timer := time.NewTimer(r.longest())
	defer timer.Stop()
	select {
	case <-x.done:
	case <-timer.C:
		r.fault(x, "E4", "the dialog did not end by its deadlines")
		return false
	}
	_ = x.conn.Close()
	r.until(r.opts.EndGrace+5*time.Second, func() bool {
		t, ok := x.seen()
		return !ok || !t.returned || t.begin != plugin.NoError || t.closed && t.workers == 0
	})
	r.look(x)
	r.verify(x)
	return true
}

// awaitBegin waits until the plugin has the call.
func (x *exchange) awaitBegin() {
	x.run.until(x.run.opts.BeginLimit, func() bool {
		t, ok := x.seen()
		return ok && t.returned || x.ended()
	})
}

// seen returns a copy of what the probe knows of the transaction.
func (x *exchange) seen() (t tx, ok bool) {
	x.run.probe.with(func() {
		if ok = x.tx != nil; ok {
			t = *x.tx
		}
	})
	return t, ok
}

// redact takes the secrets out of a text.
func (x *exchange) redact(text string) string {
	for _, s := range x.secret {
		text = strings.ReplaceAll(text, s, "(secret)")
	}
	return text
}

// trace adds a line; repetitions are counted, and the middle of a long trace is left out.
func (x *exchange) trace(format string, args ...any) {
	text := fmt.Sprintf(format, args...)
	x.mu.Lock()
	defer x.mu.Unlock()
	if n := len(x.lines); n > 0 && x.lines[n-1].text == text {
		x.lines[n-1].times++
		return
	}
	x.lines = append(x.lines, traceLine{time.Since(x.start), text, 1})
	if len(x.lines) > traceHead+traceTail {
		x.lines = slices.Delete(x.lines, traceHead, traceHead+1)
		x.lines[traceHead].text = "... some lines left out"
	}
}

// traceLine is one line of a trace.
type traceLine struct {
	at    time.Duration
	text  string
	times int
}

func (l traceLine) String() string {
	s := fmt.Sprintf("%8.3fs  %s", l.at.Seconds(), l.text)
	if l.times > 1 {
		s += fmt.Sprintf("  (%d times)", l.times)
	}
	return s
}

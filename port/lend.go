package port

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// Loan is a line whose device another program has, or waits for: see Manager.Lend. Its methods may be called from any goroutine.
type Loan struct {
	line *line
	to   string
	free chan struct{} // closed when the device is free
	over chan struct{} // closed when the line has been given back

	// The line's goroutine alone uses what follows.
	out     bool   // the line is disabled for it
	freeing bool   // somebody waits for the device to be closed
	enable  bool   // the line goes into service afterwards
	was     string // why a line was disabled that does not
}

// Lend takes a line out of service for another program, as soon as it has no call, until Loan.Return. to names the program: the line's
// reason is "lent to" and that. What the operator wants of the line meanwhile counts afterwards. Lend does not wait: see Loan.Free.
// Errors: ErrNoLine, ErrNotNow when it is lent already.
func (m *Manager) Lend(ctx context.Context, name, to string) (*Loan, error) {
	l := m.line(name)
	if l == nil {
		return nil, fmt.Errorf("line %q: %w", name, ErrNoLine)
	}
	n := &Loan{line: l, to: to, free: make(chan struct{}), over: make(chan struct{})}
	if err := l.ask(ctx, request{ev: evLend, loan: n}); err != nil {
		n.Return() // it may have been taken all the same
		return nil, err
	}
	return n, nil
}

// Free is closed when the line's device is free for the program.
func (n *Loan) Free() <-chan struct{} { return n.free }

// Ended is closed when the line is gone, by a reload or the end of the host: there is nothing to give back any more.
func (n *Loan) Ended() <-chan struct{} { return n.line.done }

// Return gives the line back: it goes into service, or stays out of it, as the operator wants it. A second time it does nothing.
func (n *Loan) Return() {
	_ = n.line.ask(context.Background(), request{ev: evReturn, why: "given back by " + n.to, loan: n}) // refused only by a line that is gone
}

// lend takes a request for a loan, or for its end.
func (l *line) lend(r request) error {
	switch {
	case r.ev == evLend && l.loan != nil:
		return fmt.Errorf("line %s: %w: it is lent to %s", l.cfg.Name, ErrNotNow, l.loan.to)
	case r.ev == evLend:
		l.loan, l.dirty = r.loan, true
		l.lendIfFree()
	case l.loan != r.loan: // given back already
	case l.loan.out:
		l.post(evReturn, r.why)
	default: // it was not waited for
		l.endLoan()
	}
	return nil
}

// lendIfFree lends the line when somebody waits for it and no call is on it, before anything else happens.
func (l *line) lendIfFree() {
	n := l.loan
	if n == nil || n.out || l.leaving || l.call != nil || slices.Contains([]State{Answering, Dialog, Session, HangingUp}, l.state) {
		return
	}
	if slices.ContainsFunc(l.queue, func(o occurrence) bool { return o.ev == evDisable }) {
		return // a drain that is about to end: it is disabled first
	}
	n.out, n.enable, n.was = true, l.state != Disabled, l.reason
	l.queue = slices.Insert(l.queue, 0, occurrence{ev: evLend, why: "lent to " + n.to})
}

// lendDisabled lends a line that is out of service already. (Lend in disabled.)
func (l *line) lendDisabled(o occurrence) {
	l.reason, l.dirty = o.why, true
	l.dropDevice(o)
	l.in(timeState, 0)
}

// freeDevice tells who has the loan when the device is free.
func (l *line) freeDevice() {
	n := l.loan
	if n == nil || !n.out || n.freeing || l.tty.opening || l.tty.dev != nil {
		return
	}
	n.freeing = true
	go func(closed []<-chan struct{}, notBefore time.Time) {
		for _, c := range closed {
			select {
			case <-c:
			case <-n.over:
				return
			case <-l.done:
				return
			}
		}
		select {
		case <-time.After(time.Until(notBefore)): // the modem must see that DTR dropped
			close(n.free)
		case <-n.over:
		case <-l.done:
		}
	}(slices.Clone(l.tty.closed), l.tty.notBefore)
}

// takeHome ends a loan: the line goes on as the operator wants it. (Return in disabled.)
func (l *line) takeHome(o occurrence) {
	n := l.loan
	l.endLoan()
	switch {
	case n.enable:
		l.post(evEnable, o.why)
	case l.maintained:
		l.reason = n.was
		l.offHookAgain()
		l.windowOver(o)
	default:
		l.reason = n.was
		l.offHookAgain()
	}
}

// endLoan forgets the loan.
func (l *line) endLoan() {
	close(l.loan.over)
	l.loan, l.dirty = nil, true
}

// whileLent notes what an operator wants of a line that is lent: it counts when the line is given back.
func (l *line) whileLent(r request) error {
	n := l.loan
	on := r.ev == evEnable
	switch {
	case on && l.cfg.OutOfService != "":
		return fmt.Errorf("line %s: %w: %s", l.cfg.Name, ErrNotNow, l.cfg.OutOfService)
	case on == n.enable && (on || !l.maintained):
		return fmt.Errorf("line %s: %s: %w: the line is lent to %s, and %s", l.cfg.Name, r.ev, ErrNotNow, n.to, l.pendingText())
	}
	if err := l.obey(r); err != nil {
		return err
	}
	n.enable, n.was, l.maintained, l.dirty = on, r.why, false, true
	return nil
}

// pendingText is what follows, for people: when the call is over, and when the line is given back.
func (l *line) pendingText() string {
	n := l.loan
	switch {
	case n == nil:
		return l.pending
	case !n.out && l.pending != "":
		return l.pending + ", and lent to " + n.to
	case !n.out:
		return "lent to " + n.to + " when the call is over"
	case n.enable:
		return "enabled when it is given back"
	case l.maintained:
		return "given back to its maintenance window"
	default:
		return "disabled when it is given back"
	}
}

package port

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// orders is what an operator has said of a line that holds until he says otherwise. A line that replaces another one, because its
// configuration changed, goes on by them.
type orders struct {
	mu        sync.Mutex
	off       string    // why the line is, or is to be, disabled; "" when it is in service
	skipUntil time.Time // the maintenance window that ends then was cut short
	passed    bool      // another line goes by them: nothing more is said to this one
}

// pass hands the orders to the line that replaces this one.
func (o *orders) pass() (off string, skipUntil time.Time) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.passed = true
	return o.off, o.skipUntil
}

// obey notes what a request means for later. It fails when the line has been replaced: the request is for the new one.
func (l *line) obey(r request) error {
	o := &l.orders
	o.mu.Lock()
	defer o.mu.Unlock()
	switch {
	case r.ev != evDisable && r.ev != evDrain && r.ev != evEnable:
		return nil
	case o.passed:
		return ErrStopped
	case r.ev != evEnable:
		o.off = r.why
		return nil
	}
	o.off = ""
	if l.maintained {
		l.skipUntil, _ = l.windowOpen()
		o.skipUntil = l.skipUntil
	}
	return nil
}

// inherit makes a new line go on by what was said of the one that it replaces.
func (l *line) inherit(old *line) {
	l.orders.off, l.skipUntil = old.orders.pass()
	l.orders.skipUntil = l.skipUntil
}

// ask sends a request to a line and waits until it is taken. A line that is replaced meanwhile does not take it: the new one is asked.
func (m *Manager) ask(ctx context.Context, name string, ev event, why string) error {
	for {
		l := m.line(name)
		if l == nil {
			return fmt.Errorf("line %q: %w", name, ErrNoLine)
		}
		err := l.ask(ctx, request{ev: ev, why: why})
		switch {
		case !errors.Is(err, ErrStopped):
			return err
		case m.line(name) == l:
			return fmt.Errorf("line %s: %w", name, err)
		}
	}
}

// ask sends a request and waits until it is taken. ErrStopped: the line has ended, or another one has taken its place.
func (l *line) ask(ctx context.Context, r request) error {
	r.reply = make(chan error, 1)
	select {
	case l.inbox <- r:
	case <-l.done:
		return ErrStopped
	case <-ctx.Done():
		return ctx.Err()
	}
	l.wake()
	select {
	case err := <-r.reply:
		return err
	case <-l.done:
		select {
		case err := <-r.reply: // it was taken before the end
			return err
		default:
			return ErrStopped
		}
	case <-ctx.Done():
		return ctx.Err()
	}
}

// tell sends a request that cannot be refused.
func (l *line) tell(ev event, why string) {
	select {
	case l.inbox <- request{ev: ev, why: why, reply: make(chan error, 1)}:
		l.wake()
	case <-l.done:
	}
}

// cannot says why the present state does not allow what was asked.
func (l *line) cannot(ev event) error {
	if l.loan != nil && l.loan.out {
		return fmt.Errorf("line %s: %s: %w: the line is lent to %s", l.cfg.Name, ev, ErrNotNow, l.loan.to)
	}
	return fmt.Errorf("line %s: %s: %w: the line is %s", l.cfg.Name, ev, ErrNotNow, l.state)
}

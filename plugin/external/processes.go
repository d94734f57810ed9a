package external

import (
	"errors"
	"time"

	"rashost/plugin"
)

// The pauses before a kept process that has died again and again is started anew: none after the first time, then twice as long each time.
const (
	backOffMin = time.Second
	backOffMax = time.Minute
)

// closeLimit is how long Close waits for processes that were killed.
const closeLimit = 10 * time.Second

// slot is the place of a process that several transactions use, one after the other or at once.
type slot struct {
	turn    chan struct{} // one token: whoever has it may start the process; it guards the rest
	process *process      // nil at first
	deaths  int           // in a row, without a transaction that ended as it should
	wait    time.Time     // until when no new process is started
}

// acquire returns a process for a call on line: a new one, or the one that its slot holds.
func (x *Plugin) acquire(line string, deadline time.Time) (*process, *failure) {
	switch x.isolation {
	case perLine:
		return x.slot(line).acquire(x, deadline)
	case shared:
		return x.slot("").acquire(x, deadline)
	default:
		return x.launch(deadline)
	}
}

// slot finds or makes a slot.
func (x *Plugin) slot(name string) *slot {
	x.mu.Lock()
	defer x.mu.Unlock()
	s := x.slots[name]
	if s == nil {
		s = &slot{turn: make(chan struct{}, 1)}
		x.slots[name] = s
	}
	return s
}

// acquire returns the slot's process and starts one where there is none, unless it has died too often of late.
func (s *slot) acquire(x *Plugin, deadline time.Time) (*process, *failure) {
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case s.turn <- struct{}{}:
		defer func() { <-s.turn }()
	case <-timer.C:
		return nil, silent("has not been started in time for another call")
	}
	if s.process != nil {
		alive, ended, orderly := s.process.life()
		if alive {
			return s.process, nil
		}
		if orderly {
			s.deaths = 0
		}
		s.died(ended)
	}
	if pause := time.Until(s.wait); pause > 0 {
		return nil, died("has died %d times in a row and is not started again for %v", s.deaths, pause.Round(time.Millisecond))
	}
	p, f := x.launch(deadline)
	if f != nil {
		s.died(time.Now())
		return nil, f
	}
	s.process = p
	return p, nil
}

// died notes the end of a process, and how long the next one has to wait.
func (s *slot) died(at time.Time) {
	s.process = nil
	s.deaths++
	if s.deaths > 1 {
		s.wait = at.Add(min(backOffMin<<min(s.deaths-2, 10), backOffMax))
	}
}

// life says whether a process may be used, and if not, since when and whether it ever ended a transaction as it should.
func (p *process) life() (alive bool, ended time.Time, orderly bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cause == nil && !p.finishing, p.ended, p.orderly
}

// errClosed is the failure of a plugin that is no longer used.
var errClosed = died("is not started: the plugin is closed")

// launch starts a process and says hello.
func (x *Plugin) launch(deadline time.Time) (*process, *failure) {
	if x.isClosed() {
		return nil, errClosed
	}
	c, err := x.start()
	if err != nil {
		return nil, died("cannot be started: %v", err)
	}
	p := newProcess(c, x.log, x.limits, x.isolation, x.release)
	if !x.adopt(p) {
		p.fail(errClosed)
	}
	p.run()
	if f := p.hello(x.isolation, deadline); f != nil {
		return nil, p.last(f)
	}
	return p, nil
}

// last adds to f how the program exited, where that is known soon.
func (p *process) last(f *failure) *failure {
	timer := time.NewTimer(p.limits.drain)
	defer timer.Stop()
	select {
	case <-p.gone:
		if f.code == plugin.ErrorProcessAborted {
			return died("%s (%s)", f.what, p.status)
		}
	case <-timer.C:
	}
	return f
}

func (x *Plugin) isClosed() bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.closed
}

// adopt keeps p until it has ended; false means that the plugin has been closed meanwhile.
func (x *Plugin) adopt(p *process) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.closed {
		return false
	}
	x.contained = p.child.contained
	x.processes[p] = struct{}{}
	return true
}

// release forgets a process that has ended.
func (x *Plugin) release(p *process) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.processes, p)
}

// Close ends all processes and waits for their ends: those without a call get limits.exit for it, the others end at once, and their
// transactions with an Error.
func (x *Plugin) Close() error {
	x.mu.Lock()
	x.closed = true
	var all []*process
	for p := range x.processes {
		all = append(all, p)
	}
	x.mu.Unlock()
	for _, p := range all {
		if len(p.transactions()) > 0 {
			p.fail(died("was ended: the plugin is closed"))
		} else {
			p.finish()
		}
	}
	timer := time.NewTimer(x.limits.exit + closeLimit)
	defer timer.Stop()
	for _, p := range all {
		select {
		case <-p.gone:
		case <-timer.C:
			return errors.New(x.kind + ": a program does not die")
		}
	}
	return nil
}

package external

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"rashost/plugin"
)

// offer queues a frame without waiting; false means that the queue is full. p.mu is held.
func (p *process) offer(frame []byte) bool {
	select {
	case p.queue <- frame:
		return true
	default:
		return false
	}
}

// post sends v to the program. It never blocks: a program that lets the queue fill up is done for.
func (p *process) post(v any) {
	frame, err := encode(v)
	if err != nil { // no message of ours is that long
		p.fail(garbage(err))
		return
	}
	p.mu.Lock()
	ok := p.cause != nil || p.finishing || p.offer(frame)
	p.mu.Unlock()
	if !ok {
		p.fail(errNotRead)
	}
}

// write is the goroutine that writes the queue to the program. Frames are wiped: they hold what callers type.
func (p *process) write() {
	watchdog := time.AfterFunc(time.Hour, func() { p.fail(silent("has read nothing for %v", p.limits.write)) })
	watchdog.Stop()
	defer watchdog.Stop()
	for {
		var frame []byte
		select {
		case frame = <-p.queue:
		case <-p.done:
			return
		}
		if frame == nil {
			_ = p.child.stdin.Close()
			return
		}
		watchdog.Reset(p.limits.write)
		_, err := p.child.stdin.Write(frame)
		watchdog.Stop()
		clear(frame)
		if err != nil {
			// The program has closed its input, or is gone: then read is about to see the end of its output.
			timer := time.NewTimer(p.limits.drain)
			select {
			case <-p.done:
			case <-timer.C:
				p.fail(died("has closed its input"))
			}
			timer.Stop()
			return
		}
	}
}

// read is the goroutine that takes the program's messages, one after the other, and carries out its requests.
func (p *process) read() {
	r := bufio.NewReaderSize(p.child.stdout, maxFrame)
	defer close(p.heard)
	for {
		line, err := readLine(r)
		switch {
		case errors.Is(err, errTooLong):
			p.fail(garbage(err))
			return
		case err != nil:
			p.mu.Lock()
			finishing := p.finishing
			p.mu.Unlock()
			if !finishing {
				p.fail(died("has closed its output or exited"))
			}
			return
		}
		if err := p.take(line); err != nil {
			p.fail(garbage(err))
			return
		}
	}
}

// take handles one line.
func (p *process) take(line []byte) error {
	p.mu.Lock()
	rich := p.credit.spend(1+float64(len(line))/1024, time.Now())
	p.mu.Unlock()
	if !rich {
		return fmt.Errorf("sent more than %d messages in a row", budgetMax)
	}
	m, err := parse(line)
	if err != nil {
		return p.excerpt(err, line)
	}
	if m.Method != "" {
		return p.carryOut(m)
	}
	id, err := m.answers()
	if err != nil {
		return err
	}
	p.mu.Lock()
	take := p.waiting[id]
	delete(p.waiting, id)
	p.mu.Unlock()
	switch {
	case take == nil:
		return errors.New("answered a request that was never made")
	case m.Error != nil:
		return fmt.Errorf("answered with an error (%d) in place of a result", m.Error.Code)
	}
	return take(m.Result)
}

// excerpt adds the beginning of a faulty line to err as long as the process has served nobody, so that nothing secret can be in it.
func (p *process) excerpt(err error, line []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.name != "" {
		return err
	}
	return fmt.Errorf("%w: %s", err, quote(line, 60))
}

// call makes a request and waits for its answer until the deadline. take gets the result on the goroutine of read, before anything that the
// program says after it; its error is a breach of the protocol.
func (p *process) call(method string, params any, deadline time.Time, take func(result json.RawMessage) error) *failure {
	answered := make(chan struct{})
	p.mu.Lock()
	p.lastID++
	id := p.lastID
	p.waiting[id] = func(result json.RawMessage) error {
		if err := take(result); err != nil {
			return fmt.Errorf("answered %s wrongly: %w", method, err)
		}
		close(answered)
		return nil
	}
	p.mu.Unlock()
	p.post(request{"2.0", id, method, params})
	timer := time.NewTimer(time.Until(deadline))
	defer timer.Stop()
	select {
	case <-answered:
		return nil
	case <-p.done:
	case <-timer.C:
		p.fail(silent("did not answer %s in time", method))
	}
	select {
	case <-answered: // just before the end
		return nil
	default:
		return p.failure()
	}
}

// callCode makes a request whose result is a code, and passes it to take as call does.
func (p *process) callCode(method string, params any, deadline time.Time, take func(code plugin.Code)) (plugin.Code, *failure) {
	var a codeAnswer
	f := p.call(method, params, deadline, func(result json.RawMessage) error {
		err := decode(result, &a)
		switch {
		case err != nil:
			return err
		case a.Code == nil:
			return errors.New("code is missing")
		}
		take(*a.Code)
		return nil
	})
	if f != nil {
		return f.code, f
	}
	return *a.Code, nil
}

// hello is the first exchange. need is the sharing that the program must have declared safe.
func (p *process) hello(need isolation, deadline time.Time) *failure {
	return p.call(methodHello, helloParams{protocolVersion, "rashost"}, deadline, func(result json.RawMessage) error {
		var a helloAnswer
		if err := decode(result, &a); err != nil {
			return err
		}
		declared, known := parseIsolation(a.Isolation)
		switch {
		case a.Version != protocolVersion:
			return fmt.Errorf("it speaks version %d of the protocol, this rashost speaks version %d", a.Version, protocolVersion)
		case a.Name == "":
			return errors.New("its name is missing")
		case !known:
			return fmt.Errorf("it declares the isolation %s: there are call, line and shared", quote([]byte(a.Isolation), 20))
		case declared < need:
			return fmt.Errorf("it declares itself safe for isolation %v at most, and the dialog asks for %v", declared, need)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		p.name = quote([]byte(a.Name), 64)
		return nil
	})
}

// quote makes a program's bytes fit for a log: at most limit of them, control characters and what is not UTF-8 as escapes.
func quote(text []byte, limit int) string {
	q := strconv.Quote(string(text[:min(len(text), limit)]))
	if len(text) > limit {
		q += "..."
	}
	return q
}

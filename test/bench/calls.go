package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// The rows of single calls.
const (
	rowAnswer = "RING to ATA, p50 / p99"
	rowPrompt = "CONNECT to first prompt byte, settle 0, p50 / p99"
	rowCPU    = "CPU for a single call, children included"
	rowDeaf   = "deaf after a call beyond the DTR time, p50 / p99"
)

// welcome is what every service says before it ends.
const welcome = "WELCOME"

// greeter is a TCP service that says welcome and closes. last is when it last did.
type greeter struct {
	listener net.Listener
	last     atomic.Pointer[time.Time]
}

func newGreeter() (*greeter, error) {
	g := &greeter{}
	var err error
	g.listener, err = tcpServer(func(c net.Conn) {
		_, _ = c.Write([]byte(welcome + "\r\n"))
		now := time.Now()
		g.last.Store(&now)
		c.Close()
	})
	return g, err
}

func (g *greeter) service() string {
	return "type: tcp, address: \"" + g.listener.Addr().String() + "\""
}

// commandService is a service that starts a program which does next to nothing.
func commandService() string {
	s := "type: command, command: [/bin/echo, " + welcome + "]"
	if os.Geteuid() == 0 {
		s += ", run_as: nobody"
	}
	return s
}

// latency measures single calls, one after the other, on a daemon that has nothing else to do.
func latency(ctx context.Context, o options, t *table) error {
	g, err := newGreeter()
	if err != nil {
		return err
	}
	defer g.listener.Close()
	d, err := boot(ctx, o, setup{lines: 1, dtr: "0", service: g.service()})
	if err != nil {
		return err
	}
	defer d.stop()
	var answers, prompts durations
	before, err := cpuOf(d.pid)
	if err != nil {
		return err
	}
	if answers, prompts, err = d.singles(o.rounds, named("bench", welcome)); err != nil {
		return err
	}
	after, err := cpuOf(d.pid)
	if err != nil {
		return err
	}
	t.add(rowAnswer).put(rashost, "%s", answers).want("p50 <= 1 ms", answers.at(50) <= time.Millisecond)
	t.add(rowPrompt).put(rashost, "%s", prompts).want("p50 <= 1 ms", prompts.at(50) <= time.Millisecond)
	t.add(rowCPU).put(rashost, "%s ms", ms((after-before)/time.Duration(o.rounds)))
	if o.peers {
		return mgettyCalls(ctx, t)
	}
	return nil
}

// singles makes calls on the first line, one after the other.
func (d *daemon) singles(rounds int, s script) (answers, prompts durations, err error) {
	m := d.modems[0]
	for i := range rounds {
		k, err := m.call(s)
		if err == nil {
			err = m.onHook()
		}
		if err != nil {
			return nil, nil, fmt.Errorf("call %d: %w\n%s", i, err, tail(d.dir+"/log"))
		}
		answers = append(answers, k.answer.Sub(k.ring))
		prompts = append(prompts, k.prompt.Sub(k.connect))
		if i%10 == 0 { // now and then from rest
			time.Sleep(20 * time.Millisecond)
		}
	}
	return answers, prompts, nil
}

// load is what a calls/s run measured.
type load struct {
	calls                   int
	wall                    time.Duration
	daemon, caller, machine time.Duration // processor time
	answers, prompts        durations
}

// perSecond is the rate by the clock on the wall.
func (l load) perSecond() float64 { return float64(l.calls) / l.wall.Seconds() }

// uncounted is the rate with the caller's processor time taken out of the wall-clock time: what the clock would have shown, had the
// callers been elsewhere. Time in which the cores were idle or did something else stays counted.
func (l load) uncounted() float64 {
	wall := l.wall - l.caller/time.Duration(runtime.NumCPU())
	return float64(l.calls) / wall.Seconds()
}

// each is the daemon's processor time for a call, its children included.
func (l load) each() time.Duration { return l.daemon / time.Duration(max(l.calls, 1)) }

// busy is how much of the cores was in use.
func (l load) busy() float64 {
	return 100 * l.machine.Seconds() / l.wall.Seconds() / float64(runtime.NumCPU())
}

// throughput measures calls/s on 64 lines.
func throughput(ctx context.Context, o options, t *table) error {
	g, err := newGreeter()
	if err != nil {
		return err
	}
	defer g.listener.Close()
	kinds := []struct {
		name  string
		setup setup
		s     script
		want  float64
	}{
		{"tcp service", setup{service: g.service()}, named("bench", welcome), 1000},
		{"refused login", setup{service: g.service()}, named("-bench", ""), 1000},
		{"command service", setup{service: commandService()}, named("bench", welcome), 500},
	}
	for _, k := range kinds {
		k.setup.lines, k.setup.dtr = 64, "0"
		l, err := flood(ctx, o, k.setup, k.s)
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		name := "64 lines, anyone, " + k.name + ": "
		t.add(name+"calls/s, caller's CPU not counted").put(rashost, "%.0f", l.uncounted()).
			want(fmt.Sprintf(">= %.0f", k.want), l.uncounted() >= k.want)
		t.add(name+"calls/s by the wall clock; cores busy").put(rashost, "%.0f; %.0f %%", l.perSecond(), l.busy())
		t.add(name+"CPU of the daemon and its children for a call").put(rashost, "%s ms", ms(l.each()))
		t.add(name+"RING to ATA under this load").put(rashost, "%s", l.answers)
	}
	return nil
}

// flood calls on all lines at once for a while.
func flood(ctx context.Context, o options, su setup, s script) (l load, err error) {
	d, err := boot(ctx, o, su)
	if err != nil {
		return l, err
	}
	defer d.stop()
	if _, err := d.burst(time.Second, s); err != nil { // warm
		return l, err
	}
	before, err := cpuOf(d.pid)
	if err != nil {
		return l, err
	}
	busy, _ := machineCPU()
	self, began := selfCPU(), time.Now()
	l, err = d.burst(o.calls, s)
	l.wall, l.caller = time.Since(began), selfCPU()-self
	after, cpuErr := cpuOf(d.pid)
	if now, err := machineCPU(); err == nil {
		l.machine = now - busy
	}
	l.daemon = after - before
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, tail(d.dir+"/log"))
	}
	if err == nil {
		err = cpuErr
	}
	return l, err
}

// burst calls on all lines, one call after the other on each, until the time is over.
func (d *daemon) burst(length time.Duration, s script) (l load, err error) {
	var mu sync.Mutex
	var group sync.WaitGroup
	end := time.Now().Add(length)
	for _, m := range d.modems {
		group.Go(func() {
			for time.Now().Before(end) {
				k, callErr := m.call(s)
				if callErr == nil {
					callErr = m.onHook()
				}
				mu.Lock()
				if callErr != nil {
					err = callErr
					mu.Unlock()
					return
				}
				l.calls++
				l.answers = append(l.answers, k.answer.Sub(k.ring))
				l.prompts = append(l.prompts, k.prompt.Sub(k.connect))
				mu.Unlock()
			}
		})
	}
	group.Wait()
	return l, err
}

// deaf measures how long a line takes no new call after one: from the end of the service to ATA. RING is sent as early as the modem can:
// before its answer to the host's AT, or right behind that to the last of the commands that prove it on hook. The DTR time is taken off; the
// modem takes none.
func deaf(ctx context.Context, o options, t *table) error {
	g, err := newGreeter()
	if err != nil {
		return err
	}
	defer g.listener.Close()
	for _, k := range []struct {
		name, dtr string
		low       time.Duration
		rounds    int
		early     bool
	}{
		{"", "0", 0, o.rounds, false},
		{", RING before OK", "0", 0, o.rounds, true},
		{", 100 ms DTR time", "100ms", 100 * time.Millisecond, 50, false},
	} {
		d, err := boot(ctx, o, setup{lines: 1, dtr: k.dtr, service: g.service()})
		if err != nil {
			return err
		}
		times, err := d.backToBack(g, k.rounds, k.early)
		d.stop()
		if err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
		for i := range times {
			times[i] -= k.low
		}
		t.add(rowDeaf+k.name).put(rashost, "%s", times).
			want("p50 <= 5 ms", times.at(50) <= 5*time.Millisecond)
	}
	return nil
}

// backToBack rings again as soon as the modem may.
func (d *daemon) backToBack(g *greeter, rounds int, early bool) (times durations, err error) {
	m, s := d.modems[0], named("bench", welcome)
	k, err := m.call(s)
	for i := 0; err == nil && i < rounds; i++ {
		over := *g.last.Load()
		m.limit(20 * time.Second)
		steps := []func() error{m.onHook, m.rings}
		if early {
			slices.Reverse(steps)
		}
		for _, step := range steps {
			if err = step(); err != nil {
				return nil, err
			}
		}
		if _, err = m.until("ATA\r"); err != nil {
			return nil, err
		}
		times = append(times, time.Since(over))
		err = m.talk(&k, s)
	}
	return times, err
}

package external

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	"rashost/plugin"
)

// queueLimit is how many messages may wait for the program to read them, answers to its own requests included.
const queueLimit = 1024

// limits are the times that a program is given. They are settings of a Plugin so that tests need not wait.
type limits struct {
	begin  time.Duration // start of the program, Hello and Begin together (rule B3)
	load   time.Duration // start and Hello when the plugin is made
	end    time.Duration // End
	exit   time.Duration // from the end of its input until it is killed
	write  time.Duration // one message in its input
	drain  time.Duration // what it had written, after it has exited
	expiry time.Duration // how often a transaction without a line is looked at
}

// defaultLimits are the limits of docs/plugins.md. Begin stays below the host's own five seconds, so that the process is dead and the
// plugin well again when the host gives up.
func defaultLimits() limits {
	return limits{
		begin: 4800 * time.Millisecond, load: 10 * time.Second, end: 5 * time.Second, exit: 2 * time.Second, write: 5 * time.Second,
		drain: 500 * time.Millisecond, expiry: time.Second,
	}
}

// child is a started program. wait blocks until it has exited and everything that belongs to it is dead; kill may be called at any time.
type child struct {
	stdin          io.WriteCloser
	stdout, stderr io.ReadCloser
	kill           func()
	wait           func() error
	contained      bool
}

// failure says why a process is of no more use, and the code that its transactions end with.
type failure struct {
	code plugin.Code
	what string
}

func (f *failure) Error() string { return f.what }

// Unwrap makes errors.Is find the code.
func (f *failure) Unwrap() error { return f.code.Err() }

// died, garbage and silent are the three ways to fail.
func died(format string, args ...any) *failure {
	return &failure{plugin.ErrorProcessAborted, fmt.Sprintf(format, args...)}
}

func garbage(err error) *failure { return &failure{plugin.ErrorInvalidData, err.Error()} }

func silent(format string, args ...any) *failure {
	return &failure{plugin.ErrorRequestTimeout, fmt.Sprintf(format, args...)}
}

// errNotRead is the failure of a program that lets queueLimit messages wait.
var errNotRead = garbage(fmt.Errorf("does not read: %d messages wait for it", queueLimit))

// process is a running program: this file has its life, talk.go what is spoken with it. Four goroutines belong to it: read, write, copyErrors and
// supervise, which outlives the others; and one that waits for the exit. They all end when done is closed, which fail does, and nobody else.
type process struct {
	child   *child
	log     *slog.Logger
	limits  limits
	sharing isolation      // perCall: it serves one transaction and is then let go
	queue   chan []byte    // to the program; nil closes its input
	done    chan struct{}  // closed when cause is set
	heard   chan struct{}  // closed when nothing more comes from the program
	gone    chan struct{}  // closed when the program and its goroutines have ended
	work    sync.WaitGroup // read, write, copyErrors
	onEnd   func(p *process)

	mu        sync.Mutex
	cause     *failure
	ended     time.Time   // when cause was set
	victims   int         // transactions that were open then
	late      int         // requests for HPORTs that were not open here
	status    string      // how the program exited, once it has
	finishing bool        // its input is closed or about to be: its end is no fault
	exit      *time.Timer // ends a process that is finishing; nil before
	served    bool        // it has had a transaction
	orderly   bool        // it has ended a transaction as it should
	name      string      // from Hello
	lastID    int64
	waiting   map[int64]func(result json.RawMessage) error // what takes the answers
	open      map[plugin.HPORT]*transaction
	credit    budget
	errors    errorLog
}

// newProcess makes a process of c; onEnd is called when it has ended. run starts its goroutines.
func newProcess(c *child, log *slog.Logger, l limits, sharing isolation, onEnd func(p *process)) *process {
	return &process{
		child: c, log: log, limits: l, sharing: sharing, onEnd: onEnd,
		queue: make(chan []byte, queueLimit), done: make(chan struct{}), heard: make(chan struct{}), gone: make(chan struct{}),
		waiting: make(map[int64]func(json.RawMessage) error), open: make(map[plugin.HPORT]*transaction),
		credit: budget{left: budgetMax, at: time.Now()}, errors: errorLog{left: errorsMax},
	}
}

// run starts the goroutines. Whoever calls it need not wait for them: they end with the process.
func (p *process) run() {
	p.work.Go(p.read)
	p.work.Go(p.write)
	p.work.Go(p.copyErrors)
	go p.supervise()
}

// fail makes the process unusable for the given reason. Only the first reason counts. It does not block and calls nobody, so that it may
// be called under any lock but p.mu.
func (p *process) fail(f *failure) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cause == nil {
		p.cause, p.ended, p.victims = f, time.Now(), len(p.open)
		close(p.done)
	}
}

// failure returns why the process is of no more use, nil while it is.
func (p *process) failure() *failure {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cause
}

// finish lets the program go: its input is closed once everything before has been written, and it has limits.exit to end.
func (p *process) finish() {
	p.mu.Lock()
	if p.finishing || p.cause != nil {
		p.mu.Unlock()
		return
	}
	p.finishing = true
	p.exit = time.AfterFunc(p.limits.exit, func() { p.fail(died("did not exit within %v of the end of its input", p.limits.exit)) })
	ok := p.offer(nil)
	p.mu.Unlock()
	if !ok {
		p.fail(errNotRead)
	}
}

// supervise waits for the end of the process, tells its transactions, and cleans up.
func (p *process) supervise() {
	defer func() {
		p.onEnd(p)
		close(p.gone)
	}()
	exited := make(chan error, 1)
	go func() { exited <- p.child.wait() }()
	var status error
	reaped := false
	select {
	case <-p.done:
	case status = <-exited:
		reaped = true
		timer := time.NewTimer(p.limits.drain)
		select {
		case <-p.done:
		case <-p.heard:
		case <-timer.C:
		}
		timer.Stop()
		p.fail(died("has exited"))
	}
	p.child.kill()
	for _, t := range p.transactions() {
		t.processFailed()
	}
	_ = p.child.stdin.Close()
	_ = p.child.stdout.Close()
	if !reaped {
		status = <-exited
	}
	_ = p.child.stderr.Close()
	p.work.Wait()
	p.report(status)
}

// report logs the end: a warning when it was not asked for, with the event of the calls that fell victim to it. Of a process that never
// had a call, whoever started it says why.
func (p *process) report(status error) {
	p.mu.Lock()
	p.status = exitText(status)
	if p.exit != nil {
		p.exit.Stop()
	}
	level, text := slog.LevelWarn, "a plugin's program was ended"
	if p.finishing || !p.served {
		level, text = slog.LevelDebug, "a plugin's program has ended"
	}
	attrs := append(p.errors.attrs(), slog.String("reason", p.cause.what), slog.String("exit", p.status))
	if p.late > 0 {
		attrs = append(attrs, slog.Int("late", p.late))
	}
	if p.victims > 0 {
		attrs = append(attrs, slog.Int("calls", p.victims), slog.Uint64("code", uint64(p.cause.code)), slog.Uint64("event", uint64(plugin.EventSecurityInternal)))
	}
	p.mu.Unlock()
	p.log.LogAttrs(context.Background(), level, text, attrs...)
}

// exitText says how a program ended.
func exitText(status error) string {
	if status == nil {
		return "exit status 0"
	}
	return status.Error()
}

// transactions lists those that are open.
func (p *process) transactions() []*transaction {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]*transaction, 0, len(p.open))
	for _, t := range p.open {
		all = append(all, t)
	}
	return all
}

// add opens a transaction of the process.
func (p *process) add(t *transaction) *failure {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cause != nil {
		return p.cause
	}
	p.open[t.b.HPort], p.served = t, true
	p.errors.begin(t.b.Call, p.sharing)
	return nil
}

// remove closes a transaction: its HPORT now gets ERROR_INVALID_PORT_HANDLE. orderly says that the program has ended it as it should.
func (p *process) remove(hport plugin.HPORT, orderly bool) {
	p.mu.Lock()
	delete(p.open, hport)
	p.orderly = p.orderly || orderly
	p.mu.Unlock()
	if p.sharing == perCall {
		p.finish()
	}
}

// transaction finds an open transaction of this process, nil for any other HPORT. A request for such a one is counted as late.
func (p *process) transaction(hport plugin.HPORT) *transaction {
	p.mu.Lock()
	defer p.mu.Unlock()
	t := p.open[hport]
	if t == nil {
		p.late++
	}
	return t
}

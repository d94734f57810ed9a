// Package port runs the lines: one state machine for each, from RING to the proven hang-up. It hands each answered call to a Handler
// and knows nothing of what the handler does with it.
package port

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"
)

// ManagerOptions is what a Manager needs.
type ManagerOptions struct {
	// Handler serves the calls. Required.
	Handler Handler
	// Observer is told what happens; nil for nobody.
	Observer Observer
	// Armed says whether a line whose Policy.Armed is set may answer now; it is asked when a call comes, by the line's goroutine, and must
	// not block. nil: no.
	Armed func(line string) bool
	// Log takes messages; nil discards them.
	Log *slog.Logger
	// Open makes the opener of a line's device. Where it is nil, or returns nil, the line opens what LineConfig.Device names.
	Open func(c LineConfig) (Opener, error)
	// Clock tells the time of day in the local zone, for maintenance windows; nil is time.Now.
	Clock func() time.Time
	// Devices tells when devices come; the manager closes it at Shutdown. nil: absent devices are looked for every few seconds.
	Devices Devices
}

// Manager owns the lines. Its methods may be called from any goroutine.
type Manager struct {
	handler  Handler
	observer Observer
	armed    func(line string) bool
	log      *slog.Logger
	openers  func(c LineConfig) (Opener, error)
	clock    func() time.Time
	table    map[transition]*row
	limits   map[State]func(*line) time.Duration
	ids      callIDs
	opens    chan struct{} // places for inTurn
	sysfs    string        // where sysfs is mounted
	devices  Devices
	dev      string        // the folder of the nodes that devices tells of
	told     atomic.Bool   // devices tells
	deaf     chan struct{} // closed when it has ended

	mu      sync.Mutex
	lines   []*line // in the order of the configuration
	ending  []*line // removed, still giving back their devices
	stopped bool
	usb     map[string]*usbMemory // by device
}

// transition is a key of the table.
type transition struct {
	state State
	on    event
}

// The errors of the operator's requests.
var (
	// ErrNoLine: no line has that name.
	ErrNoLine = errors.New("no such line")
	// ErrNotNow: the line's state does not allow it.
	ErrNotNow = errors.New("not possible now")
	// ErrStopped: the manager has been shut down.
	ErrStopped = errors.New("the line manager has stopped")
)

// NewManager returns a manager without lines.
func NewManager(o ManagerOptions) *Manager {
	m := &Manager{
		handler: o.Handler, observer: o.Observer, armed: o.Armed, log: o.Log, openers: o.Open, clock: o.Clock, sysfs: "/sys",
		table: make(map[transition]*row), limits: make(map[State]func(*line) time.Duration),
		opens: make(chan struct{}, openAtOnce), dev: "/dev/",
	}
	if m.observer == nil {
		m.observer = nobody{}
	}
	if m.armed == nil {
		m.armed = func(string) bool { return false }
	}
	if m.log == nil {
		m.log = slog.New(slog.DiscardHandler)
	}
	if m.openers == nil {
		m.openers = func(LineConfig) (Opener, error) { return nil, nil }
	}
	if m.clock == nil {
		m.clock = time.Now
	}
	rows := transitions()
	for i := range rows {
		m.table[transition{rows[i].state, rows[i].on}] = &rows[i]
	}
	for _, d := range deadlines() {
		m.limits[d.state] = d.limit
	}
	m.watchDevices(o.Devices)
	return m
}

// nobody is the observer of a manager that has none.
type nobody struct{}

func (nobody) Answering(context.Context, *Call) error    { return nil }
func (nobody) NotAnswered(*Call, string)                 {}
func (nobody) Ended(*Call, End)                          {}
func (nobody) StateChanged(string, State, State, string) {}
func (nobody) LineEvent(LineEvent)                       {}

// Apply makes the lines those of cfgs: it starts new ones, ends those that are gone, and replaces those that changed, whose calls end
// with ErrRemoved. Lines with an equal configuration are not touched, even in a call. What an operator said of a line holds for the one
// that replaces it: a disabled one stays disabled, one that was to be is so at once, and a maintenance window that was cut short stays
// so. What the line itself did, such as a quarantine, is forgotten: the configuration is another one. Nothing happens when there is an
// error. It does not wait: a line that replaces another one opens the device when that one has given it back.
func (m *Manager) Apply(ctx context.Context, cfgs []LineConfig) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	openers, err := m.check(cfgs)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.stopped {
		return ErrStopped
	}
	old := make(map[string]*line)
	for _, l := range m.lines {
		old[l.given.Name] = l
	}
	kept := make(map[*line]bool)
	for i := range cfgs {
		if l := old[cfgs[i].Name]; l != nil && l.given.equal(&cfgs[i]) {
			kept[l] = true
		}
	}
	for _, l := range m.lines {
		if !kept[l] {
			m.ending = append(m.ending, l)
			go l.tell(evRemove, ErrRemoved.Error())
		}
	}
	lines, fresh := make([]*line, 0, len(cfgs)), make([]*line, 0, len(cfgs))
	for i := range cfgs {
		l := old[cfgs[i].Name]
		if !kept[l] {
			l = m.newLine(cfgs[i], openers[i], l)
			fresh = append(fresh, l)
		}
		lines = append(lines, l)
	}
	m.lines = lines
	start(fresh)
	return nil
}

// Lines are started a few at a time. A slow modem does not hold up the others for long.
const (
	startAtOnce   = 16
	startPatience = 100 * time.Millisecond
)

// start wakes new lines one after the other: a thousand that open their devices and set up their modems at once would leave behind
// the memory of thousands of goroutines. It does not wait; a request for a line that has not had its turn wakes that one, too.
func start(fresh []*line) {
	next := make(chan *line, len(fresh))
	for _, l := range fresh {
		next <- l
	}
	close(next)
	for range min(startAtOnce, len(fresh)) {
		go func() {
			patience := time.NewTimer(startPatience)
			defer patience.Stop()
			for l := range next {
				patience.Reset(startPatience)
				l.wake()
				if l.given.OutOfService != "" {
					continue
				}
				select {
				case <-l.started:
				case <-l.done:
				case <-patience.C:
				}
			}
		}()
	}
}

// deviceOpener opens what a line's configuration names.
func (m *Manager) deviceOpener(c LineConfig) Opener {
	return NewOpener(c.Device, c.Settings(), LockOptions{Dirs: c.LockDirs, Log: m.log})
}

// check finds what is wrong with a configuration as a whole, and makes its openers.
func (m *Manager) check(cfgs []LineConfig) ([]Opener, error) {
	var faults []error
	seen := make(map[string]bool)
	openers := make([]Opener, len(cfgs))
	for i := range cfgs {
		c := &cfgs[i]
		err := c.check()
		if err == nil && seen[c.Name] {
			err = fmt.Errorf("line %s: the name is used twice", c.Name)
		}
		if err == nil {
			openers[i], err = m.openers(*c)
		}
		if err == nil && openers[i] == nil {
			openers[i] = m.deviceOpener(*c)
		}
		seen[c.Name] = true
		if err != nil {
			faults = append(faults, err)
		}
	}
	return openers, errors.Join(faults...)
}

// newLine makes a line that sleeps; it goes by what was said of the one that it replaces, if there is one. The device is opened once those
// lines that had it before have given it back.
func (m *Manager) newLine(c LineConfig, o Opener, replaced *line) *line {
	l := &line{
		cfg: &c, given: &c, mgr: m, inbox: make(chan request, 1), done: make(chan struct{}), started: make(chan struct{}),
		state: Disabled, since: time.Now(), dirty: true,
		tty: tty{opener: inTurn{o, m.opens}, starts: make(chan Device, 1), reads: make(chan chunk, 1), opened: make(chan opening, 1)},
	}
	if replaced != nil {
		l.inherit(replaced)
	}
	switch off := orElse(l.orders.off, c.OutOfService); {
	case off == "", l.orders.off == "" && l.canBeBusy():
		l.post(evEnable, "")
	default:
		l.reason = off
	}
	l.publish()
	l.asleep.Store(true)
	still := m.ending[:0]
	for _, e := range m.ending {
		same := e.given.Device == c.Device
		if same {
			l.before = e
		}
		select {
		case <-e.done:
			continue
		default:
		}
		still = append(still, e)
		if same {
			l.tty.closed = append(l.tty.closed, e.done)
		}
	}
	clear(m.ending[len(still):])
	m.ending = still
	return l
}

// Lines returns a snapshot of every line, in the order of the configuration.
func (m *Manager) Lines() []Snapshot {
	m.mu.Lock()
	lines := m.lines
	m.mu.Unlock()
	all := make([]Snapshot, len(lines))
	for i, l := range lines {
		all[i] = l.snapshot()
	}
	return all
}

// Line returns a snapshot of one line, and whether there is one of that name.
func (m *Manager) Line(name string) (Snapshot, bool) {
	l := m.line(name)
	if l == nil {
		return Snapshot{}, false
	}
	return l.snapshot(), true
}

// Hangup ends the line's call with ErrHangup. Errors: ErrNoLine, ErrNotNow.
func (m *Manager) Hangup(ctx context.Context, name string) error {
	return m.ask(ctx, name, evHangup, "hung up by the operator")
}

// Disable switches the line off, ending its call with ErrHangup; the device is given back. Errors: ErrNoLine, ErrNotNow.
func (m *Manager) Disable(ctx context.Context, name string) error {
	return m.ask(ctx, name, evDisable, "disabled by the operator")
}

// Drain disables the line as soon as it has no call: at once without one, otherwise when the call has ended by itself. Enable takes that
// back as long as the call lasts. Errors: ErrNoLine, ErrNotNow.
func (m *Manager) Drain(ctx context.Context, name string) error {
	return m.ask(ctx, name, evDrain, "disabled by the operator when it was idle")
}

// Enable switches a line on again that is disabled or quarantined. Errors: ErrNoLine, ErrNotNow.
func (m *Manager) Enable(ctx context.Context, name string) error {
	return m.ask(ctx, name, evEnable, "enabled by the operator")
}

// Reset closes the device, opens it and sets the modem up anew; a call ends with ErrReset. A line that waits for its next try tries
// now. Errors: ErrNoLine, ErrNotNow.
func (m *Manager) Reset(ctx context.Context, name string) error {
	return m.ask(ctx, name, evRestart, "reset by the operator")
}

// Shutdown ends all lines. Dialogs and sessions get ErrShutdown and may come to an end until ctx ends or their line's HandlerGrace
// is over, whichever is first; then they are cut off, and the line is given a few seconds more to end its record. The error is ctx's
// when it had to cut calls off.
func (m *Manager) Shutdown(ctx context.Context) error {
	m.mu.Lock()
	m.stopped = true
	lines := append(append([]*line(nil), m.lines...), m.ending...)
	m.mu.Unlock()
	m.ignoreDevices()
	for _, l := range lines {
		go l.tell(evShutdown, ErrShutdown.Error())
	}
	err := wait(ctx, lines)
	if err == nil {
		return nil
	}
	for _, l := range lines {
		go l.tell(evRemove, ErrShutdown.Error())
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), hangupLimit)
	defer cancel()
	if wait(last, lines) != nil {
		return errors.Join(err, errors.New("some lines did not end"))
	}
	return err
}

// wait waits until all lines have ended.
func wait(ctx context.Context, lines []*line) error {
	for _, l := range lines {
		select {
		case <-l.done:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// line finds a line by name.
func (m *Manager) line(name string) *line {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.lines {
		if l.given.Name == name {
			return l
		}
	}
	return nil
}

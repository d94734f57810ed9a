package port

import (
	"context"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"rashost/port/modem"
)

// State is what a line is doing. This file is the life of a line: the states, what can happen, the one table, the one loop. How
// long a state may last is in timers.go, what a row of the table does in open.go, setup.go, answer.go, carrier.go, hangup.go and recover.go.
type State string

// The states of a line, in the order of a call's life.
const (
	Absent       State = "absent"       // there is no device
	Opening      State = "opening"      // the device is being opened and locked
	Initializing State = "initializing" // the modem is being set up
	Listening    State = "listening"    // waiting for a call
	Ringing      State = "ringing"      // the phone rings
	Answering    State = "answering"    // ATA sent: waiting for CONNECT, carrier and the settle time
	Dialog       State = "dialog"       // the handler asks who is calling
	Session      State = "session"      // the handler let the caller in
	HangingUp    State = "hanging-up"   // the call is over: hang up, prove it
	Recovering   State = "recovering"   // something failed: wait, then try again
	Quarantined  State = "quarantined"  // it failed too often: try again slowly
	Disabled     State = "disabled"     // switched off by the operator
)

// event is something that happens to a line.
type event string

const (
	// The device.
	evOpened event = "opened"
	evAbsent event = "no device"
	evBusy   event = "in use"
	evBroken event = "open failed"
	evGone   event = "device gone"
	evCame   event = "device came"
	// The modem and the caller.
	evReady       event = "ready"
	evFailed      event = "failed"
	evRing        event = "RING"
	evRings       event = "rings reached"
	evCaller      event = "carrier or first byte"
	evRefused     event = "not to be answered"
	evConnect     event = "CONNECT"
	evNoConnect   event = "no CONNECT"
	evServe       event = "settled"
	evLetIn       event = "let in"
	evServed      event = "handler returned"
	evCarrierLost event = "carrier lost"
	evLoop        event = "echo loop"
	evIdle        event = "proven idle"
	evUnset       event = "proven idle, settings lost"
	evReopen      event = "reopen"
	evOff         event = "off"
	evGiveUp      event = "failed too often"
	// Time, and the operator.
	evDeadline    event = "deadline"
	evMaintenance event = "maintenance"
	evHangup      event = "hangup"
	evRestart     event = "reset"
	evDisable     event = "disable"
	evDrain       event = "disable when idle"
	evEnable      event = "enable"
	evLend        event = "lend"
	evReturn      event = "give back"
	evRemove      event = "remove"
	evShutdown    event = "shutdown"
)

// row is one line of the table: in state, on what happens, go to next and do.
type row struct {
	state State
	on    event
	next  State
	do    func(l *line, o occurrence)
}

// occurrence is an event with its particulars.
type occurrence struct {
	ev    event
	why   string         // in plain words; "" for none
	cause TerminateCause // what the event says of the call's end, 0 for nothing
}

// transitions is the table. What is not in it is in ignored.
func transitions() []row {
	return []row{
		{Absent, evDeadline, Opening, (*line).open},
		{Absent, evCame, Opening, (*line).open},
		{Absent, evRestart, Opening, (*line).open},
		{Absent, evDisable, Disabled, (*line).closeDown},
		{Absent, evDrain, Disabled, (*line).closeDown},
		{Absent, evLend, Disabled, (*line).closeDown},
		{Absent, evRemove, Disabled, (*line).leave},
		{Absent, evShutdown, Disabled, (*line).leave},

		{Opening, evOpened, Initializing, (*line).initialise},
		{Opening, evAbsent, Absent, (*line).missing},
		{Opening, evBusy, Recovering, (*line).waitForOther},
		{Opening, evBroken, Recovering, (*line).failed},
		{Opening, evDeadline, Recovering, (*line).failed},
		{Opening, evDisable, Disabled, (*line).closeDown},
		{Opening, evDrain, Disabled, (*line).closeDown},
		{Opening, evLend, Disabled, (*line).closeDown},
		{Opening, evRemove, Disabled, (*line).leave},
		{Opening, evShutdown, Disabled, (*line).leave},

		{Initializing, evReady, Listening, (*line).listen},
		{Initializing, evRing, Initializing, nil},          // counted; honoured when listening
		{Initializing, evOff, Disabled, (*line).closeDown}, // out of service, and off hook
		{Initializing, evFailed, Recovering, (*line).failed},
		{Initializing, evDeadline, Recovering, (*line).failed},
		{Initializing, evGone, Absent, (*line).missing},
		{Initializing, evRestart, Opening, (*line).open},
		{Initializing, evDisable, Disabled, (*line).closeDown},
		{Initializing, evDrain, Disabled, (*line).closeDown},
		{Initializing, evLend, Disabled, (*line).closeDown},
		{Initializing, evRemove, Disabled, (*line).leave},
		{Initializing, evShutdown, Disabled, (*line).leave},

		{Listening, evRing, Ringing, (*line).ring},
		{Listening, evCaller, Answering, (*line).answer},
		{Listening, evDeadline, Listening, (*line).probeIdle},
		{Listening, evMaintenance, Disabled, (*line).beginMaintenance},
		{Listening, evFailed, Recovering, (*line).failed},
		{Listening, evGone, Absent, (*line).missing},
		{Listening, evRestart, Opening, (*line).open},
		{Listening, evDisable, Disabled, (*line).closeDown},
		{Listening, evDrain, Disabled, (*line).closeDown},
		{Listening, evLend, Disabled, (*line).closeDown},
		{Listening, evRemove, Disabled, (*line).leave},
		{Listening, evShutdown, Disabled, (*line).leave},

		{Ringing, evRing, Ringing, (*line).ring},
		{Ringing, evRings, Answering, (*line).answer},
		{Ringing, evDeadline, Listening, (*line).ringStopped},
		{Ringing, evMaintenance, Disabled, (*line).beginMaintenance},
		{Ringing, evGone, Absent, (*line).missing},
		{Ringing, evRestart, Opening, (*line).open},
		{Ringing, evDisable, Disabled, (*line).closeDown},
		{Ringing, evDrain, Disabled, (*line).closeDown},
		{Ringing, evLend, Disabled, (*line).closeDown},
		{Ringing, evRemove, Disabled, (*line).leave},
		{Ringing, evShutdown, Disabled, (*line).leave},

		{Answering, evRefused, Ringing, (*line).letRing},
		{Answering, evConnect, Answering, (*line).connected},
		{Answering, evServe, Dialog, (*line).serve},
		{Answering, evNoConnect, HangingUp, (*line).hangUp},
		{Answering, evCarrierLost, HangingUp, (*line).hangUp},
		{Answering, evGone, HangingUp, (*line).hangUp},
		{Answering, evDeadline, HangingUp, (*line).hangUp},
		{Answering, evHangup, HangingUp, (*line).hangUp},
		{Answering, evRestart, HangingUp, (*line).hangUp},
		{Answering, evDisable, HangingUp, (*line).hangUp},
		{Answering, evDrain, Answering, (*line).drainLine},
		{Answering, evEnable, Answering, (*line).keepOn},
		{Answering, evRemove, HangingUp, (*line).hangUp},
		{Answering, evShutdown, HangingUp, (*line).hangUp},

		{Dialog, evLetIn, Session, (*line).letIn},
		{Dialog, evLoop, HangingUp, (*line).hangUp},
		{Dialog, evServed, HangingUp, (*line).hangUp},
		{Dialog, evCarrierLost, HangingUp, (*line).hangUp},
		{Dialog, evGone, HangingUp, (*line).hangUp},
		{Dialog, evDeadline, HangingUp, (*line).hangUp},
		{Dialog, evHangup, HangingUp, (*line).hangUp},
		{Dialog, evRestart, HangingUp, (*line).hangUp},
		{Dialog, evDisable, HangingUp, (*line).hangUp},
		{Dialog, evDrain, Dialog, (*line).drainLine},
		{Dialog, evEnable, Dialog, (*line).keepOn},
		{Dialog, evRemove, HangingUp, (*line).hangUp},
		{Dialog, evShutdown, Dialog, (*line).tellShutdown},

		{Session, evServed, HangingUp, (*line).hangUp},
		{Session, evCarrierLost, HangingUp, (*line).hangUp},
		{Session, evGone, HangingUp, (*line).hangUp},
		{Session, evDeadline, HangingUp, (*line).hangUp},
		{Session, evHangup, HangingUp, (*line).hangUp},
		{Session, evRestart, HangingUp, (*line).hangUp},
		{Session, evDisable, HangingUp, (*line).hangUp},
		{Session, evDrain, Session, (*line).drainLine},
		{Session, evEnable, Session, (*line).keepOn},
		{Session, evRemove, HangingUp, (*line).hangUp},
		{Session, evShutdown, Session, (*line).tellShutdown},

		{HangingUp, evServed, HangingUp, (*line).takeBack},
		{HangingUp, evRing, HangingUp, nil}, // counted; honoured when listening
		{HangingUp, evIdle, Listening, (*line).listen},
		{HangingUp, evUnset, Initializing, (*line).initialise},
		{HangingUp, evReopen, Opening, (*line).open},
		{HangingUp, evOff, Disabled, (*line).closeDown},
		{HangingUp, evAbsent, Absent, (*line).missing},
		{HangingUp, evGone, HangingUp, (*line).lostWhileHangingUp},
		{HangingUp, evFailed, Recovering, (*line).failed},
		{HangingUp, evDeadline, Recovering, (*line).overdue},
		{HangingUp, evRestart, HangingUp, (*line).wantReopen},
		{HangingUp, evDisable, HangingUp, (*line).wantOff},
		{HangingUp, evDrain, HangingUp, (*line).wantOff},
		{HangingUp, evRemove, HangingUp, (*line).wantOff},
		{HangingUp, evShutdown, HangingUp, (*line).wantOff},

		{Recovering, evDeadline, Recovering, (*line).tryAgain},
		{Recovering, evRing, Recovering, nil}, // counted; honoured when listening
		{Recovering, evIdle, Initializing, (*line).initialise},
		{Recovering, evUnset, Initializing, (*line).initialise},
		{Recovering, evReopen, Opening, (*line).open},
		{Recovering, evFailed, Recovering, (*line).failed},
		{Recovering, evGiveUp, Quarantined, (*line).quarantine},
		{Recovering, evAbsent, Absent, (*line).missing},
		{Recovering, evGone, Absent, (*line).missing},
		{Recovering, evRestart, Opening, (*line).open},
		{Recovering, evDisable, Disabled, (*line).closeDown},
		{Recovering, evDrain, Disabled, (*line).closeDown},
		{Recovering, evLend, Disabled, (*line).closeDown},
		{Recovering, evRemove, Disabled, (*line).leave},
		{Recovering, evShutdown, Disabled, (*line).leave},

		{Quarantined, evGone, Quarantined, (*line).dropDevice},
		{Quarantined, evDeadline, Opening, (*line).open},
		{Quarantined, evRestart, Opening, (*line).open},
		{Quarantined, evEnable, Opening, (*line).open},
		{Quarantined, evDisable, Disabled, (*line).closeDown},
		{Quarantined, evDrain, Disabled, (*line).closeDown},
		{Quarantined, evLend, Disabled, (*line).closeDown},
		{Quarantined, evRemove, Disabled, (*line).leave},
		{Quarantined, evShutdown, Disabled, (*line).leave},

		{Disabled, evGone, Disabled, (*line).dropDevice},
		{Disabled, evEnable, Opening, (*line).open},
		{Disabled, evDeadline, Disabled, (*line).windowOver},
		{Disabled, evDisable, Disabled, (*line).stayDown},
		{Disabled, evDrain, Disabled, (*line).stayDown},
		{Disabled, evLend, Disabled, (*line).lendDisabled},
		{Disabled, evReturn, Disabled, (*line).takeHome},
		{Disabled, evRemove, Disabled, (*line).leave},
		{Disabled, evShutdown, Disabled, (*line).leave},
	}
}

// ignored says, for every event that the table does not have in every state, what becomes of it in the others.
func ignored() map[event]string {
	const own, late = "comes only in the states that wait for it", "the state that waited for it is over"
	const refused = "the operator is told that it is not possible now"
	return map[event]string{
		evOpened: own, evAbsent: own, evBusy: own, evBroken: own, evCaller: own, evServe: own, evRefused: own, evReopen: own,
		evGone:  "there is no open device, or it has been noticed already",
		evCame:  "the line has a device, or waits for something else",
		evReady: late, evFailed: late, evRings: late, evConnect: late, evNoConnect: late, evLetIn: late, evServed: late,
		evCarrierLost: late, evIdle: late, evLoop: late, evUnset: late, evOff: late, evGiveUp: late,
		evRing:     "in a call RING is the modem's affair; without a device there is none",
		evDeadline: "the state has none",
		evHangup:   refused, evRestart: refused, evDisable: refused, evDrain: refused, evEnable: refused,
		evMaintenance: "a line that does not wait for calls looks at its clock when it does",
		evLend:        "the call ends first",
		evReturn:      "the line has not been lent yet, and will not be",
	}
}

// line is one managed line: the state machine's own data. Nobody else touches it; they send requests and read the snapshot.
type line struct {
	cfg     *LineConfig // as given, but for the profile of a modem that was asked; the line's goroutine alone uses it
	given   *LineConfig // is never changed
	mgr     *Manager
	inbox   chan request
	done    chan struct{} // closed when the machine has ended and the device is given back
	snap    atomic.Pointer[Snapshot]
	started chan struct{} // closed when the line first listens, or did not get so far
	asleep  atomic.Bool   // the machine has no goroutine: see wake

	state    State
	since    time.Time
	reason   string
	began    bool // started is closed
	dirty    bool // the snapshot is out of date
	leaving  bool // the machine ends when disabled
	stopping bool // the call was told that the service stops
	queue    []occurrence
	timer    *time.Timer
	due      [timeKinds]time.Time

	tty         tty                      // open.go: the device, its reader, its opener
	script      *modem.Script            // the commands in progress
	split       modem.Splitter           // input.go: what the modem says
	parse       modem.Parser             //
	connect     *modem.ConnectCollector  //
	ids         *modem.CallerIDCollector // caller id of the ringing call
	idAt        time.Time                // when a line of it last came
	rings       int                      // RINGs of the ringing call
	rangAt      time.Time                // when the first of them came
	ringAt      time.Time                // when the last one came
	refused     bool                     // this ringing is not to be answered
	call        *Call                    // the call, from the decision to answer to the proven hang-up
	lent        bool                     // the call's handler has the data direction
	hang        hangup                   // hangup.go: where the hang-up is
	dcd         carrier                  // carrier.go
	auto        autobaud                 // autobaud.go
	back        readBack                 // readback.go
	countersign countersign              // countersign.go
	asking      *inquiry                 // recognise.go: the modem is asked what it is
	known       string                   // why the profile is the modem's; "" while that is not known
	tries       int                      // opens in a row that found no device, or a busy one
	failures    int                      // recoveries in a row that did not help
	goodAt      time.Time                // when the line last began to listen
	stuckWhy    string                   // what may keep the modem in a call since a hang-up that failed; "" when nothing is known
	noEscape    bool                     // the set-up switched the escape off (hardware.Profile.EscapeOff)
	offHook     bool                     // offhook.go: the modem was taken off hook
	onlyOffHook bool                     // the device is being opened for nothing else
	onHookOnce  bool                     // the modem has been told at least once to go on hook
	usbWaits    bool                     // usb.go: the device was switched off and on, and the line has not listened since
	dsrHigh     bool                     // DSR has been seen high since the device came
	deaf        int                      // hang-ups in a row in which DTR did nothing
	noise       noise                    // noise.go
	soon        bool                     // the call began right after the line began to listen
	vain        int                      // such calls in a row that came to nothing
	echoed      bool                     // the last call was an echo loop
	draining    bool                     // the line is disabled when the call is over
	pending     string                   // what follows when the call is over, for people; "" for nothing special
	loan        *Loan                    // lend.go: who has the device, or waits for it; nil for nobody
	before      *line                    // countersign.go: the line of this device that this one replaces, until the device is open
	maintained  bool                     // maintenance.go: disabled by its window, not by an operator
	skipUntil   time.Time                // an operator cut the window short that ends then
	orders      orders                   // orders.go: what an operator said that holds

	climb     climb // ladder.go: where the recovery is
	retest    bool  // the line comes from quarantine: it is tested before it listens
	testing   bool  // and that goes on
	probation bool  // it came back from quarantine, and has to work for a while
	calls     uint64
	missed    uint64
	events    map[eventKey]*eventCount // health.go: what was told
}

// logAt logs for the line.
func (l *line) logAt(level slog.Level, message string, args ...any) {
	if ctx := context.Background(); l.mgr.log.Enabled(ctx, level) {
		l.mgr.log.With("line", l.cfg.Name).Log(ctx, level, message, args...)
	}
}

// request is what others ask of a line.
type request struct {
	ev    event
	why   string
	loan  *Loan      // of evLend and evReturn
	reply chan error // buffered
}

// run is the loop. An idle line has nothing to wait for but its reader and a request, so it gives up its goroutine; wake starts
// another one.
func (l *line) run() {
	for {
		l.settle()
		if l.leaving && l.state == Disabled {
			l.finish()
			return
		}
		l.freeDevice()
		l.publish()
		l.readOn()
		l.setTimer()
		if l.sleep() {
			return
		}
		l.wait()
	}
}

// sleep says whether the goroutine may end. From then on the line belongs to the one that wake starts.
func (l *line) sleep() bool {
	if l.timer != nil || l.lent || l.tty.opening {
		return false
	}
	l.asleep.Store(true)
	// Who sent something before that saw the line awake.
	return len(l.inbox) == 0 && len(l.tty.reads) == 0 || !l.asleep.CompareAndSwap(true, false)
}

// wake makes sure that what was sent to the line is taken. Senders call it after they sent.
func (l *line) wake() {
	if l.asleep.CompareAndSwap(true, false) {
		go l.run()
	}
}

// wait is where a line waits while something goes on.
func (l *line) wait() {
	var wake chan struct{}
	var served chan Outcome
	var tick <-chan time.Time
	if l.lent {
		wake, served = l.call.wake, l.call.done
	}
	if l.timer != nil {
		tick = l.timer.C
	}
	select {
	case r := <-l.inbox:
		r.reply <- l.asked(r)
	case <-tick:
		l.expired()
	case r := <-l.tty.reads:
		l.received(r)
	case r := <-l.tty.opened:
		l.deviceOpened(r)
	case <-wake:
		l.lookAtCall()
	case out := <-served:
		l.handlerReturned(out)
	}
}

// settle handles events until none is left.
func (l *line) settle() {
	for len(l.queue) > 0 {
		o := l.queue[0]
		l.queue = l.queue[1:]
		l.handle(o)
		l.lendIfFree()
	}
	l.queue = nil
}

// post queues an event; it is handled when the present one is.
func (l *line) post(ev event, why string) { l.queue = append(l.queue, occurrence{ev: ev, why: why}) }

// handle takes one event through the table.
func (l *line) handle(o occurrence) {
	r := l.mgr.table[transition{l.state, o.ev}]
	if r == nil {
		l.logAt(slog.LevelDebug, "event ignored", "state", l.state, "event", o.ev, "why", o.why, "rule", ignored()[o.ev])
		return
	}
	if r.next != l.state {
		l.enter(r.next, o)
	}
	if r.do != nil {
		r.do(l, o)
	}
}

// enter changes the state.
func (l *line) enter(next State, o occurrence) {
	from := l.state
	if from == HangingUp {
		l.endCall(next, o.why)
	}
	if !l.began && next != Opening && next != Initializing {
		l.began = true
		close(l.started)
	}
	l.state, l.since, l.reason, l.script = next, time.Now(), o.why, nil
	l.in(timeStep, 0)
	if next != Dialog && next != Session {
		l.in(timePoll, 0)
		l.in(timeTail, 0)
	}
	l.in(timeState, l.mgr.limits[next](l))
	l.publish()
	l.logAt(slog.LevelDebug, "state", "from", from, "to", next, "event", o.ev, "why", o.why)
	l.mgr.observer.StateChanged(l.cfg.Name, from, next, o.why)
}

// asked takes a request. What the present state cannot do is an error.
func (l *line) asked(r request) error {
	switch {
	case r.ev == evLend || r.ev == evReturn:
		return l.lend(r)
	case l.loan != nil && l.loan.out && (r.ev == evEnable || r.ev == evDisable || r.ev == evDrain):
		return l.whileLent(r)
	}
	if l.mgr.table[transition{l.state, r.ev}] == nil || !l.allowed(r.ev) {
		return l.cannot(r.ev)
	}
	if r.ev == evEnable && l.cfg.OutOfService != "" {
		return fmt.Errorf("line %s: %w: %s", l.cfg.Name, ErrNotNow, l.cfg.OutOfService)
	}
	if err := l.obey(r); err != nil {
		return err
	}
	if r.ev == evEnable || r.ev == evRestart {
		l.usbForget()
		l.failures = 0 // the whole ladder is tried again
	}
	l.post(r.ev, r.why)
	return nil
}

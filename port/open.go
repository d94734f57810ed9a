package port

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"
	"time"

	"rashost/port/modem"
)

// tty is a line's device with its reader and its opener.
type tty struct {
	opener Opener
	dev    Device // nil when closed
	busy   bool   // another program had it
	absent bool   // there was no device since the last open

	opening bool        // an open is in progress
	reading bool        // a read is in progress
	reader  bool        // the reader has been started
	starts  chan Device // to the reader: read once
	reads   chan chunk  // from the reader: what came

	opened    chan opening
	stopOpen  context.CancelFunc          // stops the open
	before    func(context.Context) error // to be done before the next open, once
	closed    []<-chan struct{}           // what must be over before the next open
	notBefore time.Time                   // and the earliest time of it: DTR must stay low for a while
	node      string                      // the node that the device had when it was last open, "" when not known
}

// opening is what came of an open.
type opening struct {
	dev Device
	err error
}

// open closes the device if need be, and opens it anew. (Entering opening.)
func (l *line) open(o occurrence) {
	if o.ev == evRestart || o.ev == evEnable {
		l.forget()
	}
	l.tty.busy, l.maintained = false, false
	l.closeDevice()
	l.startOpen()
}

// startOpen opens the device on a goroutine of its own: a wedged port can block an open for ever.
func (l *line) startOpen() {
	t := &l.tty
	if t.opening {
		return // the last one has not returned; its result counts
	}
	t.opening = true
	ctx, cancel := context.WithTimeout(context.Background(), openLimit)
	t.stopOpen = cancel
	before := t.before
	t.before = nil
	go func(first []<-chan struct{}, notBefore time.Time, out chan<- opening) {
		defer cancel()
		dev, err := openAfter(ctx, t.opener, first, notBefore, before)
		out <- opening{dev, err}
	}(t.closed, t.notBefore, t.opened)
}

// openAfter opens the device when all of first has ended, notBefore has come, and before, if any, has been done.
func openAfter(ctx context.Context, o Opener, first []<-chan struct{}, notBefore time.Time, before func(context.Context) error) (Device, error) {
	for _, c := range first {
		select {
		case <-c:
		case <-ctx.Done():
			return nil, errors.New("the device has not been closed yet")
		}
	}
	if d := time.Until(notBefore); d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	if before != nil {
		if err := before(ctx); err != nil {
			return nil, err
		}
	}
	return o.Open(ctx)
}

// deviceOpened takes what came of an open.
func (l *line) deviceOpened(r opening) {
	t := &l.tty
	t.opening, t.stopOpen = false, nil
	hangingUp := l.hang.phase == phaseReopen && l.state == HangingUp
	onlyOffHook := l.onlyOffHook && l.state == Disabled && l.canBeBusy()
	l.onlyOffHook = false
	if onlyOffHook {
		l.openedOffHook(r)
		return
	}
	if l.state != Opening && !hangingUp {
		if r.dev != nil { // too late: nobody waits for it
			t.dev = r.dev
			l.closeDevice()
		}
		return
	}
	if r.err == nil {
		t.closed, t.dev = nil, r.dev
		l.whereIsIt()
		if err := l.prepare(); err != nil {
			r.err = fmt.Errorf("settings: %w", err)
			l.closeDevice()
		}
	}
	switch err := r.err; {
	case err == nil && hangingUp:
		l.dtrUp()
	case err == nil:
		l.post(evOpened, "")
	case isAbsent(err):
		l.post(evAbsent, err.Error())
	case hangingUp:
		l.post(evFailed, err.Error())
	case errors.Is(err, ErrLocked) || errors.Is(err, syscall.EBUSY):
		l.post(evBusy, err.Error())
	default:
		l.post(evBroken, err.Error())
	}
}

// isAbsent says whether an open failed because there is no device.
func isAbsent(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENODEV) || errors.Is(err, syscall.ENXIO)
}

// prepare sets a fresh device up.
func (l *line) prepare() error {
	l.split.Reset()
	l.parse.Reset()
	l.auto = autobaud{}
	if err := l.tty.dev.Apply(l.settings()); err != nil {
		return err
	}
	for _, set := range []func(bool) error{l.tty.dev.SetDTR, l.tty.dev.SetRTS} {
		if err := set(true); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	l.poweredOff() // seen high, it can tell later
	return nil
}

// closeDevice gives the device up. A close can block, so it has a goroutine of its own, and the next open waits for it.
func (l *line) closeDevice() {
	t := &l.tty
	if t.dev == nil {
		return
	}
	dev, done, empty := t.dev, make(chan struct{}), l.hang.empty
	t.dev = nil
	go func() {
		defer close(done)
		if d, ok := dev.(interface{ LeaveOutput() }); ok && empty {
			d.LeaveOutput() // the caller's last words
		} else {
			_ = dev.Flush(Both) // a close waits for output that nobody takes
		}
		_ = dev.Close()
	}()
	t.closed = append(t.closed, done)
	t.notBefore = time.Now().Add(l.cfg.dtrTime())
}

// afterCall is limit, and after a call no more than what is left of the time in which the line must be back.
func (l *line) afterCall(limit time.Duration) time.Duration {
	if l.hang.began.IsZero() {
		return limit
	}
	return min(limit, max(time.Second, hangupLimit-time.Since(l.hang.began)))
}

// probeEvery is how often an idle modem is asked whether it still answers.
func (l *line) probeEvery() time.Duration {
	if l.cfg.direct() {
		return 0
	}
	return l.cfg.IdleProbe
}

// listen waits for the next call, which may be ringing already. (Entering listening.)
func (l *line) listen(occurrence) {
	l.goodAt, l.refused, l.stuckWhy = time.Now(), false, ""
	l.hang = hangup{}
	l.climbed("")
	l.usbHelped()
	l.climb.refused = false
	l.backFromQuarantine()
	l.pending = ""
	if end, open := l.windowOpen(); open {
		l.post(evMaintenance, maintenanceText(end))
		return
	}
	l.awaitWindow()
	if l.cfg.direct() {
		l.firstSpeed()
		l.watchForCarrier()
	}
	if l.ringing() {
		l.post(evRing, "it rang before the line was ready")
		return
	}
	l.rings, l.ids = 0, nil
}

// probeIdle asks an idle modem whether it still answers. (Deadline of listening.)
func (l *line) probeIdle(occurrence) {
	if l.poweredOff() {
		l.event(EventProbe, "the idle probe failed", dsrLow)
		l.post(evFailed, dsrLow)
		return
	}
	l.startScript([]modem.Step{{Send: "AT", Timeout: probeTime}})
}

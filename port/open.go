package port

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"slices"
	"syscall"
	"time"

	"rashost/hardware"
	"rashost/port/modem"
)

// tty is a line's device with its reader and its opener.
type tty struct {
	opener Opener
	dev    Device // nil when closed
	busy   bool   // another program has it

	starts  chan Device // to the reader: read once
	reads   chan chunk  // from the reader: what came
	reading bool        // a read is in progress
	reader  bool        // the reader has been started

	opened    chan opening
	opening   bool                        // an open is in progress
	stopOpen  context.CancelFunc          // stops it
	before    func(context.Context) error // to be done before the next open, once
	closed    []<-chan struct{}           // what must be over before the next open
	notBefore time.Time                   // and the earliest time of it: DTR must stay low for a while

	absent bool   // there was no device since the last open
	node   string // the node that the device had when it was last open, "" when not known
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

// initialise sets the modem up. (Entering initializing.)
func (l *line) initialise(occurrence) {
	if l.mode() == CarrierRequired {
		if _, err := l.tty.dev.Signals(); errors.Is(err, errors.ErrUnsupported) {
			l.post(evFailed, "carrier: required, but the device has no control signals: use carrier: ignore")
			return
		}
	}
	if l.cfg.direct() {
		l.post(evReady, "")
		return
	}
	l.back.ask, l.testing, l.countersign.asked = nil, false, false
	if l.signFirst() {
		return
	}
	l.beginSetUp()
}

// beginSetUp asks the modem what it is, where that is not known, and sets it up.
func (l *line) beginSetUp() {
	if l.openedAnew() && l.onlyDTR() { // the close has not ended the call: there is nobody to ask
		l.stuckWhy = l.stuckText()
		l.post(evFailed, errStillInCall.Error())
		return
	}
	if l.recognise() {
		return
	}
	l.startScript(l.setUpSteps())
}

// setUp ends the set-up of a modem. One that is still in a call is not ready, whatever it answers.
func (l *line) setUp(refused []*modem.StepError) {
	off := l.cfg.Profile.EscapeOff
	l.noEscape = off != "" && !slices.ContainsFunc(refused, func(e *modem.StepError) bool { return e.Step.Send == off })
	if off != "" && !l.noEscape {
		l.event(EventEscape, "the modem does not take "+off+": its escape is on", "what is sent to callers is broken in time all the same")
	}
	for _, r := range refused {
		if slices.Contains(l.cfg.Init, r.Step.Send) {
			l.event(EventModem, "the modem does not take "+r.Step.Send, "it stands in the line's `init`: `rashost modem lint` explains it")
		}
	}
	if l.inCall() {
		l.stuckWhy = l.stuckText()
		l.post(evFailed, "the modem is set up but still in a call")
		return
	}
	l.noEscape = l.noEscape && !l.back.escapeOn
	if !l.checkSign() {
		l.readBackSetUp()
	}
}

// readBackSetUp asks the modem what it took.
func (l *line) readBackSetUp() {
	l.back.ask = questions(l.cfg.Profile)
	if !l.readBackNext() {
		l.isSetUp()
	}
}

// isSetUp ends the set-up.
func (l *line) isSetUp() {
	switch {
	case l.cfg.OutOfService != "": // the modem is set up only to be taken off hook
		l.post(evOff, l.cfg.OutOfService)
		return
	case l.retest:
		l.onHookAgain()
		l.testIdle()
		return
	}
	l.onHookAgain()
	l.post(evReady, "")
}

// setUpSteps are the commands that set the line's modem up. On a device that was opened anew because its modem was silent AT comes first:
// one that is silent still need not be waited for as long as for a command that takes its time.
func (l *line) setUpSteps() []modem.Step {
	var first []modem.Step
	if l.openedAnew() {
		if d, resets := l.dtrResets(); resets && d > 0 {
			first = append(first, modem.Step{Raw: true, NoReply: true, Delay: d})
		}
		first = append(first, modem.Step{Send: "AT", Optional: true, Timeout: probeTime}, modem.Step{Send: "AT", Alternative: true, Timeout: probeTime})
	}
	return slices.Concat(first, l.backOnHook(), initSteps(&l.cfg), l.giveSign())
}

// initSteps are the commands of the line's profile, those for distinctive ring, where the line asks for it, and caller id last.
func initSteps(c *LineConfig) []modem.Step {
	return append(SetUpSteps(c), CallerIDSteps(c.Profile)...)
}

// SetUpSteps are the commands by which a line sets its modem up, in order: its profile's, with c.DistinctiveRing also the one for that, where
// the profile has it, and the line's own. CallerIDSteps follow.
func SetUpSteps(c *LineConfig) []modem.Step {
	p := c.Profile
	steps := commands(p, p.Init)
	if c.DistinctiveRing && p.DistinctiveRing.Send != "" {
		ring := commands(p, []hardware.Step{p.DistinctiveRing})[0]
		ring.Optional = true
		steps = append(steps, ring)
	}
	for _, command := range c.Init {
		steps = append(steps, commands(p, []hardware.Step{{Send: command, Optional: true}})...)
	}
	return steps
}

// CallerIDSteps are the commands by which a line asks for caller id: alternatives, tried until one is answered by OK.
func CallerIDSteps(p *hardware.Profile) []modem.Step {
	steps := commands(p, p.CallerID.Enable)
	for i := range steps {
		steps[i].Optional, steps[i].Alternative = true, i > 0
	}
	return steps
}

// commands turns a profile's steps into a script's.
func commands(p *hardware.Profile, from []hardware.Step) []modem.Step {
	steps := make([]modem.Step, 0, len(from)+2)
	for _, s := range from {
		timeout := s.Timeout
		if timeout == 0 {
			timeout = p.CommandTimeout
		}
		steps = append(steps, modem.Step{
			Send: s.Send, Raw: s.Raw, Expect: s.Expect, NoReply: s.NoReply, Optional: s.Optional,
			Timeout: timeout.Std(), Delay: (s.DelayAfter + p.CommandDelay).Std(),
		})
	}
	return steps
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
	if l.rings > 0 && time.Since(l.ringAt) < ringGap {
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

// startScript begins a script.
func (l *line) startScript(steps []modem.Step) {
	l.script = &modem.Script{Steps: steps}
	l.act(l.script.Start())
}

// act does what the script wants.
func (l *line) act(a modem.Action) {
	switch a.Kind {
	case modem.Send:
		if l.hang.phase != phaseProbe {
			l.split.Echo(l.script.Current().Send) // the probe wants to see an echo: it shows that the settings are lost
		}
		if !l.write(a.Send) {
			return
		}
		l.in(timeStep, max(a.Timeout, time.Nanosecond))
	case modem.Pause:
		l.in(timeStep, max(a.Timeout, time.Nanosecond))
	case modem.Done:
		l.scriptOver(nil)
	case modem.Failed:
		l.scriptOver(a.Err)
	case modem.Keep:
	}
}

// scriptOver goes on after a script.
func (l *line) scriptOver(err error) {
	script := l.script
	l.script = nil
	l.in(timeStep, 0)
	l.countersign.asked = l.countersign.asked && err == nil
	for _, r := range script.Refused() {
		l.logAt(slog.LevelDebug, "optional command refused", "err", r)
	}
	switch {
	case l.state == HangingUp:
		l.hangupScriptOver(err)
	case l.state == Recovering:
		l.rungOver(l.unlessItRings(err))
	case l.state == Disabled || l.state == Quarantined:
		l.offHookOver(err)
	case l.state == Initializing && l.asking != nil:
		l.recogniseNext(script)
	case err != nil:
		if l.state == Initializing {
			l.forget() // it may be another modem
		}
		if l.state == Listening {
			l.event(EventProbe, "the idle probe failed", err.Error())
		}
		l.climb.refused = obeyed(err)
		l.post(evFailed, err.Error())
	case l.state == Initializing && l.countersign.asked:
		l.signOver()
	case l.state == Initializing && l.testing:
		l.testing = false
		l.post(evReady, "")
	case l.state == Initializing && len(l.back.ask) > 0:
		l.readBackOver(script.Refused())
	case l.state == Initializing:
		l.setUp(script.Refused())
	case l.state == Listening:
		l.in(timeState, l.cfg.IdleProbe)
	}
}

// writeTime is how long a command may take to be written: with RTS/CTS a dead modem takes nothing.
const writeTime = time.Second

// write sends to the modem, and says whether it took it.
func (l *line) write(p []byte) bool {
	if len(p) == 0 {
		return true
	}
	dev := l.tty.dev
	if err := dev.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		l.post(evGone, "device gone: "+err.Error())
		return false
	}
	_, err := dev.Write(p)
	switch {
	case err == nil:
		return true
	case isTimeout(err):
		l.in(timeStep, 0)
		l.script = nil
		l.takesNothing("the modem takes no commands (CTS low?)")
	default:
		l.post(evGone, "device gone: "+err.Error())
	}
	return false
}

// takesNothing goes on when the modem takes no commands.
func (l *line) takesNothing(why string) {
	switch {
	case l.state == Answering:
		l.post(evNoConnect, why)
	case l.state == Recovering && l.climb.on:
		l.rungOver(errors.New(why))
	case l.state == Disabled || l.state == Quarantined:
		l.offHookOver(errors.New(why))
	default:
		l.post(evFailed, why)
	}
}

package dialout

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"time"

	"rashost/hardware"
	"rashost/port/modem"
)

// Modem says how to dial.
type Modem struct {
	// Profile is the modem's; it must not be a direct one.
	Profile hardware.Profile
	// Number is dialled, CheckNumber says what it may hold.
	Number string
	// Timeout is how long CONNECT may take, from the end of dialling commands; 0 is a minute.
	Timeout time.Duration
	// Redial is how often a call that was busy, not answered, or without carrier is tried again, after Pause.
	Redial int
	Pause  time.Duration
}

// numberRule is what a dial string may hold (ITU-T V.250, section 6.3.1), but no ";", behind which a modem stays in command mode.
var numberRule = regexp.MustCompile(`^[0-9A-DTPWa-dtpw*#+,!@&(). -]{1,64}$`)

// CheckNumber says what is wrong with a number, nil when nothing is.
func CheckNumber(number string) error {
	if !numberRule.MatchString(number) || !strings.ContainsAny(number, "0123456789") {
		return fmt.Errorf("%.80q is no telephone number: digits, and between them *, #, +, comma (a pause), W, !, @, &, -, ., ( ) and spaces", number)
	}
	return nil
}

// dialCommand is the command for a number. One that begins with T or P says itself how to dial; others are dialled by tones.
func dialCommand(number string) string {
	if strings.ContainsRune("TPtp", rune(number[0])) {
		return "ATD" + number
	}
	return "ATDT" + number
}

// DialError says that there is no connection, in the words of the modem.
type DialError struct {
	Number string
	// Kind is what the modem said, Text the whole line; zero when it said nothing in time.
	Kind modem.ResultKind
	Text string
	// After is how long was waited, when the modem said nothing.
	After time.Duration
}

// Error says it in plain words, with the modem's.
func (e *DialError) Error() string {
	if e.Kind == modem.None {
		return fmt.Sprintf("dialling %s: no connection within %v", e.Number, e.After)
	}
	why, ok := map[modem.ResultKind]string{
		modem.Busy:        "the number is busy",
		modem.NoAnswer:    "nobody answers",
		modem.NoCarrier:   "no carrier: nobody answered, or not with a modem that this one understands",
		modem.NoDialtone:  "no dial tone: is the modem connected to the telephone line?",
		modem.Error:       "the modem does not accept the number",
		modem.Voice:       "a voice answered",
		modem.Fax:         "a fax machine answered",
		modem.Delayed:     "the modem delays calls to this number after earlier failures",
		modem.Blacklisted: "the modem refuses this number after earlier failures",
		modem.LineInUse:   "another telephone uses the line",
		modem.NoBongtone:  "no tone from the telephone network",
	}[e.Kind]
	if !ok {
		why = "no connection"
	}
	return fmt.Sprintf("dialling %s: %s (the modem said %q)", e.Number, why, e.Text)
}

// again says whether another try makes sense.
func (e *DialError) again() bool {
	switch e.Kind {
	case modem.Busy, modem.NoAnswer, modem.NoCarrier, modem.None:
		return true
	default:
		return false
	}
}

// phase is where a modem is in a call.
type phase int

const (
	onHook phase = iota
	dialling
	connected
)

// talk is the conversation with a modem in command mode. It reads single bytes, so that what follows CONNECT stays in the line.
type talk struct {
	line  Line
	phase phase
	split modem.Splitter
	parse modem.Parser
}

// result returns the next line of the modem. Errors: os.ErrDeadlineExceeded, the cause of ctx, those of the line.
func (t *talk) result(ctx context.Context, deadline time.Time) (modem.Result, error) {
	if err := t.line.SetReadDeadline(deadline); err != nil {
		return modem.Result{}, err
	}
	for one := make([]byte, 1); ; {
		if ctx.Err() != nil { // asked after the deadline was set, so that the end of ctx wins
			return modem.Result{}, context.Cause(ctx)
		}
		n, err := t.line.Read(one)
		switch {
		case ctx.Err() != nil:
			return modem.Result{}, context.Cause(ctx)
		case err != nil:
			return modem.Result{}, lost(err)
		case n == 0:
		default:
			if text, _, ok := t.split.Next(one); ok {
				return t.parse.Parse(text), nil
			}
		}
	}
}

// commandTime is how long the modem may take to accept a command.
const commandTime = 2 * time.Second

// send writes a command.
func (t *talk) send(ctx context.Context, text []byte) error {
	if err := t.line.SetWriteDeadline(time.Now().Add(commandTime)); err != nil {
		return err
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	_, err := t.line.Write(text)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("the modem takes no commands (is CTS low? try --flow none)")
	}
	return err
}

// script runs commands one after the other.
func (t *talk) script(ctx context.Context, steps []modem.Step) error {
	s := modem.Script{Steps: steps}
	var deadline time.Time
	for a := s.Start(); ; {
		switch a.Kind {
		case modem.Done:
			return nil
		case modem.Failed:
			return a.Err
		case modem.Send:
			t.split.Echo(s.Current().Send)
			if err := t.send(ctx, a.Send); err != nil {
				return err
			}
			deadline = time.Now().Add(a.Timeout)
		case modem.Pause:
			deadline = time.Now().Add(a.Timeout)
		case modem.Keep:
		}
		r, err := t.result(ctx, deadline)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			a = s.OnTimeout()
		case err != nil:
			return err
		default:
			a = s.OnResult(r)
		}
	}
}

// setUp is the profile's set-up behind a bare AT, from which a modem learns the speed.
func setUp(p *hardware.Profile) []modem.Step {
	steps := []modem.Step{{Send: "AT", Optional: true, Timeout: time.Second}}
	for _, s := range p.Init {
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

// dial sets the modem up and dials, again when that is wanted, until there is a connection.
func (c *Call) dial(ctx context.Context, line Line) (*talk, error) {
	defer interrupt(ctx, line)()
	m := c.Modem
	t := &talk{line: line, parse: modem.Parser{Codes: m.Profile.ResultCodes}}
	if s, err := line.Signals(); err == nil && s.DCD {
		c.Progress("DCD is high: hanging up a call that may be left over")
		_ = t.dropDTR(ctx, &m.Profile)
	}
	c.Progress("setting the modem up (" + m.Profile.Name + ")")
	if err := t.script(ctx, setUp(&m.Profile)); err != nil {
		if _, ok := errors.AsType[*modem.StepError](err); ok {
			err = fmt.Errorf("%w: is it switched on, and are --modem and --baud right?", err)
		}
		return t, err
	}
	for left := m.Redial; ; left-- {
		connect, err := c.dialOnce(ctx, t)
		if err == nil {
			c.Progress("CONNECT " + connect.Text)
			return t, nil
		}
		failed, ok := errors.AsType[*DialError](err)
		if !ok || !failed.again() || left <= 0 || t.phase != onHook {
			return t, err
		}
		c.Progress(fmt.Sprintf("%v; again in %v", err, m.Pause))
		if _, err := t.result(ctx, time.Now().Add(m.Pause)); err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
			return t, err
		}
	}
}

// dialOnce dials once. When there is no connection, the modem is in command mode again.
func (c *Call) dialOnce(ctx context.Context, t *talk) (modem.Connect, error) {
	m, limit := c.Modem, c.Modem.Timeout
	if limit <= 0 {
		limit = time.Minute
	}
	c.Progress("dialling " + m.Number)
	t.phase = dialling
	command := dialCommand(m.Number)
	t.split.Echo(command)
	if err := t.send(ctx, []byte(command+"\r")); err != nil {
		return modem.Connect{}, err
	}
	var about modem.ConnectCollector
	for deadline := time.Now().Add(limit); ; {
		r, err := t.result(ctx, deadline)
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			if t.abort(ctx) {
				t.phase = onHook
			}
			return modem.Connect{}, &DialError{Number: m.Number, After: limit}
		case err != nil:
			return modem.Connect{}, err
		case r.Kind == modem.Connected:
			t.phase = connected
			return about.Connect(r.Connect), nil
		case r.Kind.Failed() || r.Kind == modem.Fax:
			t.phase = onHook
			return modem.Connect{}, &DialError{Number: m.Number, Kind: r.Kind, Text: r.Text}
		case r.Kind == modem.Ringing:
			c.Progress("it rings")
		default:
			about.Line(r.Text)
		}
	}
}

// abort ends dialling: any character does (ITU-T V.250, section 5.6.1). It says whether the modem has gone on hook.
func (t *talk) abort(ctx context.Context) bool {
	_ = t.line.SetReadDeadline(time.Time{})
	if t.send(ctx, []byte{'\r'}) != nil {
		return false
	}
	for deadline := time.Now().Add(commandTime); ; {
		switch r, err := t.result(ctx, deadline); {
		case err != nil, r.Kind == modem.Connected:
			return false
		case r.Kind.Failed(), r.Kind == modem.OK:
			return true
		}
	}
}

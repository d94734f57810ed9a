package port

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rashost/hardware"
	"rashost/port/modem"
)

// ErrNoAnswer is what every *NoAnswerError wraps.
var ErrNoAnswer = errors.New("the modem does not answer")

// NoAnswerError says that nothing at a device answers AT.
type NoAnswerError struct {
	Path string
	// Why is what may be the reason, and what to do about it.
	Why string
}

// Error names the device and the reason.
func (e *NoAnswerError) Error() string {
	return fmt.Sprintf("%s: nothing answers AT: %s", e.Path, e.Why)
}

// Unwrap makes errors.Is(err, ErrNoAnswer) work.
func (e *NoAnswerError) Unwrap() error { return ErrNoAnswer }

// CommonSpeeds returns the speeds that IdentifyAtSpeeds tries when it is given none, the likely ones first.
func CommonSpeeds() []int { return []int{115200, 57600, 38400, 19200, 9600, 2400, 1200, 300} }

// Identify asks the modem at dev, at the speed that dev has now, what it is: AT, Q0, E0 and V1 first, then what the profiles ask, until
// the answers decide. Nothing is changed in the modem but those settings. The data direction of dev is its own meanwhile. It takes at
// most half a minute. Errors: a *NoAnswerError, what dev reports, the context's.
func Identify(ctx context.Context, dev Device, profiles []hardware.Profile) (Identification, error) {
	w := &asker{ctx: ctx, dev: dev}
	defer w.watch()()
	refused, err := w.run(attention(), nil)
	if err != nil {
		return Identification{}, err
	}
	if !answered(len(attention()), refused) {
		return Identification{}, &NoAnswerError{Path: dev.Path(), Why: w.silence()}
	}
	q := newInquiry(profiles, inquiryTime)
	for steps := q.next(); steps != nil; steps = q.next() {
		refused, err := w.run(steps, q.line)
		if err != nil {
			return Identification{}, err
		}
		q.over(refused)
	}
	return q.result(), nil
}

// IdentifyAtSpeeds is Identify at the speed of s; when nothing answers there, DTR is dropped and the escape sent, which lead out of a
// call that somebody left behind, and then the other speeds are tried, CommonSpeeds when there are none. It returns the speed at which
// the modem answered. The device is left at that speed, at the speed of s when there is none.
func IdentifyAtSpeeds(ctx context.Context, dev Device, s Settings, speeds []int, profiles []hardware.Profile) (Identification, int, error) {
	if speeds == nil {
		speeds = CommonSpeeds()
	}
	s = s.withDefaults()
	if err := dev.Apply(s); err != nil {
		return Identification{}, 0, err
	}
	id, first := Identify(ctx, dev, profiles)
	if !errors.Is(first, ErrNoAnswer) {
		return id, s.Baud, first
	}
	if err := leaveCall(ctx, dev); err != nil {
		return Identification{}, 0, err
	}
	tried := map[int]bool{}
	for _, baud := range append([]int{s.Baud}, speeds...) {
		if tried[baud] {
			continue
		}
		tried[baud] = true
		at := s
		at.Baud = baud
		if err := dev.Apply(at); err != nil {
			continue // a device that does not know the speed
		}
		_ = dev.Flush(Both) // what is queued belongs to another speed
		id, err := Identify(ctx, dev, profiles)
		if !errors.Is(err, ErrNoAnswer) {
			return id, baud, err
		}
	}
	return Identification{}, 0, errors.Join(first, dev.Apply(s))
}

// leaveCall brings a modem that somebody left in a call back to command mode.
func leaveCall(ctx context.Context, dev Device) error {
	h := hardware.Defaults().Hangup
	w := &asker{ctx: ctx, dev: dev}
	defer w.watch()()
	if err := dev.SetDTR(false); err == nil {
		_, err = w.run([]modem.Step{{Raw: true, NoReply: true, Delay: h.DTRTime.Std()}}, nil)
		if up := dev.SetDTR(true); err != nil || up != nil {
			return errors.Join(err, up)
		}
	}
	guard := h.Guard.Std() + 200*time.Millisecond
	_, err := w.run([]modem.Step{{Raw: true, NoReply: true, Delay: guard}, {Send: h.Escape, Raw: true, NoReply: true, Delay: guard},
		{Send: h.Command, Optional: true, Timeout: attentionTime}}, nil)
	return err
}

// asker runs scripts on a device.
type asker struct {
	ctx   context.Context
	dev   Device
	split modem.Splitter
	parse modem.Parser

	bytes, echoes int  // what came in all, and how many commands came back
	stuck         bool // it takes no bytes
}

// watch ends reads and writes when the context does; the function that it returns ends that.
func (w *asker) watch() func() {
	stop := context.AfterFunc(w.ctx, func() {
		_ = w.dev.SetReadDeadline(longAgo)
		_ = w.dev.SetWriteDeadline(longAgo)
	})
	return func() {
		stop()
		_ = w.dev.SetReadDeadline(time.Time{})
		_ = w.dev.SetWriteDeadline(time.Time{})
	}
}

// run runs a script to its end. Lines that are no result go to said, if that is not nil.
func (w *asker) run(steps []modem.Step, said func(string)) ([]*modem.StepError, error) {
	s := &modem.Script{Steps: steps}
	for a := s.Start(); ; {
		switch a.Kind {
		case modem.Done, modem.Failed:
			return s.Refused(), a.Err
		case modem.Send:
			if err := w.write(a.Send); err != nil {
				return nil, err
			}
		case modem.Pause, modem.Keep:
		}
		var err error
		if a, err = w.await(s, time.Now().Add(a.Timeout), said); err != nil {
			return nil, err
		}
	}
}

// await reads until the script wants something done, at the latest when end comes.
func (w *asker) await(s *modem.Script, end time.Time, said func(string)) (modem.Action, error) {
	buf := make([]byte, readSize)
	for time.Now().Before(end) {
		if err := context.Cause(w.ctx); err != nil {
			return modem.Action{}, err
		}
		if err := w.dev.SetReadDeadline(end); err != nil {
			return modem.Action{}, err
		}
		if w.ctx.Err() != nil {
			continue // the deadline may have replaced watch's
		}
		n, err := w.dev.Read(buf)
		if err != nil && !isTimeout(err) {
			return modem.Action{}, err
		}
		w.bytes += n
		if a := w.heard(s, buf[:n], said); a.Kind != modem.Keep {
			return a, nil
		}
	}
	return s.OnTimeout(), context.Cause(w.ctx)
}

// heard takes what came. What is behind the line that ends a step is no answer any more.
func (w *asker) heard(s *modem.Script, p []byte, said func(string)) modem.Action {
	for {
		line, rest, ok := w.split.Next(p)
		if !ok {
			return modem.Action{}
		}
		p = rest
		r := w.parse.Parse(line)
		switch {
		case line == s.Current().Send:
			w.echoes++
			continue
		case (r.Kind == modem.None || r.Kind == modem.Info) && said != nil && !tellsCaller(line):
			said(line)
		}
		if a := s.OnResult(r); a.Kind != modem.Keep {
			return a
		}
	}
}

// tellsCaller says whether a line is about a caller, and no answer to a question.
func tellsCaller(line string) bool {
	var ids modem.CallerIDCollector
	return ids.Line(line)
}

// write sends a command. A modem that takes none is one that does not answer.
func (w *asker) write(p []byte) error {
	if len(p) == 0 || w.stuck {
		return nil
	}
	if err := w.dev.SetWriteDeadline(time.Now().Add(writeTime)); err != nil {
		return err
	}
	if err := context.Cause(w.ctx); err != nil {
		return err
	}
	_, err := w.dev.Write(p)
	if isTimeout(err) {
		w.stuck = w.ctx.Err() == nil
		return context.Cause(w.ctx)
	}
	return err
}

// silence says why nothing may have answered.
func (w *asker) silence() string {
	s, err := w.dev.Signals()
	known := err == nil
	switch {
	case w.echoes > 0:
		return "what is sent comes back, and nothing else: a loopback plug, or a terminal or another getty at the far end"
	case known && !s.DSR && !s.CTS:
		return "DSR and CTS are low: the modem is switched off, or the cable is not plugged in"
	case w.stuck || known && !s.CTS:
		return "it takes no bytes, CTS is low: check the cable (RTS and CTS), and that the modem is switched on"
	case known && !s.DSR:
		return "DSR is low: the modem is switched off, or the cable has no DSR"
	case w.bytes > 0:
		return fmt.Sprintf("%d bytes came that are no answer: another speed, another device than a modem, or noise", w.bytes)
	case known && s.DCD:
		return "DCD is high: the modem may be in a call"
	default:
		return "the modem is switched off, at another speed or not connected, or another program has put it into a call"
	}
}

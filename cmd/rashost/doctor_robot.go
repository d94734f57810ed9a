package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"rashost/internal/caller"
	"rashost/internal/config"
	"rashost/internal/dialout"
	"rashost/port"
	"rashost/port/modemsim"
)

// turn is one thing that the robot waits for, and what it says then.
type turn struct{ expect, send string }

// robot makes one call and plays turns; then it hangs up. An error names the turn.
type robot func(ctx context.Context, turns []turn) error

// robot is who calls: the simulator of a virtual line, the far end of a direct one, or the sibling's modem.
func (p *patient) robot(d *daemon) (robot, error) {
	switch {
	case p.sibling == nil:
		sim, err := d.sims.modem(strings.TrimPrefix(p.line.Device, config.SimPrefix))
		if err != nil {
			return nil, err
		}
		return func(ctx context.Context, turns []turn) error {
			far, err := sim.dial(ctx, modemsim.DialOptions{Number: robotNumber, Name: "DOCTOR"})
			if err != nil {
				return fmt.Errorf("the line did not answer: %w", err)
			}
			defer func() { _ = far.Close() }()
			return p.play(ctx, far, turns)
		}, nil
	case p.line.Profile.Direct:
		return func(ctx context.Context, turns []turn) error {
			far, err := dialout.Open(ctx, p.farEnd())
			if err != nil {
				return fmt.Errorf("the other end of the cable: %w", err)
			}
			defer func() { _ = far.Close() }()
			return p.play(ctx, far, turns)
		}, nil
	default:
		return p.dial, nil
	}
}

// farEnd is how the sibling is opened.
func (p *patient) farEnd() dialout.Target {
	s := p.sibling
	return dialout.Target{Device: s.Device, Settings: s.Settings(), Lock: port.LockOptions{Dirs: s.LockDirs}}
}

// dial calls the line with the sibling's modem.
func (p *patient) dial(ctx context.Context, turns []turn) error {
	script := &caller.Script{}
	for i, t := range turns {
		script.Steps = append(script.Steps, caller.Step{Verb: caller.Expect, Text: t.expect, Line: i + 1})
		if t.send != "" {
			script.Steps = append(script.Steps, caller.Step{Verb: caller.Secret, Text: t.send, Line: i + 1})
		}
	}
	_, err := (&dialout.Call{
		Target: p.farEnd(),
		Modem:  &dialout.Modem{Profile: *p.sibling.Profile, Number: p.number, Timeout: 90 * time.Second, Redial: 2, Pause: 5 * time.Second},
		Login:  &dialout.Login{Script: script, Timeout: 2 * time.Minute},
		Then:   dialout.Command, Command: []string{"/bin/true"},
	}).Run(ctx)
	return err
}

// The patience of a robot on a line without a modem.
const (
	carrierTime = 3 * time.Second  // for a call that carrier begins; then a key is pressed
	turnTime    = 20 * time.Second // for each turn
)

// play plays turns on a connection. Who calls a direct line presses Enter when nothing comes, as a person does: where carrier begins no
// call, the first byte does.
func (p *patient) play(ctx context.Context, rw io.ReadWriter, turns []turn) error {
	r := caller.New(rw)
	if p.line.Profile.Direct {
		short, stop := context.WithTimeout(ctx, carrierTime)
		_, err := r.Expect(short, turns[0].expect)
		stop()
		switch {
		case err == nil:
			if err := r.Send(turns[0].send); err != nil {
				return err
			}
			turns = turns[1:]
		case ctx.Err() == nil:
			if err := r.SendRaw([]byte("\r")); err != nil {
				return err
			}
		}
	}
	for _, t := range turns {
		limited, stop := context.WithTimeout(ctx, turnTime)
		_, err := r.Expect(limited, t.expect)
		stop()
		if err == nil && t.send != "" {
			err = r.Send(t.send)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

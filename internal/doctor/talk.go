package doctor

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"rashost/port"
	"rashost/port/modem"
)

// talk asks a modem, one command at a time.
type talk struct {
	dev        port.Device
	split      modem.Splitter
	parse      modem.Parser
	delay      time.Duration   // kept after an answer, before the next command
	unverified map[string]bool // commands that are found in no manual of the family
	evidence   []string
}

// inNoManual is what is said of a command of which that is so.
const inNoManual = "found in no manual of the family"

// marked is a command as evidence has it.
func (t *talk) marked(command string) string {
	if t.unverified[command] {
		return command + " (" + inNoManual + ")"
	}
	return command
}

const (
	maxAnswer   = 64  // lines of one answer
	maxEvidence = 40  // of one finding
	maxQuoted   = 120 // bytes of what came

	writeTime = time.Second // for a command to be taken, as a line has it
)

// note keeps evidence.
func (t *talk) note(format string, args ...any) {
	if len(t.evidence) < maxEvidence {
		t.evidence = append(t.evidence, fmt.Sprintf(format, args...))
	}
}

// take returns the evidence so far, and begins anew.
func (t *talk) take() []string {
	all := t.evidence
	t.evidence = nil
	if all == nil {
		all = []string{}
	}
	return all
}

// answer is what a command brought: the lines before the result, and the result; kind None when there was none in time.
type answer struct {
	lines  []string
	result modem.Result
}

func (a answer) ok() bool     { return a.result.Kind == modem.OK }
func (a answer) text() string { return strings.Join(a.lines, "\n") }

// said is the answer as evidence has it.
func (a answer) said() string {
	if a.result.Kind == modem.None && len(a.lines) == 0 {
		return "nothing"
	}
	return fmt.Sprintf("%.*q", maxQuoted, strings.TrimSpace(strings.Join(append(a.lines, a.result.Text), " ")))
}

// ask sends a command and waits for its result. An error is the device's, or ctx's.
func (t *talk) ask(ctx context.Context, command string, limit time.Duration) (answer, error) {
	if err := t.send(ctx, command+"\r", limit); err != nil {
		return answer{}, fmt.Errorf("%s: %w", command, err)
	}
	t.split.Echo(command)
	a, err := t.listen(ctx, limit)
	if err != nil {
		return a, fmt.Errorf("%s: %w", command, err)
	}
	t.note("%s -> %s", t.marked(command), a.said())
	return a, wait(ctx, t.delay)
}

// run sends what a line sends, and waits as it does. refused are the optional steps that failed; failed is the required one that did, nil for
// none. An error is the device's, or ctx's.
func (t *talk) run(ctx context.Context, steps []modem.Step) (refused []*modem.StepError, failed *modem.StepError, err error) {
	s := &modem.Script{Steps: steps}
	for a := s.Start(); ; {
		switch a.Kind {
		case modem.Done:
			return s.Refused(), nil, nil
		case modem.Failed:
			failed, _ = errors.AsType[*modem.StepError](a.Err)
			return s.Refused(), failed, nil
		case modem.Send:
			step := s.Current()
			t.split.Echo(step.Send)
			if err := t.send(ctx, string(a.Send), writeTime); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", step.Send, err)
			}
			var said answer
			if a, said, err = t.await(ctx, s, a.Timeout); err != nil {
				return nil, nil, fmt.Errorf("%s: %w", step.Send, err)
			}
			t.note("%s -> %s", t.marked(step.Send), said.said())
		case modem.Pause, modem.Keep:
			if a, _, err = t.await(ctx, s, a.Timeout); err != nil {
				return nil, nil, err
			}
		}
	}
}

// await reads until the script wants something done, at the latest when limit is over.
func (t *talk) await(ctx context.Context, s *modem.Script, limit time.Duration) (next modem.Action, said answer, err error) {
	err = t.read(ctx, time.Now().Add(limit), func(line string) bool {
		r := t.parse.Parse(line)
		if next = s.OnResult(r); next.Kind != modem.Keep {
			said.result = r
			return true
		}
		if len(said.lines) < maxAnswer {
			said.lines = append(said.lines, line)
		}
		return false
	})
	if err == nil && next.Kind == modem.Keep {
		next = s.OnTimeout()
	}
	return next, said, err
}

// send writes to the modem.
func (t *talk) send(ctx context.Context, text string, limit time.Duration) error {
	if err := ctx.Err(); err != nil {
		return context.Cause(ctx)
	}
	if err := t.dev.SetWriteDeadline(time.Now().Add(limit)); err != nil {
		return err
	}
	if _, err := t.dev.Write([]byte(text)); err != nil {
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return errors.New("the modem takes no bytes (CTS is low?)")
		}
		return err
	}
	return nil
}

// listen reads until a result comes, or limit is over.
func (t *talk) listen(ctx context.Context, limit time.Duration) (answer, error) {
	var a answer
	err := t.read(ctx, time.Now().Add(limit), func(line string) bool {
		r := t.parse.Parse(line)
		switch {
		case r.Kind == modem.OK || r.Kind == modem.Connected || r.Kind.Failed():
			a.result = r
			return true
		case r.Kind == modem.Ring:
			t.note("RING in between")
		case len(a.lines) < maxAnswer:
			a.lines = append(a.lines, line)
		}
		return false
	})
	return a, err
}

// read gives each line to took until that says enough, or the time is over.
func (t *talk) read(ctx context.Context, deadline time.Time, took func(line string) (enough bool)) error {
	stop := context.AfterFunc(ctx, func() { _ = t.dev.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buf := make([]byte, 1024)
	for {
		if err := t.dev.SetReadDeadline(deadline); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		n, err := t.dev.Read(buf)
		for rest := buf[:n]; len(rest) > 0; {
			line, more, ok := t.split.Next(rest)
			if !ok {
				break
			}
			if took(line) {
				return nil
			}
			rest = more
		}
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return err
		}
	}
}

// quiet reads for d and drops what comes; it returns how many bytes that were.
func (t *talk) quiet(ctx context.Context, d time.Duration) (int, error) {
	stop := context.AfterFunc(ctx, func() { _ = t.dev.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := t.dev.SetReadDeadline(time.Now().Add(d)); err != nil {
		return 0, err
	}
	buf, total := make([]byte, 1024), 0
	for {
		n, err := t.dev.Read(buf)
		total += n
		switch {
		case ctx.Err() != nil:
			return total, context.Cause(ctx)
		case errors.Is(err, os.ErrDeadlineExceeded):
			t.split.Reset()
			return total, nil
		case err != nil:
			return total, err
		}
	}
}

package caller

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// The bounds of a script.
const (
	maxScript  = 64 << 10
	maxSteps   = 500
	maxTimeout = time.Hour
)

// Verb is what one step of a Script does.
type Verb string

// The verbs, as they stand in a script's text.
const (
	Expect Verb = "expect" // wait for Text
	Send   Verb = "send"   // type Text and Enter
	Secret Verb = "secret" // type Text, or the secret of the call when there is none, and Enter; never shown
	Raw    Verb = "raw"    // send Text without Enter
)

// Step is one thing that a caller does.
type Step struct {
	Verb Verb
	Text string
	// Line is where it stands in the script, from 1.
	Line int
}

// Script is a login as text, for calls without a person. One step stands on a line, a word and what it is about; empty lines and lines that
// begin with # are passed over. A text in double quotes is a Go string, so that "\x03" can be sent.
//
//	# the name that logs in; optional
//	user alice
//	# of each expect; a minute otherwise
//	timeout 30s
//	# a text that ends the login wherever it comes
//	abort BUSY
//	expect Username:
//	send alice
//	expect Password:
//	secret
type Script struct {
	// User is what `user` says, "" when it says nothing.
	User string
	// Steps are in order. Aborts are the texts of `abort`.
	Steps  []Step
	Aborts []string
	// Timeout is of each expect; 0 means a minute.
	Timeout time.Duration
}

// ErrAborted is what a Run that met a text of `abort` returns.
var ErrAborted = errors.New("the far end ended the login")

// ParseScript reads a script; name is the file's, for the errors, which hold every fault, one a line.
func ParseScript(name string, text []byte) (Script, error) {
	var s Script
	var faults []error
	fault := func(line int, format string, args ...any) {
		faults = append(faults, fmt.Errorf("%s:%d: "+format, append([]any{name, line}, args...)...))
	}
	if len(text) > maxScript {
		return s, fmt.Errorf("%s: the script is larger than %d bytes", name, maxScript)
	}
	line := 0
	for row := range strings.Lines(string(text)) {
		line++
		row = strings.TrimSpace(row)
		if row == "" || row[0] == '#' {
			continue
		}
		word, rest, _ := strings.Cut(row, " ")
		about, err := unquote(strings.TrimSpace(rest))
		if err != nil {
			fault(line, "%v", err)
			continue
		}
		if err := s.take(Verb(word), about, line); err != nil {
			fault(line, "%v", err)
		}
	}
	if len(s.Steps) == 0 && faults == nil {
		faults = append(faults, fmt.Errorf("%s: there is nothing to do: write expect, send or secret, one a line", name))
	}
	return s, errors.Join(faults...)
}

// take adds what one line says.
func (s *Script) take(word Verb, about string, line int) error {
	if about == "" && word != Secret && word != Send {
		return fmt.Errorf("%s needs a text", bounded(string(word)))
	}
	switch word {
	case Expect, Send, Secret, Raw:
		if len(s.Steps) == maxSteps {
			return fmt.Errorf("more than %d steps", maxSteps)
		}
		s.Steps = append(s.Steps, Step{Verb: word, Text: about, Line: line})
	case "user":
		s.User = about
	case "abort":
		s.Aborts = append(s.Aborts, about)
	case "timeout":
		d, err := time.ParseDuration(about)
		if err != nil || d <= 0 || d > maxTimeout {
			return fmt.Errorf("timeout %s is no time from 1ms to %v, such as 30s", bounded(about), maxTimeout)
		}
		s.Timeout = d
	default:
		return fmt.Errorf("%s is unknown: allowed are expect, send, secret, raw, user, abort, timeout", bounded(string(word)))
	}
	return nil
}

func unquote(text string) (string, error) {
	if !strings.HasPrefix(text, `"`) {
		return text, nil
	}
	plain, err := strconv.Unquote(text)
	if err != nil {
		return "", fmt.Errorf("%s is no text in double quotes", bounded(text))
	}
	return plain, nil
}

func bounded(text string) string {
	if len(text) > 40 {
		text = text[:40] + "..."
	}
	return strconv.Quote(text)
}

// Run does the steps on c. secret is what a `secret` without a text types; progress, which may be nil, is told each step before it is done, never a
// secret. Errors: *ExpectError, whose Got has the secrets that the far end echoed taken out, ErrAborted, or why sending failed, with the step's line.
func (s Script) Run(ctx context.Context, c *Caller, secret []byte, progress func(step string)) error {
	if progress == nil {
		progress = func(string) {}
	}
	for _, step := range s.Steps {
		var err error
		switch step.Verb {
		case Expect:
			progress("waiting for " + strconv.Quote(step.Text))
			err = s.expect(ctx, c, step.Text)
		case Send:
			progress("sending " + strconv.Quote(step.Text))
			err = c.Send(step.Text)
		case Raw:
			progress("sending " + strconv.Quote(step.Text))
			err = c.SendRaw([]byte(step.Text))
		case Secret:
			progress("sending the secret")
			err = c.SendRaw(append(step.secret(secret), '\r'))
		}
		if e := (*ExpectError)(nil); errors.As(err, &e) {
			e.Got = s.hide(e.Got, string(secret))
		}
		if err != nil {
			return fmt.Errorf("line %d of the script: %w", step.Line, err)
		}
	}
	return nil
}

// secret is what a step of that verb types, in memory of its own.
func (s Step) secret(given []byte) []byte {
	if s.Text != "" {
		return []byte(s.Text)
	}
	return append([]byte(nil), given...)
}

// hidden stands for a secret, and shortestCut is the least of one, in bytes, that is told from chance at an end of a text.
const (
	hidden      = "(secret)"
	shortestCut = 3
)

// hide takes the secrets out of the end of what came.
func (s Script) hide(got, secret string) string {
	secrets := []string{secret}
	for _, step := range s.Steps {
		if step.Verb == Secret {
			secrets = append(secrets, step.Text)
		}
	}
	for _, secret := range secrets {
		if secret != "" {
			got = strings.ReplaceAll(got, secret, hidden)
		}
	}
	for _, secret := range secrets {
		got = hideCut(got, secret)
	}
	return got
}

// hideCut takes out of got what it has of a secret whose rest was cut off in front, or has not come yet.
func hideCut(got, secret string) string {
	if len(got) >= shortestCut && strings.Contains(secret, got) {
		return hidden
	}
	for n := min(len(secret), len(got)); n >= shortestCut; n-- {
		if strings.HasPrefix(got, secret[len(secret)-n:]) {
			got = hidden + got[n:]
			break
		}
	}
	for n := min(len(secret), len(got)); n >= shortestCut; n-- {
		if strings.HasSuffix(got, secret[:n]) {
			return got[:len(got)-n] + hidden
		}
	}
	return got
}

func (s Script) expect(ctx context.Context, c *Caller, text string) error {
	limit := s.Timeout
	if limit == 0 {
		limit = time.Minute
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("waited %v", limit))
	defer cancel()
	i, _, err := c.ExpectAny(ctx, append([]string{text}, s.Aborts...)...)
	if err == nil && i > 0 {
		return fmt.Errorf("%w: it said %s", ErrAborted, bounded(s.Aborts[i-1]))
	}
	return err
}

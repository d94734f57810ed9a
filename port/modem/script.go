package modem

import (
	"fmt"
	"strings"
	"time"
)

// DefaultTimeout is how long a command may take when its step names no time.
const DefaultTimeout = 5 * time.Second

// Step is one command of a Script and the answer it must get.
type Step struct {
	// Send is the command; CR is added unless Raw.
	Send string
	Raw  bool
	// Expect is the result awaited, "" is OK. A word that is no result, such as VCON, is met by a line that starts with it.
	Expect string
	// NoReply goes on after Delay without an answer.
	NoReply bool
	// Optional goes on when the answer is a refusal or does not come.
	Optional bool
	// Alternative skips the step when the one before it had success, or was itself skipped: the first that works counts.
	Alternative bool
	// Timeout is how long the answer may take, 0 is DefaultTimeout. Delay is kept after it.
	Timeout, Delay time.Duration
}

// ActionKind is what a Script wants done.
type ActionKind int

// The kinds of action.
const (
	Keep   ActionKind = iota // nothing: keep reading, leave the timer
	Send                     // write Action.Send, then set the timer to Action.Timeout
	Pause                    // set the timer to Action.Timeout
	Done                     // every step is done
	Failed                   // a required step failed: Action.Err
)

// Action is what a Script wants done next.
type Action struct {
	Kind    ActionKind
	Send    []byte
	Timeout time.Duration
	Err     error // a *StepError, with Failed
}

// StepError names the step that failed.
type StepError struct {
	Step Step
	// Index counts from 0, Of is how many steps there are.
	Index, Of int
	// Answer is what came instead; kind None when nothing did.
	Answer Result
}

// Error names the command, its place and what came instead.
func (e *StepError) Error() string {
	what := fmt.Sprintf("no %s within %s", e.Step.expect(), e.Step.timeout())
	if e.Answer.Kind != None {
		what = "the modem answered " + e.Answer.Text
	}
	return fmt.Sprintf("modem command %q (%d of %d): %s", e.Step.Send, e.Index+1, e.Of, what)
}

func (s Step) expect() string {
	if s.Expect == "" {
		return "OK"
	}
	return s.Expect
}

func (s Step) timeout() time.Duration {
	if s.Timeout <= 0 {
		return DefaultTimeout
	}
	return s.Timeout
}

// Script runs commands one after the other, without I/O or clock of its own: write what an Action says, set the one timer to its
// Timeout, hand in each Result and each expiry.
type Script struct {
	Steps []Step

	i       int
	pausing bool
	worked  bool // the last step had success
	refused []*StepError
}

// Start begins at the first step, also a second time.
func (s *Script) Start() Action {
	*s = Script{Steps: s.Steps}
	return s.send()
}

// Current is the step in progress; the zero Step when the script is over.
func (s *Script) Current() Step {
	if s.i >= len(s.Steps) {
		return Step{}
	}
	return s.Steps[s.i]
}

// Waiting says that the step in progress waits for an answer.
func (s *Script) Waiting() bool { return s.i < len(s.Steps) && !s.pausing && !s.Steps[s.i].NoReply }

// Refused are the optional steps that failed so far.
func (s *Script) Refused() []*StepError { return s.refused }

// OnResult takes what the modem said. RING, information and results that do not answer the step change nothing.
func (s *Script) OnResult(r Result) Action {
	if s.i >= len(s.Steps) || s.pausing {
		return Action{}
	}
	st := s.Steps[s.i]
	switch {
	case st.NoReply:
		return Action{}
	case st.met(r):
		s.worked = true
		return s.pause(st)
	case r.Kind == Error, r.Kind.Failed() && ParseResult(st.expect()).Kind != OK:
		return s.fail(r)
	}
	return Action{}
}

// OnTimeout takes the expiry of the timer.
func (s *Script) OnTimeout() Action {
	switch {
	case s.i >= len(s.Steps):
		return Action{Kind: Done}
	case s.pausing:
		return s.advance()
	case s.Steps[s.i].NoReply:
		s.worked = true
		return s.advance()
	}
	return s.fail(Result{})
}

// met says that r is the answer that the step waits for.
func (s Step) met(r Result) bool {
	want := ParseResult(s.expect())
	if want.Kind == None {
		return r.Text != "" && strings.HasPrefix(r.Text, want.Text)
	}
	return r.Kind == want.Kind
}

func (s *Script) fail(r Result) Action {
	st := s.Steps[s.i]
	err := &StepError{Step: st, Index: s.i, Of: len(s.Steps), Answer: r}
	if !st.Optional {
		s.i = len(s.Steps)
		return Action{Kind: Failed, Err: err}
	}
	s.worked = false
	s.refused = append(s.refused, err)
	return s.pause(st)
}

// pause keeps the step's delay, if it has one.
func (s *Script) pause(st Step) Action {
	if st.Delay <= 0 {
		return s.advance()
	}
	s.pausing = true
	return Action{Kind: Pause, Timeout: st.Delay}
}

func (s *Script) advance() Action {
	s.pausing = false
	s.i++
	for s.i < len(s.Steps) && s.Steps[s.i].Alternative && s.worked {
		s.i++
	}
	return s.send()
}

func (s *Script) send() Action {
	if s.i >= len(s.Steps) {
		return Action{Kind: Done}
	}
	st := s.Steps[s.i]
	a := Action{Kind: Send, Send: []byte(st.Send), Timeout: st.timeout()}
	if !st.Raw {
		a.Send = append(a.Send, '\r')
	}
	if st.NoReply {
		a.Timeout = st.Delay
	}
	return a
}

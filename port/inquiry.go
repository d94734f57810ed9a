package port

import (
	"strings"
	"time"

	"rashost/hardware"
	"rashost/port/modem"
)

// Identification is what a modem says of itself, and the profile that fits.
type Identification struct {
	// Profile is the one that fits best; hardware.Fallback when none does.
	Profile hardware.Profile
	// Score is the sum of the weights that fit, 100 and more is beyond doubt, 0 goes with the fallback.
	Score int
	// Why says in one line what decided. What the modem said is in it quoted and bounded.
	Why string
	// Answers are all that the modem said, in the order in which it was asked.
	Answers []Answer
}

// Answer is what a modem said to a question.
type Answer struct {
	Query string `json:"query"`
	// Text is its lines without the result, printable ASCII, joined by "\n"; "" when it refused or said nothing.
	Text string `json:"text"`
}

// The bounds of an identification.
const (
	attentionTime  = time.Second      // how long a modem may take to answer AT
	queryTime      = 2 * time.Second  // and a question
	inquiryTime    = 20 * time.Second // all questions together
	certain        = 100              // the score at which nothing more is asked
	maxSilent      = 2                // questions without any answer, after which nothing more is asked
	maxInquiryText = 2000             // bytes of one answer
)

// inquiry asks a modem what it is: first for attention, then, never before E0 V1, one question after the other until the answers decide.
// It does no I/O: a Script runs its steps, one list at a time.
type inquiry struct {
	profiles []hardware.Profile
	ask      []string // what is still to be asked, the one in progress first
	started  bool     // attention was given
	answers  []Answer
	text     strings.Builder // the answer in progress
	silent   int
	until    time.Time
	short    string // why not all was asked; "" when all was, or the answers decide
}

func newInquiry(profiles []hardware.Profile, limit time.Duration) *inquiry {
	return &inquiry{profiles: profiles, ask: hardware.Queries(profiles), until: time.Now().Add(limit)}
}

// attention are the commands that lead to a modem that answers in words and without echo. Each may be refused: the first can be lost in
// a modem that learns the speed from it, and one that has been told to be silent hears Q0 only.
func attention() []modem.Step {
	var steps []modem.Step
	for _, send := range []string{"AT", "ATQ0", "ATE0", "ATV1"} {
		steps = append(steps, modem.Step{Send: send, Optional: true, Timeout: attentionTime})
	}
	return steps
}

// answered says whether a modem answered any of the steps, if only by a refusal.
func answered(steps int, refused []*modem.StepError) bool {
	for _, r := range refused {
		if r.Answer.Kind == modem.None {
			steps--
		}
	}
	return steps > 0
}

// next is the next question as a script, nil when there is none.
func (q *inquiry) next() []modem.Step {
	if q.short == "" && len(q.ask) > 0 && time.Now().After(q.until) {
		q.short = "the answers took too long"
	}
	if len(q.ask) == 0 || q.short != "" {
		return nil
	}
	q.started = true
	q.text.Reset()
	return []modem.Step{{Send: q.ask[0], Optional: true, Timeout: queryTime}}
}

// line takes a line that the modem says while it is asked.
func (q *inquiry) line(text string) {
	if !q.started || text == "" || len(q.ask) == 0 || text == q.ask[0] || q.text.Len()+len(text) >= maxInquiryText {
		return
	}
	if q.text.Len() > 0 {
		q.text.WriteByte('\n')
	}
	q.text.WriteString(text)
}

// over ends a question.
func (q *inquiry) over(refused []*modem.StepError) {
	if len(q.ask) == 0 {
		return
	}
	a := Answer{Query: q.ask[0], Text: q.text.String()}
	q.ask = q.ask[1:]
	if len(refused) > 0 {
		if refused[0].Answer.Kind == modem.None {
			q.silent++
		}
		a.Text = ""
	}
	q.answers = append(q.answers, a)
	switch {
	case q.silent >= maxSilent:
		q.short = "the modem does not answer all questions"
	case q.result().Score >= certain:
		q.ask = nil
	}
}

// result is what the answers say so far.
func (q *inquiry) result() Identification {
	said := make(map[string]string, len(q.answers))
	for _, a := range q.answers {
		if a.Text != "" {
			said[a.Query] = a.Text
		}
	}
	r := hardware.Recognise(q.profiles, said)
	id := Identification{Profile: r.Profile, Score: r.Score, Why: r.Why, Answers: q.answers}
	if q.short != "" {
		id.Why += " (not all was asked: " + q.short + ")"
	}
	return id
}

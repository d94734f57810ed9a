// Package doctor examines the device and the modem of one line, without a call: it asks, changes one thing, and looks whether what must
// follow does follow. `rashost doctor` runs it, and then makes a call.
package doctor

import (
	"fmt"
	"time"
)

// Verdict is what one check, or all of them, found.
type Verdict string

// The verdicts, from good to bad.
const (
	Good     Verdict = "good"       // proven
	Untested Verdict = "not tested" // it could not be tried, and Text says why
	Doubtful Verdict = "doubtful"   // it works by half, or may
	Bad      Verdict = "bad"        // it does not work
)

// Finding is what one check found.
type Finding struct {
	// Check is the check's name.
	Check   string  `json:"check"`
	Verdict Verdict `json:"verdict"`
	// Text says what was found, in plain words; Advice what to do about it, "" for nothing.
	Text   string `json:"text"`
	Advice string `json:"advice"`
	// Evidence is what was sent and what came, in order, quoted and bounded.
	Evidence []string `json:"evidence"`
}

// Report is what was found of one line.
type Report struct {
	Line   string    `json:"line"`
	Device string    `json:"device"`
	Modem  string    `json:"modem"`
	At     time.Time `json:"at"`
	// Seconds is how long it took.
	Seconds int `json:"seconds"`
	// Verdict is the worst of Findings; Untested ones do not count. Summary says it in one sentence.
	Verdict  Verdict   `json:"verdict"`
	Summary  string    `json:"summary"`
	Findings []Finding `json:"findings"`
}

// Conclude fills Verdict and Summary.
func (r *Report) Conclude() {
	count := map[Verdict]int{}
	first := map[Verdict]string{}
	for _, f := range r.Findings {
		if count[f.Verdict]++; count[f.Verdict] == 1 {
			first[f.Verdict] = f.Check
		}
	}
	switch {
	case count[Bad] > 0:
		r.Verdict = Bad
		r.Summary = fmt.Sprintf("line %s does not work as it must: %d of %s failed, first %s", r.Line, count[Bad], checksText(len(r.Findings)), first[Bad])
	case count[Doubtful] > 0:
		r.Verdict = Doubtful
		r.Summary = fmt.Sprintf("line %s works, with doubts: see %s", r.Line, first[Doubtful])
	case count[Good] == 0:
		r.Verdict, r.Summary = Untested, fmt.Sprintf("nothing of line %s could be tested", r.Line)
	case count[Good] == 1 && first[Good] == signalsCheck:
		r.Verdict, r.Summary = Untested, fmt.Sprintf("it is not proven that line %s works: nothing but its control signals was looked at", r.Line)
	case count[Good] == 1:
		r.Verdict, r.Summary = Good, fmt.Sprintf("line %s works: 1 check is good", r.Line)
	default:
		r.Verdict, r.Summary = Good, fmt.Sprintf("line %s works: %d checks are good", r.Line, count[Good])
	}
	if n := count[Untested]; n > 0 && count[Good] > 0 {
		r.Summary += fmt.Sprintf("; %d could not be tested", n)
	}
}

// checksText is a number of checks.
func checksText(n int) string {
	if n == 1 {
		return "1 check"
	}
	return fmt.Sprintf("%d checks", n)
}

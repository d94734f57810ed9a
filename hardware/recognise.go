package hardware

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Fallback is the profile of a modem that fits no other.
const Fallback = "generic"

// Queries returns what may be asked of a modem that is not known: each Match.Query of the profiles once, the harmless and common ones first.
// They are for a modem that has been told E0 V1.
func Queries(profiles []Profile) []string {
	first := []string{"ATI0", "ATI3", "ATI4", "ATI6", "ATI7", "ATI9", "AT+GMI", "AT+GMM", "AT+GMR", "AT+FMI?", "AT+FMM?"}
	asked := map[string]bool{}
	for _, p := range profiles {
		for _, m := range p.Match {
			asked[m.Query] = true
		}
	}
	all := make([]string, 0, len(asked))
	for q := range asked {
		all = append(all, q)
	}
	rank := func(q string) int {
		if i := slices.Index(first, q); i >= 0 {
			return i
		}
		return len(first)
	}
	slices.SortFunc(all, func(a, b string) int {
		if d := rank(a) - rank(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	return all
}

// Recognition is how well a profile fits a modem.
type Recognition struct {
	Profile Profile
	// Score is the sum of the weights that fit; 0 with the fallback.
	Score int
	// Why names each answer that fits: "ATI3 says \\"Courier\\"; ...". The text is the modem's, quoted and cut to 60 bytes.
	Why string
	// Tied are the names of other profiles that fit as well, which Why names too.
	Tied []string
}

// Recognise returns the profile that fits the answers best; answers has a modem's lines by query, joined by "\n". Of equals the first by
// name wins; when nothing fits it is the profile Fallback, or the zero Profile if that is not among them.
func Recognise(profiles []Profile, answers map[string]string) Recognition {
	var best Recognition
	for _, p := range profiles {
		r := Recognition{Profile: p}
		var why []string
		for _, m := range p.Match {
			answer, asked := answers[m.Query]
			re, err := regexp.Compile(m.Pattern)
			if !asked || err != nil {
				continue
			}
			if at := re.FindStringIndex(answer); at != nil {
				r.Score += m.weight()
				why = append(why, fmt.Sprintf("%s says %.60q", m.Query, lineAround(answer, at)))
			}
		}
		r.Why = strings.Join(why, "; ")
		switch {
		case r.Score == 0 || r.Score < best.Score:
		case r.Score > best.Score:
			best = r
		case p.Name < best.Profile.Name:
			r.Tied = append(best.Tied, best.Profile.Name)
			best = r
		default:
			best.Tied = append(best.Tied, p.Name)
		}
	}
	if len(best.Tied) > 0 {
		slices.Sort(best.Tied)
		best.Why += "; " + strings.Join(best.Tied, ", ") + " would fit as well"
	}
	if best.Score > 0 {
		return best
	}
	best.Why = "nothing that the modem says of itself fits a known family"
	for _, p := range profiles {
		if p.Name == Fallback {
			best.Profile = p
		}
	}
	return best
}

// lineAround is the line of text in which a match begins.
func lineAround(text string, at []int) string {
	from := strings.LastIndexByte(text[:at[0]], '\n') + 1
	line, _, _ := strings.Cut(text[from:], "\n")
	return strings.TrimSpace(line)
}

func (m Match) weight() int {
	if m.Weight == 0 {
		return 50
	}
	return m.Weight
}

package hardware

import "fmt"

// Fact is one thing that a profile claims of its family.
type Fact struct {
	// Key is where it stands: init[2], match[0], traps[1].
	Key string
	// Text is the command, the question, the reply or the trap.
	Text string
	// Source names where it is known from; Unverified: nowhere.
	Source     string
	Unverified bool
}

// Facts are all that a profile claims and gives a source for, or marks as unverified, in the order of the file's documentation.
func (p *Profile) Facts() []Fact {
	var all []Fact
	add := func(key, text, source string, unverified bool) {
		if text != "" {
			all = append(all, Fact{key, text, source, unverified})
		}
	}
	steps := func(key string, from []Step) {
		for i, s := range from {
			add(fmt.Sprintf("%s[%d]", key, i), s.Send, s.Source, s.Unverified)
		}
	}
	steps("init", p.Init)
	steps("caller_id.enable", p.CallerID.Enable)
	steps("recover", p.Recover)
	steps("diagnostics", p.Diagnostics)
	add("off_hook", p.OffHook.Send, p.OffHook.Source, p.OffHook.Unverified)
	add("distinctive_ring", p.DistinctiveRing.Send, p.DistinctiveRing.Source, p.DistinctiveRing.Unverified)
	if !p.Direct {
		add("answer", p.Answer.Command, p.Answer.Source, p.Answer.Unverified)
		add("hangup", p.Hangup.Command, p.Hangup.Source, p.Hangup.Unverified)
		add("reset", p.Reset.Command, p.Reset.Source, p.Reset.Unverified)
	}
	for i, m := range p.Match {
		add(fmt.Sprintf("match[%d]", i), m.Query, m.Source, m.Unverified)
	}
	for i, r := range p.ReadBack {
		add(fmt.Sprintf("read_back[%d]", i), r.Query, r.Source, r.Unverified)
	}
	for i, r := range p.Replies {
		add(fmt.Sprintf("replies[%d]", i), r.Text, r.Source, r.Unverified)
	}
	for i, t := range p.Traps {
		add(fmt.Sprintf("traps[%d]", i), t.Text, t.Source, t.Unverified)
	}
	if len(p.ResultCodes) > 0 {
		add("result_codes", fmt.Sprintf("results beyond 0 to 8: %d", len(p.ResultCodes)), p.ResultCodesSource, p.ResultCodesUnverified)
	}
	return all
}

package port

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"rashost/port/modem"
)

func number(n string) modem.CallerID { return modem.CallerID{Number: n, Status: modem.Present} }

func TestMatchNumber(t *testing.T) {
	for _, c := range []struct {
		pattern, number string
		want            bool
	}{
		{"0512*", "0512345", true},
		{"0512*", "0512", true},
		{"0512*", "10512", false},
		{"0512*", "051", false},
		{"0512*", "05 12-34", true}, // a telephone network may write what it likes
		{"(05) 12-*", "0512345", true},
		{"+49 512*", "49512345", true},
		{"49512*", "+49512345", true},
		{"0049512*", "+49512345", false}, // another number, as far as digits go
		{"055512?", "0555123", true},
		{"055512?", "055512", false},
		{"055512?", "05551234", false},
		{"*99", "12399", true},
		{"*99", "99", true},
		{"1*2*3", "1923", true},
		{"1*2*3", "1933", false},
		{"*", "5", true},
		{"*", "", false},
		{"*", "*#", false}, // no digit: no number
		{"?", "#7", true},
		{"", "", false},
		{"1*1*1*1*1*1*1*1*1*1*1*1*1*1*1*1*2", strings.Repeat("1", 64), false},
	} {
		if got := MatchNumber(c.pattern, c.number); got != c.want {
			t.Errorf("%q, %q: %v", c.pattern, c.number, got)
		}
	}
}

func TestMatchRing(t *testing.T) {
	for _, c := range []struct {
		pattern, ring string
		want          bool
	}{
		{"B", "B", true}, {"b", "B", true}, {"RING B", "B", true}, {"B", "RING B", true}, {"B", "A", false}, {"B", "", false}, {"*", "", false},
		{"2", "2", true}, {"on 20 off 40", "on 20  off 40", true}, {"on 2? off *", "on 21 off 39", true}, {"on 2? off *", "on 8 off 8", false},
		{"on 20 off 40", "on 20 off 40 on 20 off 40", true}, {"on 2", "on 20 off 40", false}, {"B", "B C", false}, {"on 20 off 4", "on 20 off 40 on 20", false},
		{"DN2", "DN2", true}, {"RING", "A", false},
	} {
		if got := MatchRing(c.pattern, c.ring); got != c.want {
			t.Errorf("%q, %q: %v", c.pattern, c.ring, got)
		}
	}
}

func rules(texts ...string) (all []CallerRule) {
	for _, text := range texts {
		verb, who, _ := strings.Cut(text, " ")
		all = append(all, CallerRule{Allow: verb == "allow", Caller: who})
	}
	return all
}

func TestPolicyJudges(t *testing.T) {
	withheld, outOfArea := modem.CallerID{Status: modem.Withheld}, modem.CallerID{Status: modem.OutOfArea}
	unreadable, contradictory := modem.CallerID{Status: modem.Unreadable}, modem.CallerID{Status: modem.Contradictory}
	const answered = ""
	for name, c := range map[string]struct {
		policy Policy
		id     modem.CallerID
		why    string
	}{
		"no policy":                   {Policy{}, modem.CallerID{}, answered},
		"first match allows":          {Policy{Rules: rules("allow 0512*", "deny *")}, number("05123"), answered},
		"first match denies":          {Policy{Rules: rules("deny 0512*", "allow any")}, number("05123"), "caller id rule 1: deny 0512*"},
		"the second rule":             {Policy{Rules: rules("allow 07*", "deny 0512*")}, number("05123"), "caller id rule 2: deny 0512*"},
		"default deny":                {Policy{Rules: rules("allow 0512*")}, number("0999"), "no caller id rule allows it (the number is present)"},
		"deny rules alone deny all":   {Policy{Rules: rules("deny 1*")}, number("2"), "no caller id rule allows it"},
		"withheld is not absent":      {Policy{Rules: rules("allow absent")}, withheld, "no caller id rule allows it (the number is withheld)"},
		"absent is not withheld":      {Policy{Rules: rules("allow withheld")}, modem.CallerID{}, "no caller id rule allows it (the number is absent)"},
		"out of area is not withheld": {Policy{Rules: rules("deny withheld", "allow out-of-area")}, outOfArea, answered},
		"out of area is not absent":   {Policy{Rules: rules("deny absent", "allow any")}, outOfArea, answered},
		"withheld by its rule":        {Policy{Rules: rules("deny withheld", "allow any")}, withheld, "caller id rule 1: deny withheld"},
		"* is a number":               {Policy{Rules: rules("allow *")}, withheld, "no caller id rule allows it (the number is withheld)"},
		"any is anybody":              {Policy{Rules: rules("deny 1*", "allow any")}, modem.CallerID{}, answered},
		"require: absent":             {Policy{RequireCallerID: true}, modem.CallerID{}, "no caller id came, and caller_id.require is set"},
		"require: withheld":           {Policy{RequireCallerID: true}, withheld, answered},
		"require: present":            {Policy{RequireCallerID: true}, number("1"), answered},
		"require: signs, no digit":    {Policy{RequireCallerID: true}, number("*#"), "the caller's number is unreadable"},
		"require: contradictory":      {Policy{RequireCallerID: true, Rules: rules("allow unclear")}, contradictory, "the caller's number is contradictory"},
		"any is none who is unclear":  {Policy{Rules: rules("deny 0900*", "allow any")}, unreadable, "no caller id rule allows it (the number is unreadable)"},
		"nor one who contradicts":     {Policy{Rules: rules("deny 0900*", "allow any")}, contradictory, "no caller id rule allows it (the number is contradictory)"},
		"unclear is not absent":       {Policy{Rules: rules("allow absent", "allow withheld")}, contradictory, "no caller id rule allows it"},
		"absent is not unclear":       {Policy{Rules: rules("deny unclear", "allow any")}, modem.CallerID{}, answered},
		"unclear by its rule":         {Policy{Rules: rules("allow unclear")}, unreadable, answered},
		"no rule answers the unclear": {Policy{}, contradictory, answered},
		"require before rules":        {Policy{RequireCallerID: true, Rules: rules("allow absent")}, modem.CallerID{}, "no caller id came"},
		"a name is no number":         {Policy{Rules: rules("allow *")}, modem.CallerID{Name: "0512"}, "no caller id rule allows it"},
		"punctuation fools nobody":    {Policy{Rules: rules("deny 0512*", "allow any")}, number("+05-12 3"), "caller id rule 1"},
	} {
		if got := c.policy.Judge(c.id); (c.why == answered) != (got == answered) || !strings.Contains(got, c.why) {
			t.Errorf("%s: %q, want %q", name, got, c.why)
		}
	}
}

func TestPolicyNeedsCallerID(t *testing.T) {
	for _, c := range []struct {
		policy Policy
		want   bool
	}{
		{Policy{}, false}, {Policy{Armed: true}, false}, {Policy{RequireCallerID: true}, true}, {Policy{Rules: rules("allow any")}, false},
		{Policy{Rules: rules("deny any", "allow 1")}, false}, {Policy{Rules: rules("deny absent", "allow any")}, true}, {Policy{Rules: rules("allow 1*")}, true},
	} {
		if got := c.policy.NeedsCallerID(); got != c.want {
			t.Errorf("%+v: %v", c.policy, got)
		}
	}
}

// TestPolicyRings: the decision comes at the required ring, once, by what was known then.
func TestPolicyRings(t *testing.T) {
	for name, c := range map[string]struct {
		rings  int
		policy Policy
		say    []string // with a second between
		why    string   // "" for answered
		rung   int      // rings at the decision
	}{
		"between the rings":               {2, Policy{Rules: rules("allow 555*")}, []string{"RING", "NMBR=5551234", "RING"}, "", 2},
		"before the first ring":           {1, Policy{Rules: rules("allow 555*")}, []string{"NMBR=5551234", "RING"}, "", 1},
		"known early, answered in time":   {3, Policy{Rules: rules("allow 555*")}, []string{"NMBR=5551234", "RING", "RING", "RING"}, "", 3},
		"too late":                        {1, Policy{RequireCallerID: true}, []string{"RING", "NMBR=5551234", "RING", "RING"}, "no caller id came", 1},
		"too late to be denied":           {1, Policy{Rules: rules("deny 555*", "allow any")}, []string{"RING", "NMBR=5551234"}, "", 1},
		"denied":                          {2, Policy{Rules: rules("deny 555*", "allow any")}, []string{"RING", "NMBR=5551234", "RING", "RING", "RING"}, "rule 1: deny 555*", 2},
		"withheld":                        {2, Policy{Rules: rules("deny withheld", "allow any")}, []string{"RING", "NMBR=P", "RING"}, "rule 1: deny withheld", 2},
		"the letter O":                    {2, Policy{Rules: rules("deny withheld", "allow any")}, []string{"RING", "NMBR=O", "RING"}, "", 2},
		"a name with a line end":          {2, Policy{Rules: rules("deny 666*", "allow 555*")}, []string{"RING", "NMBR = 6661234", "NAME = EVE\r\nNMBR = 5551234", "RING"}, "the number is contradictory", 2},
		"forged where it is withheld":     {2, Policy{Rules: rules("allow 555*")}, []string{"RING", "NMBR = P", "NAME = EVE\r\nNMBR = 5551234", "RING"}, "the number is contradictory", 2},
		"a sign that no number has":       {2, Policy{Rules: rules("deny 0900*", "allow any")}, []string{"RING", "NMBR = 0900123E", "RING"}, "the number is unreadable", 2},
		"the same at each ring":           {3, Policy{Rules: rules("allow 555*")}, []string{"RING", "NMBR = 5551234", "RING", "NMBR = 555-1234", "NAME = ANNA", "RING"}, "", 3},
		"a second number does not reopen": {1, Policy{Rules: rules("allow 1*")}, []string{"NMBR=2", "RING", "NMBR=1", "RING", "RING"}, "no caller id rule allows it", 1},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, FakeOptions{}, func(r *rig) { r.cfg.Rings, r.cfg.Policy = c.rings, c.policy }, func(r *rig) {
				r.within(time.Second, Listening)
				for _, text := range c.say {
					r.say("\r\n" + text + "\r\n")
					time.Sleep(time.Second)
				}
				away := r.turnedAway()
				if c.why == "" {
					if s := r.snap(); s.State != Dialog || len(away) != 0 || r.begun[0].Rings != c.rung {
						t.Fatalf("%s, %d turned away", s.State, len(away))
					}
					return
				}
				if len(away) != 1 || !strings.Contains(away[0].why, c.why) || away[0].c.Rings != c.rung || r.calls() != 0 {
					t.Fatalf("%+v", away)
				}
				for _, command := range r.modem.said() {
					if command == "ATA" {
						t.Error("the call was answered")
					}
				}
				r.within(ringGap+time.Second, Listening)
				if s := r.snap(); s.Missed != 1 {
					t.Errorf("%d missed", s.Missed)
				}
			})
		})
	}
}

// TestPolicyNextCall: a call that was turned away says nothing of the next one.
func TestPolicyNextCall(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { r.cfg.Rings, r.cfg.Policy = 2, Policy{Rules: rules("allow 1*")} }, func(r *rig) {
		r.within(time.Second, Listening)
		r.say("\r\nRING\r\nNMBR=2\r\n\r\nRING\r\n")
		if len(r.turnedAway()) != 1 {
			t.Fatal("answered")
		}
		r.within(ringGap+time.Second, Listening)
		r.say("\r\nRING\r\n")
		time.Sleep(time.Second)
		r.say("\r\nRING\r\n") // without a number
		if away := r.turnedAway(); len(away) != 2 || !strings.Contains(away[1].why, "the number is absent") || away[0].c.ID == away[1].c.ID {
			t.Fatalf("%+v", away)
		}
		r.within(ringGap+time.Second, Listening)
		r.say("\r\nRING\r\nNMBR=1\r\n\r\nRING\r\n")
		r.within(time.Second, Dialog)
	})
}

// TestPolicyEarlierCaller: who gave up lends his number to nobody, also where the next call comes so soon that its RING counts on.
func TestPolicyEarlierCaller(t *testing.T) {
	for name, c := range map[string]struct {
		gap  time.Duration
		next string
		why  string
	}{
		"withheld, at once":           {3 * time.Second, "NMBR = P", "the number is contradictory"},
		"withheld":                    {9 * time.Second, "NMBR = P", "the number is withheld"},
		"nothing known":               {9 * time.Second, "", "the number is absent"},
		"nothing known, another call": {12 * time.Second, "", "the number is absent"},
		"slow cadence":                {idGap - time.Millisecond, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, FakeOptions{}, func(r *rig) { r.cfg.Rings, r.cfg.Policy = 3, Policy{Rules: rules("allow 555*")} }, func(r *rig) {
				r.within(time.Second, Listening)
				r.say("\r\nRING\r\n")
				time.Sleep(2500 * time.Millisecond)
				r.say("\r\nNMBR = 5551234\r\n")
				time.Sleep(c.gap - 2500*time.Millisecond)
				for range 3 {
					r.say("\r\nRING\r\n\r\n" + c.next + "\r\n")
					time.Sleep(5 * time.Second)
				}
				switch away := r.turnedAway(); {
				case c.why == "" && (len(away) > 0 || r.calls() != 1):
					t.Errorf("%d turned away", len(away))
				case c.why != "" && (len(away) != 1 || r.calls() != 0 || !strings.Contains(away[0].why, c.why)):
					t.Errorf("%d answered, %+v turned away", r.calls(), away)
				}
			})
		})
	}
}

// TestPolicyEarlierCallerBeforeTheRing: the same where the number comes before the first RING.
func TestPolicyEarlierCallerBeforeTheRing(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { r.cfg.Policy = Policy{Rules: rules("allow 555*", "allow 777*")} }, func(r *rig) {
		r.within(time.Second, Listening)
		r.say("\r\nNMBR = 5551234\r\n") // and no RING: gave up
		time.Sleep(idGap)
		r.say("\r\nRING\r\n")
		if away := r.turnedAway(); len(away) != 1 || !strings.Contains(away[0].why, "absent") {
			t.Fatalf("%+v", away)
		}
		r.within(ringGap+time.Second, Listening)
		r.say("\r\nNMBR = 5551234\r\n")
		time.Sleep(idGap)
		r.say("\r\nNMBR = 7771234\r\n\r\nRING\r\n")
		r.within(time.Second, Dialog)
		if id := r.begun[0].CallerID; id.Number != "7771234" || id.Conflict != "" {
			t.Errorf("%+v", id)
		}
	})
}

// TestPolicyUnclearIsTold: a call that is answered in spite of it says what came.
func TestPolicyUnclearIsTold(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { r.cfg.Rings = 2 }, func(r *rig) {
		r.within(time.Second, Listening)
		r.say("\r\nRING\r\n\r\nNMBR = 6661234\r\nNAME = EVE\r\nNMBR = 5551234\r\n\r\nRING\r\n")
		r.within(time.Second, Dialog)
		r.far.SetDCD(false)
		r.within(30*time.Second, Listening)
		const want = `caller id not believed (number 6661234 and number 5551234): the modem said "NMBR = 6661234", "NAME = EVE", "NMBR = 5551234"`
		if steps := stepsText(r.lastEnd()); !strings.Contains(steps, want) {
			t.Errorf("the steps lack %s:\n%s", want, steps)
		}
	})
}

// TestPolicyArmed: a line that answers only while armed.
func TestPolicyArmed(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) { r.cfg.Policy.Armed = true }, func(r *rig) {
		r.within(time.Second, Listening)
		r.say("\r\nRING\r\n")
		if away := r.turnedAway(); len(away) != 1 || !strings.Contains(away[0].why, "not armed") {
			t.Fatalf("%+v", away)
		}
		r.arm(true)
		r.say("\r\nRING\r\n") // decided already
		r.stays(time.Second, Ringing)
		r.within(ringGap, Listening)
		r.ring()
		r.arm(false)
		r.stays(time.Minute, Dialog) // a call in progress is not cut
	})
}

// TestPolicyArmedDirect: an unarmed direct line leaves whoever comes alone, and begins no call for what came before it was armed.
func TestPolicyArmedDirect(t *testing.T) {
	t.Run("carrier", func(t *testing.T) {
		bubble(t, FakeOptions{}, func(r *rig) { r.cfg.Profile, r.cfg.Policy.Armed = nil, true }, func(r *rig) {
			r.within(time.Second, Listening)
			r.far.SetDCD(true)
			r.stays(time.Minute, Listening)
			r.arm(true)
			r.stays(time.Minute, Listening)
			r.far.SetDCD(false)
			time.Sleep(time.Second)
			r.far.SetDCD(true)
			r.within(time.Second, Dialog)
			if away := r.turnedAway(); len(away) != 1 {
				t.Errorf("%d turned away", len(away))
			}
			r.far.SetDCD(false)
			r.within(5*time.Second, Listening)
		})
	})
	t.Run("bytes", func(t *testing.T) {
		bubble(t, FakeOptions{NoSignals: true}, func(r *rig) { r.cfg.Profile, r.cfg.Policy.Armed = nil, true }, func(r *rig) {
			r.within(time.Second, Listening)
			for range 100 {
				r.say("hello\r")
				r.stays(time.Second, Listening)
			}
			r.stays(ringGap, Listening)
			r.say("x")
			if away := r.turnedAway(); len(away) != 2 {
				t.Errorf("%d turned away", len(away))
			}
			r.arm(true)
			r.say("x")
			r.within(time.Second, Dialog)
		})
	})
}

func TestPolicyCheck(t *testing.T) {
	for caller, ok := range map[string]bool{
		"0512*": true, "+49 (5) 12-3/4.?": true, "*": true, "any": true, "withheld": true, "absent": true, "out-of-area": true,
		"": false, "+": false, "private": false, "05a": false, "1\n2": false, strings.Repeat("1", 65): false,
	} {
		c := LineConfig{Name: "x", Policy: Policy{Rules: []CallerRule{{Caller: caller}}}}
		if err := c.check(); (err == nil) != ok {
			t.Errorf("%q: %v", caller, err)
		}
	}
}

// FuzzMatchNumber compares with regular expressions, and adds what must not count.
func FuzzMatchNumber(f *testing.F) {
	f.Add("0512*", "0512345")
	f.Add("1*2?3*", "+1 (99) 2-43")
	f.Add("*", "*#A")
	f.Fuzz(func(t *testing.T, pattern, number string) {
		if !numberPattern(pattern) || len(number) > 128 {
			return
		}
		got := MatchNumber(pattern, number)
		var re strings.Builder
		for _, c := range pattern {
			switch {
			case c == '*':
				re.WriteString("[0-9]*")
			case c == '?':
				re.WriteString("[0-9]")
			case c >= '0' && c <= '9':
				re.WriteRune(c)
			}
		}
		d := digits(number)
		if want := d != "" && regexp.MustCompile("^"+re.String()+"$").MatchString(d); got != want {
			t.Errorf("%q, %q: %v", pattern, number, got)
		}
		if MatchNumber(pattern, "+"+strings.ReplaceAll(number, "", " -")) != got {
			t.Errorf("%q, %q: punctuation counts", pattern, number)
		}
	})
}

package modem_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"rashost/port/modem"
)

// play runs a script against answers: a line from the modem, or "-" for the timer. It returns what was sent and the last action.
func play(s *modem.Script, answers ...string) (sent []string, last modem.Action) {
	do := func(a modem.Action) {
		if a.Kind == modem.Send {
			sent = append(sent, string(a.Send))
		}
		last = a
	}
	do(s.Start())
	for _, a := range answers {
		if a == "-" {
			do(s.OnTimeout())
		} else {
			do(s.OnResult(modem.ParseResult(a)))
		}
	}
	return sent, last
}

func TestScript(t *testing.T) {
	vcid := modem.Step{Send: "AT+VCID=1", Optional: true}
	cid := modem.Step{Send: "AT#CID=1", Optional: true, Alternative: true}
	cid2 := modem.Step{Send: "AT%CCID=1", Optional: true, Alternative: true}
	for name, tc := range map[string]struct {
		steps   []modem.Step
		answers string // separated by |
		sent    string // the same
		last    modem.ActionKind
		err     string
	}{
		"all good":              {[]modem.Step{{Send: "ATE0"}, {Send: "ATV1"}}, "OK|OK", "ATE0\r|ATV1\r", modem.Done, ""},
		"numbers":               {[]modem.Step{{Send: "ATE0"}}, "0", "ATE0\r", modem.Done, ""},
		"RING between":          {[]modem.Step{{Send: "ATE0"}}, "RING|NMBR = 1|OK", "ATE0\r", modem.Done, ""},
		"stale NO CARRIER":      {[]modem.Step{{Send: "ATE0"}}, "NO CARRIER|OK", "ATE0\r", modem.Done, ""},
		"refused":               {[]modem.Step{{Send: "ATE0"}, {Send: "ATX4"}}, "OK|ERROR", "ATE0\r|ATX4\r", modem.Failed, `"ATX4" (2 of 2): the modem answered ERROR`},
		"silent":                {[]modem.Step{{Send: "ATE0"}, {Send: "ATX4"}}, "-", "ATE0\r", modem.Failed, `"ATE0" (1 of 2): no OK within 5s`},
		"optional refused":      {[]modem.Step{{Send: "ATX4", Optional: true}, {Send: "AT"}}, "ERROR|OK", "ATX4\r|AT\r", modem.Done, ""},
		"optional silent":       {[]modem.Step{{Send: "ATX4", Optional: true}, {Send: "AT"}}, "-|OK", "ATX4\r|AT\r", modem.Done, ""},
		"answer":                {[]modem.Step{{Send: "ATA", Expect: "CONNECT"}}, "OK|RING|CONNECT 9600", "ATA\r", modem.Done, ""},
		"answer fails":          {[]modem.Step{{Send: "ATA", Expect: "CONNECT"}}, "NO CARRIER", "ATA\r", modem.Failed, "the modem answered NO CARRIER"},
		"other word":            {[]modem.Step{{Send: "AT+FCLASS=8", Expect: "VCON"}}, "OK|VCON", "AT+FCLASS=8\r", modem.Done, ""},
		"raw without reply":     {[]modem.Step{{Send: "+++", Raw: true, NoReply: true, Delay: time.Second}, {Send: "ATH"}}, "OK|-|OK", "+++|ATH\r", modem.Done, ""},
		"delay":                 {[]modem.Step{{Send: "ATZ", Delay: time.Second}, {Send: "AT"}}, "OK|OK|-|OK", "ATZ\r|AT\r", modem.Done, ""},
		"delay of the last":     {[]modem.Step{{Send: "ATZ", Delay: time.Second}}, "OK", "ATZ\r", modem.Pause, ""},
		"alternative first":     {[]modem.Step{vcid, cid, cid2, {Send: "AT"}}, "OK|OK", "AT+VCID=1\r|AT\r", modem.Done, ""},
		"alternative second":    {[]modem.Step{vcid, cid, cid2, {Send: "AT"}}, "ERROR|OK|OK", "AT+VCID=1\r|AT#CID=1\r|AT\r", modem.Done, ""},
		"no alternative":        {[]modem.Step{vcid, cid, cid2}, "ERROR|ERROR|ERROR", "AT+VCID=1\r|AT#CID=1\r|AT%CCID=1\r", modem.Done, ""},
		"nothing after failure": {[]modem.Step{{Send: "AT"}}, "ERROR|OK", "AT\r", modem.Keep, ""},
		"empty":                 {nil, "", "", modem.Done, ""},
	} {
		t.Run(name, func(t *testing.T) {
			s := &modem.Script{Steps: tc.steps}
			var answers []string
			if tc.answers != "" {
				answers = strings.Split(tc.answers, "|")
			}
			for range 2 { // a script can be started again
				sent, last := play(s, answers...)
				if got := strings.Join(sent, "|"); got != tc.sent {
					t.Errorf("sent %q, want %q", got, tc.sent)
				}
				if last.Kind != tc.last {
					t.Errorf("last action %v, want %v", last.Kind, tc.last)
				}
				var se *modem.StepError
				if tc.err != "" && (!errors.As(last.Err, &se) || !strings.Contains(last.Err.Error(), tc.err)) {
					t.Errorf("error %v, want %q", last.Err, tc.err)
				}
			}
		})
	}
}

func TestScriptTimes(t *testing.T) {
	s := &modem.Script{Steps: []modem.Step{{Send: "ATZ", Timeout: 3 * time.Second, Delay: time.Second}, {Send: "x", Raw: true, NoReply: true, Delay: 2 * time.Second}, {Send: "AT"}}}
	if a := s.Start(); a.Timeout != 3*time.Second {
		t.Error("command", a.Timeout)
	}
	if a := s.OnResult(modem.Result{Kind: modem.OK}); a.Kind != modem.Pause || a.Timeout != time.Second {
		t.Error("pause", a)
	}
	if a := s.OnTimeout(); a.Timeout != 2*time.Second || string(a.Send) != "x" {
		t.Error("no reply", a)
	}
	if a := s.OnTimeout(); a.Timeout != modem.DefaultTimeout || s.Current().Send != "AT" {
		t.Error("default", a, s.Current())
	}
}

func TestScriptNamesWhatWasRefused(t *testing.T) {
	s := &modem.Script{Steps: []modem.Step{{Send: "ATX4", Optional: true}, {Send: "AT+MR=1", Optional: true}, {Send: "AT"}}}
	play(s, "ERROR", "-", "OK")
	if r := s.Refused(); len(r) != 2 || r[0].Step.Send != "ATX4" || r[1].Answer.Kind != modem.None {
		t.Errorf("%v", r)
	}
}

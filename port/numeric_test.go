package port

import (
	"strconv"
	"testing"

	"go.uber.org/goleak"

	"rashost/hardware"
	"rashost/port/modem"
	"rashost/port/modemsim"
)

// TestEveryResultCodeIsUnderstood: each number of each family stands for words that mean something.
func TestEveryResultCodeIsUnderstood(t *testing.T) {
	families := 0
	for _, p := range modemProfiles(t) {
		if len(p.ResultCodes) > 0 {
			families++
		}
		for n, words := range p.ResultCodes {
			parser := modem.Parser{Codes: p.ResultCodes}
			r := parser.Parse(strconv.Itoa(n))
			want := modem.ParseResult(words)
			if r.Kind != want.Kind || !r.Numeric || r.Connect != want.Connect || r.Kind == modem.None && words != "VCON" {
				t.Errorf("%s: %d, %q: %+v", p.Name, n, words, r)
			}
		}
	}
	if families < 5 {
		t.Errorf("only %d families have numbers", families)
	}
}

// TestNumericModem: a modem that says numbers whatever it is told takes calls, and what its numbers say of the connection is known.
func TestNumericModem(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	o, err := modemsim.Personality("usr-courier")
	if err != nil {
		t.Fatal(err)
	}
	o.Faults.Numeric = true
	p, err := hardware.Load("usr-courier")
	if err != nil {
		t.Fatal(err)
	}
	r := newSimRigWith(t, o, LineConfig{Name: "modem1", Device: "sim:usr-courier", Profile: &p, Rings: 2})
	defer r.stop()
	r.until("listening", Listening)
	call := r.dial(modemsim.DialOptions{Number: "5551234", Rings: 30, Connect: "28800/ARQ/V34"})
	r.talk(call)
	if c := r.lastCall().Connect; c.Rate != 28800 || c.Modulation != "V34" || c.Protocol != "ARQ" {
		t.Errorf("%+v", c)
	}
	if n := r.lastCall().CallerID.Number; n != "5551234" {
		t.Errorf("caller id %q", n)
	}
	r.quit(call)
	r.until("listening again", Listening)
}

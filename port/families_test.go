package port

import (
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"rashost/hardware"
	"rashost/port/modem"
	"rashost/port/modemsim"
)

// familyCase is a profile and the virtual modem that it must work with. What the modem does comes from its own sources, not from the
// profile; so does what is expected here.
type familyCase struct {
	profile, personality string
	// connect is what must be understood of CONNECT and the reports before it; its Text is not compared.
	connect modem.Connect
	// name and called say that the family reports the caller's name and the number dialled; noID that it reports no caller.
	name, called, noID bool
	// diagnosis is what the answer to the profile's diagnostics must contain; "" only where the profile has none.
	diagnosis string
}

// families is the table. A profile that stands neither here nor in withoutPersonality is a failure.
func families() []familyCase {
	return []familyCase{
		{"generic", "generic", modem.Connect{Rate: 31200, TxRate: 31200, RxRate: 33600, DTERate: 115200, Modulation: "V34", Protocol: "LAPM", Compression: "V42BIS"}, true, false, false, ""},
		{"conexant-cx93010", "conexant-cx93010", modem.Connect{Rate: 33600, TxRate: 33600, RxRate: 48000, DTERate: 115200, Modulation: "V92", Protocol: "LAPM", Compression: "V44"}, true, false, false, "DIAG <2A4D3263 0=10>"},
		{"elsa-microlink", "elsa-microlink", modem.Connect{Rate: 28800, TxRate: 28800, RxRate: 28800, Modulation: "V34", Protocol: "REL"}, false, true, false, "TERMINATION REASON"},
		{"hayes-optima", "hayes-optima", modem.Connect{Rate: 28800, TxRate: 28800, RxRate: 28800, DTERate: 115200, Protocol: "LAPM", Compression: "V42BIS"}, false, false, false, "TERMINATION REASON"},
		{"iaxmodem", "iaxmodem", modem.Connect{}, true, true, false, ""},
		{"iridium", "iridium", modem.Connect{Rate: 9600, TxRate: 9600, RxRate: 9600}, false, false, false, "Call Released: Normal"},
		{"isdn-ta", "isdn-ta", modem.Connect{Rate: 64000, TxRate: 64000, RxRate: 64000, Protocol: "X75"}, false, false, false, "Last cause"},
		{"lucent-agere", "lucent-agere", modem.Connect{Rate: 31200, TxRate: 31200, RxRate: 49333, DTERate: 115200, Modulation: "V90", Protocol: "LAPM", Compression: "V42BIS"}, true, false, false, "Last Connection"},
		{"microcom", "microcom", modem.Connect{Rate: 14400, TxRate: 14400, RxRate: 14400, Protocol: "REL"}, false, false, true, "LAST CALL"},
		{"multitech-mt2834", "multitech-mt2834", modem.Connect{Rate: 28800, TxRate: 28800, RxRate: 28800, Protocol: "LAPM"}, false, false, true, "&Q0"},
		{"multitech-mt5634", "multitech-mt5634", modem.Connect{Rate: 31200, TxRate: 31200, RxRate: 45333, DTERate: 115200, Modulation: "V90", Protocol: "LAPM", Compression: "V42BIS"}, true, false, false, "Last Connection"},
		{"rockwell-rc288", "rockwell-rc288", modem.Connect{Rate: 28800, TxRate: 28800, RxRate: 28800, DTERate: 115200, Protocol: "LAPM", Compression: "V42BIS"}, true, false, false, "009"},
		{"slmodemd", "slmodemd", modem.Connect{Rate: 28800, TxRate: 28800, RxRate: 28800}, true, false, false, ""},
		{"supra", "supra", modem.Connect{Rate: 28800, TxRate: 28800, RxRate: 28800, DTERate: 115200, Protocol: "LAPM", Compression: "V42BIS"}, true, false, false, ""},
		{"telebit", "telebit", modem.Connect{Rate: 14400, TxRate: 14400, RxRate: 14400}, false, false, true, ""},
		{"telit", "telit", modem.Connect{Rate: 9600, TxRate: 9600, RxRate: 9600}, false, false, false, "+CEER: Normal call clearing"},
		{"usr-5637", "usr-5637", modem.Connect{Rate: 49333, TxRate: 49333, RxRate: 49333, Modulation: "V92", Protocol: "LAPM", Compression: "V44"}, true, false, false, "Disconnect Reason is Loss of carrier"},
		{"usr-courier", "usr-courier", modem.Connect{Rate: 28800, TxRate: 28800, RxRate: 28800, Modulation: "V34", Protocol: "LAPM", Compression: "V42BIS"}, true, false, false, "Disconnect Reason is Loss of carrier"},
		{"usr-sportster", "usr-sportster", modem.Connect{Rate: 28800, TxRate: 28800, RxRate: 28800, Modulation: "V34", Protocol: "LAPM", Compression: "V42BIS"}, true, false, false, "Disconnect Reason is Loss of carrier"},
		{"zyxel-2864", "zyxel-2864", modem.Connect{Rate: 28800, TxRate: 28800, RxRate: 28800, DTERate: 115200, Modulation: "V34", Compression: "V42BIS"}, true, true, false, "Disconnect Reason"},
		{"zyxel-u1496", "zyxel-u1496", modem.Connect{Rate: 14400, TxRate: 14400, RxRate: 14400, DTERate: 38400, Modulation: "V32BIS", Compression: "V42BIS"}, true, false, false, "Disconnect Reason"},
		{"quectel", "telit", modem.Connect{Rate: 9600, TxRate: 9600, RxRate: 9600}, false, false, false, "+CEER: Normal call clearing"},
		{"sierra", "telit", modem.Connect{Rate: 9600, TxRate: 9600, RxRate: 9600}, false, false, false, "+CEER: Normal call clearing"},
	}
}

// withoutPersonality are the profiles that have no virtual modem, each with the reason.
func withoutPersonality() map[string]string {
	return map[string]string{
		"none": "no modem: TestDirectPersonalities", "null-modem": "no modem: TestDirectPersonalities", "radio": "no modem: TestDirectPersonalities",
	}
}

// TestEveryProfileHasItsPersonality: no profile goes untested.
func TestEveryProfileHasItsPersonality(t *testing.T) {
	profiles, err := hardware.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	reasons := withoutPersonality()
	for _, p := range profiles {
		listed := slices.ContainsFunc(families(), func(f familyCase) bool { return f.profile == p.Name })
		if _, excused := reasons[p.Name]; listed == excused {
			t.Errorf("profile %s: in the table %v, listed as without a personality %v", p.Name, listed, excused)
		}
		for _, f := range families() {
			if f.profile == p.Name && (f.diagnosis == "") != (len(p.Diagnostics) == 0) {
				t.Errorf("profile %s asks %v after a call, and %q is looked for in the answer", p.Name, p.Diagnostics, f.diagnosis)
			}
		}
	}
}

// TestFamilies brings each profile together with its personality, through a real line on a real pty: the set-up, the caller's number,
// CONNECT, data both ways, the end by the handler and by the caller, proven idle, and the next call.
func TestFamilies(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	tests := make(map[string]func(*testing.T))
	for _, f := range families() {
		tests[f.profile+" and "+f.personality] = f.test
	}
	together(t, tests)
}

// together runs tests that mostly wait: more of them at a time than there are processors.
func together(t *testing.T, tests map[string]func(*testing.T)) {
	var done sync.WaitGroup
	places := make(chan struct{}, 8)
	for _, name := range slices.Sorted(maps.Keys(tests)) {
		places <- struct{}{}
		done.Go(func() {
			t.Run(name, tests[name])
			<-places
		})
	}
	done.Wait()
}

// TestGenericProfileOnEveryPersonality: with a modem of which nothing is known calls are taken all the same.
func TestGenericProfileOnEveryPersonality(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	tests := make(map[string]func(*testing.T))
	for _, name := range modemsim.Personalities() {
		if isCable(name) {
			continue
		}
		tests[name] = func(t *testing.T) {
			r := newSimRig(t, name, "generic")
			r.until("listening", Listening)
			call := r.dial(modemsim.DialOptions{Number: "5551234", Rings: ringsFor})
			r.talk(call)
			r.quit(call)
			r.until("listening again", Listening)
		}
	}
	together(t, tests)
}

// isCable says whether a personality is a cable.
func isCable(personality string) bool { return personality == "null-modem" || personality == "radio" }

// TestDirectPersonalities: behind a cable carrier begins and ends a call. A radio has no calls: what its far end sends begins one.
func TestDirectPersonalities(t *testing.T) {
	for _, profile := range []string{"none", "null-modem"} {
		t.Run(profile, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			r := newSimRig(t, "null-modem", profile)
			defer r.stop()
			for _, end := range []func(*modemsim.FarCall) End{r.quit, r.leave} {
				r.until("listening", Listening)
				call := r.dial(modemsim.DialOptions{})
				r.talk(call)
				end(call)
			}
			r.until("listening", Listening)
		})
	}
	t.Run("radio", func(t *testing.T) {
		defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
		r := newSimRig(t, "radio", "radio")
		defer r.stop()
		r.until("listening", Listening)
		far := r.dial(modemsim.DialOptions{})
		for range 2 {
			r.talk(far)
			_, _ = io.WriteString(far, "quit\r")
			r.end(UserRequest)
			r.until("listening", Listening)
		}
	})
}

func (f familyCase) test(t *testing.T) {
	r := newSimRig(t, f.personality, f.profile)
	r.until("listening", Listening)
	call := r.dial(modemsim.DialOptions{Number: "+15551234", Name: "ANNA", Called: "5559876", Rings: ringsFor})
	r.talk(call)
	got := r.lastCall()
	f.checkCaller(t, got.CallerID)
	f.checkConnect(t, got.Connect)
	e := r.quit(call)
	if !strings.Contains(stepsText(e), "proven idle") {
		t.Errorf("the hang-up is not proven:\n%s", stepsText(e))
	}
	r.until("listening again", Listening)
	call = r.dial(modemsim.DialOptions{Number: modemsim.Withheld, Rings: ringsFor})
	r.talk(call)
	if id := r.lastCall().CallerID; id.Number != "" || id.Status == modem.Present {
		t.Errorf("a number that is withheld: %+v", id)
	}
	e = r.leave(call)
	if !strings.Contains(stepsText(e), f.diagnosis) {
		t.Errorf("no %q in what the modem said of the call:\n%s", f.diagnosis, stepsText(e))
	}
	r.until("listening a third time", Listening)
	if told := r.told(EventReadBack); told != "" {
		t.Errorf("what the profile reads back is not what the modem says: %s", told)
	}
	if s := r.snap(); s.Reason != "" && strings.Contains(s.Reason, "fail") {
		t.Errorf("%+v", s)
	}
}

func (f familyCase) checkCaller(t *testing.T, id modem.CallerID) {
	t.Helper()
	want := modem.CallerID{Number: "+15551234", Status: modem.Present}
	if f.noID {
		want = modem.CallerID{}
	}
	if f.name {
		want.Name = "ANNA"
	}
	if f.called {
		want.Called = "5559876"
	}
	if id.Number != want.Number || id.Status != want.Status || id.Name != want.Name || id.Called != want.Called {
		t.Errorf("the caller is %+v, want %+v", id, want)
	}
	if _, ok := id.When(time.Now()); strings.HasPrefix(f.profile, "zyxel") && !ok { // its form is all its own
		t.Errorf("no date and time in %q", id.Raw)
	}
}

func (f familyCase) checkConnect(t *testing.T, c modem.Connect) {
	t.Helper()
	c.Text = ""
	if c != f.connect {
		t.Errorf("CONNECT is understood as %+v, want %+v", c, f.connect)
	}
}

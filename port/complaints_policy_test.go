package port

import (
	"context"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"rashost/hardware"
	"rashost/port/modemsim"
)

// TestComplaint2_5_CallerIDDecides: the rules count wherever the caller id comes, however it is spelt, with a name and without.
func TestComplaint2_5_CallerIDDecides(t *testing.T) {
	const friend, stranger = "555-1234", "0900 666"
	lines := func(text ...string) modemsim.DialOptions { return modemsim.DialOptions{Lines: text, Rings: 4} }
	for name, c := range map[string]struct {
		rings int
		o     modemsim.DialOptions
		why   string // "" for answered
	}{
		"between the rings":                   {2, lines("DATE = 1121", "TIME = 0248", "NMBR = "+friend, "NAME = ANNA"), ""},
		"before the first ring":               {1, modemsim.DialOptions{Number: "5551234", IDFirst: true, Rings: 4}, ""},
		"a stranger before the first ring":    {1, modemsim.DialOptions{Number: "0900666", IDFirst: true, Rings: 4}, "no caller id rule allows it (the number is present)"},
		"misspelt":                            {2, lines("NMRB = " + friend), ""},
		"a stranger, misspelt":                {2, lines("NMRB = " + stranger), "no caller id rule allows it"},
		"without a name":                      {2, lines("NMBR=" + friend), ""},
		"the name of a friend is no number":   {2, lines("NMBR="+stranger, "NAME="+friend), "no caller id rule allows it"},
		"only a name that says P":             {2, lines("NAME=P"), "caller id rule 1: deny withheld"},
		"none at all":                         {2, modemsim.DialOptions{Rings: 4}, "no caller id came"},
		"behind the ring that would be taken": {1, lines("NMBR=" + friend), "no caller id came"},
	} {
		t.Run(name, func(t *testing.T) {
			faultBubble(t, func(_ *modemsim.Options, l *LineConfig) {
				l.Rings, l.Policy = c.rings, Policy{RequireCallerID: true, Rules: rules("deny withheld", "allow 555*")}
			}, func(r *faultRig) {
				r.reaches(time.Minute, Listening)
				call, err := r.sim.Dial(context.Background(), c.o)
				away := r.turnedAway()
				if c.why == "" {
					if err != nil || len(away) > 0 {
						t.Fatalf("%v, %+v", err, away)
					}
					r.talk(call)
					return
				}
				if err == nil {
					t.Fatal("the line answered")
				}
				if len(away) != 1 || !strings.Contains(away[0].why, c.why) || r.calls() != 0 {
					t.Errorf("%+v", away)
				}
				r.reaches(time.Minute, Listening)
			})
		})
	}
}

// escapeOnProfile leaves the modem's escape on, as with a modem that has no S2.
func escapeOnProfile(t *testing.T) *hardware.Profile {
	t.Helper()
	p, err := hardware.Load("generic")
	if err != nil {
		t.Fatal(err)
	}
	p.Init = slices.DeleteFunc(slices.Clone(p.Init), func(s hardware.Step) bool { return s.Send == p.EscapeOff })
	p.EscapeOff = ""
	return &p
}

// TestComplaint2_10_Echo: a caller who escapes to command mode sends us the escape, too, and what we echo must not take our own modem out of
// the call. The first case shows that it would.
func TestComplaint2_10_Echo(t *testing.T) {
	for name, c := range map[string]struct {
		echo  func(c *Call, p []byte)
		lives bool
	}{
		"straight to the device": {func(c *Call, p []byte) { _, _ = c.dev.Write(p) }, false},
		"by the call":            {func(c *Call, p []byte) { _, _ = c.Write(p) }, true},
		"byte by byte": {func(c *Call, p []byte) {
			for i := range p {
				_, _ = c.Write(p[i : i+1])
			}
		}, true},
	} {
		t.Run(name, func(t *testing.T) {
			faultBubble(t, func(_ *modemsim.Options, l *LineConfig) { l.Profile = escapeOnProfile(t) }, func(r *faultRig) {
				r.handler = func(_ context.Context, call *Call) Outcome {
					buf := make([]byte, 64)
					for {
						n, err := call.Read(buf)
						if err != nil {
							return Outcome{}
						}
						c.echo(call, buf[:n])
					}
				}
				r.reaches(time.Minute, Listening)
				call := r.dial(modemsim.DialOptions{})
				time.Sleep(5 * time.Second)
				_, _ = io.WriteString(call, "+++") // with silence before and behind it
				time.Sleep(5 * time.Second)
				_, _ = io.WriteString(call, "still here")
				time.Sleep(5 * time.Second)
				_ = call.SetReadDeadline(time.Now().Add(time.Second))
				var got strings.Builder
				_, _ = io.Copy(&got, readOnly{call})
				if lives := strings.HasSuffix(got.String(), "+++still here"); lives != c.lives {
					t.Errorf("the caller sees %q", got.String())
				}
				_ = call.Close()
				r.reaches(time.Minute, Listening)
			})
		})
	}
}

// readOnly hides all of a reader but Read.
type readOnly struct{ io.Reader }

// TestComplaint2_10_NothingWeSend: banner, message of the day, echo and a file full of escapes, to a modem whose escape is on: none hangs it
// up, and every byte arrives.
func TestComplaint2_10_NothingWeSend(t *testing.T) {
	texts := []string{"Welcome\r\n", "+++", "ATH0\r", "motd: +++ATH0\r\n", "+++", "\r", strings.Repeat("+++ATZ\r", 20), "++", "+", "done\r\n"}
	faultBubble(t, func(_ *modemsim.Options, l *LineConfig) { l.Profile = escapeOnProfile(t) }, func(r *faultRig) {
		r.handler = func(_ context.Context, c *Call) Outcome {
			for _, text := range texts {
				time.Sleep(3 * time.Second) // silence before each
				if _, err := io.WriteString(c, text); err != nil {
					return Outcome{}
				}
			}
			time.Sleep(3 * time.Second)
			return Outcome{Cause: UserRequest}
		}
		r.reaches(time.Minute, Listening)
		call := r.dial(modemsim.DialOptions{})
		var got strings.Builder
		_, _ = io.Copy(&got, readOnly{call})
		if want := strings.Join(texts, ""); got.String() != want {
			t.Errorf("the caller got %q, want %q", got.String(), want)
		}
		r.reaches(time.Minute, Listening)
		wantCause(t, r.lastEnd(), UserRequest, "")
	})
}

// TestComplaint2_10_EscapeIsOffAndProven: the set-up of a modem with TIES switches its escape off, and the modem itself says so.
func TestComplaint2_10_EscapeIsOffAndProven(t *testing.T) {
	faultBubble(t, personality(t, "ties"), func(r *faultRig) {
		r.reaches(time.Minute, Listening)
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, e := range r.events {
			if e.Kind == EventReadBack || e.Kind == EventEscape {
				t.Errorf("%+v", e)
			}
		}
		if l := r.mgr.line(r.cfg.Name); !l.noEscape || l.back.escapeOn {
			t.Error("the escape does not count as off")
		}
	})
}

// TestDistinctiveRing: the modem is told to report rings apart when the line asks for it, and only then.
func TestDistinctiveRing(t *testing.T) {
	for _, on := range []bool{true, false} {
		bubble(t, FakeOptions{}, func(r *rig) {
			r.cfg.DistinctiveRing = on
			r.cfg.Profile.DistinctiveRing = hardware.Step{Send: "AT+VDR=1,0"}
			r.modem.answers["AT+VDR=1,0"] = "\r\nERROR\r\n" // and if it cannot, the line listens all the same
		}, func(r *rig) {
			r.within(time.Second, Listening)
			if got := slices.Contains(r.modem.said(), "AT+VDR=1,0"); got != on {
				t.Errorf("told: %v, want %v", got, on)
			}
			r.say("\r\nDRON=20\r\nDROF=40\r\n\r\nRING\r\n")
			r.within(time.Second, Dialog)
			if !MatchRing("on 20 off 40", r.begun[0].CallerID.Ring) {
				t.Errorf("the ring is %q", r.begun[0].CallerID.Ring)
			}
		})
	}
}

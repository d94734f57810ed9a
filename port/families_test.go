package port

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
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
	// diagnosis is what the answer to the profile's diagnostics must contain; "" where the profile has none.
	diagnosis string
}

// families is the table. A profile that stands neither here nor in withoutPersonality is a failure.
func families() []familyCase {
	return []familyCase{
		{"generic", "generic", modem.Connect{Rate: 31200, TxRate: 31200, RxRate: 33600, DTERate: 115200, Modulation: "V34", Protocol: "LAPM", Compression: "V42BIS"}, true, false, false, ""},
		{"conexant-cx93010", "conexant-cx93010", modem.Connect{Rate: 33600, TxRate: 33600, RxRate: 48000, DTERate: 115200, Modulation: "V92", Protocol: "LAPM", Compression: "V44"}, true, false, false, "DIAG <2A4D3263"},
		{"elsa-microlink", "elsa-microlink", modem.Connect{Rate: 28800, TxRate: 28800, RxRate: 28800, Modulation: "V34", Protocol: "REL"}, false, true, false, ""},
		{"hayes-optima", "hayes-optima", modem.Connect{Rate: 28800, TxRate: 28800, RxRate: 28800, DTERate: 115200, Protocol: "LAPM", Compression: "V42BIS"}, false, false, false, ""},
		{"iaxmodem", "iaxmodem", modem.Connect{}, true, true, false, ""},
		{"iridium", "iridium", modem.Connect{Rate: 9600, TxRate: 9600, RxRate: 9600}, false, false, false, "Call Released"},
		{"isdn-ta", "isdn-ta", modem.Connect{Rate: 64000, TxRate: 64000, RxRate: 64000, Protocol: "X75"}, false, false, false, "Last cause"},
		{"lucent-agere", "lucent-agere", modem.Connect{Rate: 31200, TxRate: 31200, RxRate: 49333, DTERate: 115200, Modulation: "V90", Protocol: "LAPM", Compression: "V42BIS"}, true, false, false, "Last Connection"},
		{"microcom", "microcom", modem.Connect{Rate: 14400, TxRate: 14400, RxRate: 14400, Protocol: "REL"}, false, false, true, ""},
		{"multitech-mt2834", "multitech-mt2834", modem.Connect{Rate: 28800, TxRate: 28800, RxRate: 28800, Protocol: "LAPM"}, false, false, true, ""},
		{"multitech-mt5634", "multitech-mt5634", modem.Connect{Rate: 31200, TxRate: 31200, RxRate: 45333, DTERate: 115200, Modulation: "V90", Protocol: "LAPM", Compression: "V42BIS"}, true, false, false, "Last Connection"},
		{"rockwell-rc288", "rockwell-rc288", modem.Connect{Rate: 28800, TxRate: 28800, RxRate: 28800, DTERate: 115200, Protocol: "LAPM", Compression: "V42BIS"}, true, false, false, "009"},
		{"supra", "supra", modem.Connect{Rate: 28800, TxRate: 28800, RxRate: 28800, DTERate: 115200, Protocol: "LAPM", Compression: "V42BIS"}, true, false, false, ""},
		{"telebit", "telebit", modem.Connect{Rate: 14400, TxRate: 14400, RxRate: 14400}, false, false, true, ""},
		{"telit", "telit", modem.Connect{Rate: 9600, TxRate: 9600, RxRate: 9600}, false, false, false, "Normal call clearing"},
		{"usr-5637", "usr-5637", modem.Connect{Rate: 49333, TxRate: 49333, RxRate: 49333, Modulation: "V92", Protocol: "LAPM", Compression: "V44"}, true, false, false, "Disconnect Reason"},
		{"usr-courier", "usr-courier", modem.Connect{Rate: 28800, TxRate: 28800, RxRate: 28800, Modulation: "V34", Protocol: "LAPM", Compression: "V42BIS"}, true, false, false, "Disconnect Reason"},
		{"usr-sportster", "usr-sportster", modem.Connect{Rate: 28800, TxRate: 28800, RxRate: 28800, Modulation: "V34", Protocol: "LAPM", Compression: "V42BIS"}, true, false, false, "Disconnect Reason"},
		{"zyxel-2864", "zyxel-2864", modem.Connect{Rate: 28800, TxRate: 28800, RxRate: 28800, DTERate: 115200, Modulation: "V34", Compression: "V42BIS"}, false, true, false, "Disconnect Reason"},
		{"zyxel-u1496", "zyxel-u1496", modem.Connect{Rate: 14400, TxRate: 14400, RxRate: 14400, DTERate: 38400, Modulation: "V32BIS", Compression: "V42BIS"}, true, false, false, "Disconnect Reason"},
		{"quectel", "telit", modem.Connect{Rate: 9600, TxRate: 9600, RxRate: 9600}, false, false, false, "Normal call clearing"},
		{"sierra", "telit", modem.Connect{Rate: 9600, TxRate: 9600, RxRate: 9600}, false, false, false, "Normal call clearing"},
	}
}

// withoutPersonality are the profiles that have no virtual modem, each with the reason.
func withoutPersonality() map[string]string {
	return map[string]string{
		"none": "no modem: TestDirectPersonalities", "null-modem": "no modem: TestDirectPersonalities", "radio": "no modem: TestDirectPersonalities",
		"slmodemd": "a modem without DTR and with an escape: only the real program is one",
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
	}
}

// TestFamilies brings each profile together with its personality, through a real line on a real pty: the set-up, the caller's number,
// CONNECT, data both ways, the end by the handler and by the caller, proven idle, and the next call.
func TestFamilies(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("all", func(t *testing.T) {
		for _, f := range families() {
			t.Run(f.profile+" and "+f.personality, func(t *testing.T) {
				t.Parallel()
				f.test(t)
			})
		}
	})
}

// TestGenericProfileOnEveryPersonality: with a modem of which nothing is known calls are taken all the same.
func TestGenericProfileOnEveryPersonality(t *testing.T) {
	defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
	t.Run("all", func(t *testing.T) {
		for _, name := range modemsim.Personalities() {
			if isCable(name) {
				continue
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				r := newSimRig(t, name, "generic")
				r.until("listening", Listening)
				call := r.dial(modemsim.DialOptions{Number: "5551234", Rings: 30})
				r.talk(call)
				r.quit(call)
				r.until("listening again", Listening)
			})
		}
	})
}

// isCable says whether a personality is a cable.
func isCable(personality string) bool { return personality == "null-modem" || personality == "radio" }

// TestDirectPersonalities: without a modem carrier alone begins and ends a call.
func TestDirectPersonalities(t *testing.T) {
	for _, name := range []string{"null-modem", "radio"} {
		t.Run(name, func(t *testing.T) {
			defer goleak.VerifyNone(t, goleak.IgnoreCurrent())
			r := newSimRig(t, name, "none")
			defer r.stop()
			for round := range 2 {
				r.until("listening", Listening)
				call := r.dial(modemsim.DialOptions{})
				r.talk(call)
				if round == 0 {
					r.quit(call)
				} else {
					r.leave(call)
				}
			}
			r.until("listening", Listening)
		})
	}
}

func (f familyCase) test(t *testing.T) {
	r := newSimRig(t, f.personality, f.profile)
	r.until("listening", Listening)
	call := r.dial(modemsim.DialOptions{Number: "+15551234", Name: "ANNA", Called: "5559876", Rings: 30})
	r.talk(call)
	got := r.lastCall()
	f.checkCaller(t, got.CallerID)
	f.checkConnect(t, got.Connect)
	e := r.quit(call)
	if !strings.Contains(stepsText(e), "proven idle") {
		t.Errorf("the hang-up is not proven:\n%s", stepsText(e))
	}
	r.until("listening again", Listening)
	if f.diagnosis != "" && !strings.Contains(r.told(EventDiagnostics), f.diagnosis) {
		t.Errorf("no %q in what the modem said of the call: %q", f.diagnosis, r.told(EventDiagnostics))
	}
	call = r.dial(modemsim.DialOptions{Number: modemsim.Withheld, Rings: 30})
	r.talk(call)
	if id := r.lastCall().CallerID; id.Number != "" || id.Status == modem.Present {
		t.Errorf("a number that is withheld: %+v", id)
	}
	r.leave(call)
	r.until("listening a third time", Listening)
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
}

func (f familyCase) checkConnect(t *testing.T, c modem.Connect) {
	t.Helper()
	c.Text = ""
	if c != f.connect {
		t.Errorf("CONNECT is understood as %+v, want %+v", c, f.connect)
	}
}

// simRig is a line on a virtual modem of one personality, on a real pty.
type simRig struct {
	t    *testing.T
	sim  *modemsim.Modem
	mgr  *Manager
	ends chan End

	mu       sync.Mutex
	last     *Call
	events   []LineEvent
	commands []string
	stopped  bool
}

// newSimRig starts a line of that profile on a modem of that personality. It ends with the test.
func newSimRig(t *testing.T, personality, profile string) *simRig {
	t.Helper()
	o, err := modemsim.Personality(personality)
	if err != nil {
		t.Fatal(err)
	}
	p, err := hardware.Load(profile)
	if err != nil {
		t.Fatal(err)
	}
	return newSimRigWith(t, o, LineConfig{Name: "modem1", Device: "sim:" + personality, Profile: &p, Rings: 2})
}

func newSimRigWith(t *testing.T, o modemsim.Options, cfg LineConfig) *simRig {
	t.Helper()
	r := &simRig{t: t, ends: make(chan End, 10)}
	o.Timing.Ring, o.Timing.CallerID = 40*time.Millisecond, 10*time.Millisecond
	o.OnCommand = func(line string) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.commands = append(r.commands, line)
	}
	r.sim = modemsim.New(o)
	r.mgr = NewManager(ManagerOptions{
		Handler: r, Observer: r, Log: slog.New(slog.NewTextHandler(testLog{t}, &slog.HandlerOptions{Level: slog.LevelDebug})),
		Open: func(c LineConfig) (Opener, error) { return NewSimOpener(c.Device, r.sim, c.Settings(), nil), nil },
	})
	if cfg.Profile.Direct {
		cfg.Profile, cfg.Rings = nil, 0
	}
	if err := r.mgr.Apply(t.Context(), []LineConfig{cfg}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.stop)
	return r
}

// stop ends the line; a second time nothing happens.
func (r *simRig) stop() {
	r.mu.Lock()
	done := r.stopped
	r.stopped = true
	r.mu.Unlock()
	if done {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := r.mgr.Shutdown(ctx); err != nil {
		r.t.Error(err)
	}
}

// ServeCall gives back in capitals what it reads, until "quit".
func (r *simRig) ServeCall(ctx context.Context, c *Call) Outcome {
	r.mu.Lock()
	r.last = c
	r.mu.Unlock()
	return echoHandler{}.ServeCall(ctx, c)
}

func (r *simRig) Answering(context.Context, *Call) error    { return nil }
func (r *simRig) NotAnswered(*Call, string)                 {}
func (r *simRig) Ended(_ *Call, e End)                      { r.ends <- e }
func (r *simRig) StateChanged(string, State, State, string) {}

func (r *simRig) LineEvent(e LineEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// told returns the events of one kind as text.
func (r *simRig) told(kind string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, e := range r.events {
		if e.Kind == kind {
			b.WriteString(e.Text + ": " + e.Result + "\n")
		}
	}
	return b.String()
}

func (r *simRig) lastCall() *Call {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.last
}

func (r *simRig) snap() Snapshot {
	s, _ := r.mgr.Line("modem1")
	return s
}

// until waits for a state.
func (r *simRig) until(what string, state State) {
	r.t.Helper()
	for end := time.Now().Add(familyPatience); r.snap().State != state; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.t.Fatalf("not %s: %+v\ncommands: %q", what, r.snap(), r.commands)
		}
	}
}

// familyPatience is how long a line may take that shares the machine with all the others.
const familyPatience = 3 * patience

// dial rings until the line answers; the modem may be busy with its set-up.
func (r *simRig) dial(o modemsim.DialOptions) *modemsim.FarCall {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(r.t.Context(), familyPatience)
	defer cancel()
	for {
		call, err := r.sim.Dial(ctx, o)
		switch {
		case err == nil:
			return call
		case ctx.Err() != nil || !errors.Is(err, modemsim.ErrOff) && !errors.Is(err, modemsim.ErrBusy):
			r.t.Fatalf("dial: %v; %+v", err, r.snap())
		}
		time.Sleep(time.Millisecond)
	}
}

// talk sends a line and reads the answer.
func (r *simRig) talk(call *modemsim.FarCall) {
	r.t.Helper()
	if _, err := io.WriteString(call, "hello\r"); err != nil {
		r.t.Fatal(err)
	}
	_ = call.SetReadDeadline(time.Now().Add(familyPatience))
	got, err := bufio.NewReader(call).ReadString('\r')
	if err != nil || got != "HELLO\r" {
		r.t.Fatalf("the caller read %q, %v", got, err)
	}
}

// quit makes the handler end the call.
func (r *simRig) quit(call *modemsim.FarCall) End {
	r.t.Helper()
	_, _ = io.WriteString(call, "quit\r")
	e := r.end(UserRequest)
	select {
	case <-call.Done():
	default:
		r.t.Error("the record is closed, and the modem still in the call")
	}
	return e
}

// leave is the caller hanging up.
func (r *simRig) leave(call *modemsim.FarCall) End {
	r.t.Helper()
	_ = call.Close()
	return r.end(LostCarrier)
}

func (r *simRig) end(cause TerminateCause) End {
	r.t.Helper()
	select {
	case e := <-r.ends:
		if e.Cause != cause || !e.Connected {
			r.t.Errorf("the call ended with %v (%s), want %v", e.Cause, e.Reason, cause)
		}
		return e
	case <-time.After(familyPatience):
		r.t.Fatalf("the call does not end: %+v", r.snap())
		return End{}
	}
}

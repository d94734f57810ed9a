package port

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"rashost/hardware"
)

// rig is one line on a fake device, with everything around it, in a bubble of simulated time.
type rig struct {
	t     *testing.T
	fake  *Fake
	far   *Far
	modem *fakeModem
	mgr   *Manager
	cfg   LineConfig

	stopModem func()

	mu      sync.Mutex
	refuse  error
	states  []string    // "from>to"
	entered func(State) // called at every change of state; nil: nobody
	events  []LineEvent
	away    []turnedAway
	armed   bool
	ended   []End
	begun   []*Call
	handler func(ctx context.Context, c *Call) Outcome
}

// turnedAway is what the observer heard of a call that was not answered.
type turnedAway struct {
	c   *Call
	why string
}

// testProfile is a modem with a short set-up.
func testProfile() *hardware.Profile {
	p := hardware.Defaults()
	p.Name = "test"
	p.Init = []hardware.Step{{Send: "ATE0"}, {Send: "AT+MR=1", Optional: true}, {Send: "ATS0=0"}}
	p.CallerID.Enable = []hardware.Step{{Send: "AT+VCID=1"}, {Send: "AT#CID=1"}}
	p.Reset.Command = "ATZ"
	p.Recover = []hardware.Step{{Send: "+++", Raw: true, NoReply: true, DelayAfter: hardware.Duration(time.Second)}, {Send: "ATH", Optional: true}}
	return &p
}

// bubble runs a test with one line in simulated time. change may alter the line's configuration before it is applied.
func bubble(t *testing.T, o FakeOptions, change func(r *rig), test func(r *rig)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, o)
		if change != nil {
			change(r)
		}
		defer r.stop()
		r.apply()
		test(r)
	})
}

func newRig(t *testing.T, o FakeOptions) *rig {
	r := newBareRig(t, o)
	r.modem = newFakeModem(r.far)
	r.stopModem = r.modem.stop
	return r
}

// newBareRig has no modem at its far end.
func newBareRig(t *testing.T, o FakeOptions) *rig {
	node := filepath.Join(t.TempDir(), "ttyFAKE") // what tells a lost carrier from a lost device
	if err := os.WriteFile(node, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	f := NewFake(node, o)
	r := &rig{t: t, fake: f, far: f.Far()}
	r.cfg = LineConfig{Name: "modem1", Device: node, Profile: testProfile()}
	r.handler = func(ctx context.Context, _ *Call) Outcome {
		<-ctx.Done()
		return Outcome{}
	}
	r.mgr = NewManager(ManagerOptions{
		Handler: r, Observer: r, Armed: r.isArmed,
		Open: func(LineConfig) (Opener, error) { return f, nil },
	})
	return r
}

func (r *rig) ServeCall(ctx context.Context, c *Call) Outcome { return r.handler(ctx, c) }

func (r *rig) Answering(_ context.Context, c *Call) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != nil {
		return r.refuse
	}
	r.begun = append(r.begun, c)
	return nil
}

func (r *rig) isArmed(string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.armed
}

func (r *rig) arm(on bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.armed = on
}

// turnedAway returns the calls that were not answered so far.
func (r *rig) turnedAway() []turnedAway {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.away)
}

func (r *rig) NotAnswered(c *Call, why string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.away = append(r.away, turnedAway{c, why})
}

func (r *rig) Ended(_ *Call, e End) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = append(r.ended, e)
}

func (r *rig) StateChanged(_ string, from, to State, _ string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.states = append(r.states, string(from)+">"+string(to))
	if r.entered != nil {
		r.entered(to)
	}
}

func (r *rig) LineEvent(e LineEvent) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *rig) apply(more ...LineConfig) {
	r.t.Helper()
	if err := r.mgr.Apply(context.Background(), append([]LineConfig{r.cfg}, more...)); err != nil {
		r.t.Fatal(err)
	}
}

// stop ends everything, so that the bubble can end; goroutines left over make it fail.
func (r *rig) stop() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := r.mgr.Shutdown(ctx); err != nil {
		r.t.Errorf("shutdown: %v", err)
	}
	r.stopModem()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.begun) != len(r.ended) {
		r.t.Errorf("%d calls began, %d ended", len(r.begun), len(r.ended))
	}
}

// vanish unplugs the device.
func (r *rig) vanish() {
	r.t.Helper()
	if err := os.Remove(r.cfg.Device); err != nil {
		r.t.Fatal(err)
	}
	r.far.Vanish()
	synctest.Wait()
}

// appear plugs it in again.
func (r *rig) appear() {
	r.t.Helper()
	if err := os.WriteFile(r.cfg.Device, nil, 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.far.Appear()
}

func (r *rig) snap() Snapshot {
	r.t.Helper()
	synctest.Wait()
	s, ok := r.mgr.Line(r.cfg.Name)
	if !ok {
		r.t.Fatal("the line is gone")
	}
	return s
}

// within waits in simulated time until the line is in state, and fails when that takes longer than limit.
func (r *rig) within(limit time.Duration, state State) Snapshot {
	r.t.Helper()
	for end := time.Now().Add(limit); ; time.Sleep(time.Millisecond) {
		s := r.snap()
		if s.State == state {
			return s
		}
		if time.Now().After(end) {
			r.t.Fatalf("after %s the line is %s (%s), not %s; %v", limit, s.State, s.Reason, state, r.states)
		}
	}
}

// stays waits for d and fails when the line is not in state then.
func (r *rig) stays(d time.Duration, state State) {
	r.t.Helper()
	time.Sleep(d)
	if s := r.snap(); s.State != state {
		r.t.Fatalf("the line is %s (%s), not %s", s.State, s.Reason, state)
	}
}

// say sends what the modem or the caller says.
func (r *rig) say(text string) {
	r.t.Helper()
	if _, err := r.far.Write([]byte(text)); err != nil {
		r.t.Fatal(err)
	}
	synctest.Wait()
}

// ring brings a call into the dialog.
func (r *rig) ring() {
	r.t.Helper()
	r.say("\r\nRING\r\n")
	r.within(time.Second, Dialog)
}

// lastEnd returns how the only call so far ended.
func (r *rig) lastEnd() End {
	r.t.Helper()
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.ended) == 0 {
		r.t.Fatal("no call has ended")
	}
	return r.ended[len(r.ended)-1]
}

func (r *rig) calls() int {
	synctest.Wait()
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.begun)
}

func wantCause(t *testing.T, e End, cause TerminateCause, reason string) {
	t.Helper()
	if e.Cause != cause || !strings.Contains(e.Reason, reason) {
		t.Errorf("the call ended with %v (%q), want %v (%q)", e.Cause, e.Reason, cause, reason)
	}
}

// fakeModem is a modem at the far end: it answers commands, goes online with ATA and back with DTR, escape or carrier loss.
type fakeModem struct {
	far    *Far
	cancel context.CancelFunc
	done   sync.WaitGroup

	mu       sync.Mutex
	mute     bool              // answers nothing
	deafDTR  bool              // does not hang up when DTR drops
	echo     bool              // echoes commands
	answers  map[string]string // instead of OK; "-" is nothing
	connect  string            // what ATA gives; "" nothing
	carrier  bool              // drives DCD
	online   bool
	guarded  bool           // ATS2=255: the escape is off
	stuck    bool           // DCD stays high whatever happens
	drops    int            // does not notice so many drops of DTR
	escapes  bool           // goes to command mode when DTR drops, and keeps the call (&D1)
	getty    bool           // it is no modem: it echoes what it gets, and prompts after each line
	wakes    string         // what makes a mute modem speak again: a command, or "DTR" and the number of the drop
	parrot   string         // what the caller types at each command that is sent as data
	onData   func(p []byte) // told what is sent as data
	s8       string         // as it was given
	forgets  bool           // keeps no S8
	refuses  string         // answers ERROR to what begins so
	resets   bool           // forgets S8 when DTR drops
	commands []string
	data     bytes.Buffer
	ataAt    time.Time
}

func newFakeModem(far *Far) *fakeModem {
	ctx, cancel := context.WithCancel(context.Background())
	m := &fakeModem{far: far, cancel: cancel, answers: map[string]string{}, connect: "\r\nCONNECT 33600/ARQ/V34/LAPM/V42BIS\r\n", carrier: true}
	m.done.Go(m.read)
	m.done.Go(func() { m.watchDTR(ctx) })
	return m
}

func (m *fakeModem) stop() {
	m.cancel()
	_ = m.far.Close()
	m.done.Wait()
}

func (m *fakeModem) set(change func(m *fakeModem)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	change(m)
}

func (m *fakeModem) said() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]string(nil), m.commands...)
}

// watchDTR hangs up when DTR drops.
func (m *fakeModem) watchDTR(ctx context.Context) {
	for drops := 0; ; {
		s, err := m.far.Wait(ctx, func(s FakeState) bool { return s.DTRDrops > drops })
		if err != nil {
			return
		}
		drops = s.DTRDrops
		m.mu.Lock()
		if m.wakes == fmt.Sprint("DTR", drops) {
			m.mute = false
		}
		if m.resets {
			m.s8 = "002"
		}
		switch {
		case m.drops > 0:
			m.drops--
		case m.escapes:
			m.online = false
		case !m.deafDTR:
			m.hangUp()
		}
		m.mu.Unlock()
	}
}

// hangUp goes back to command mode; mu is held.
func (m *fakeModem) hangUp() {
	m.online = false
	if m.carrier && !m.stuck {
		m.far.SetDCD(false)
	}
}

func (m *fakeModem) read() {
	buf, line := make([]byte, 256), ""
	for {
		n, err := m.far.Read(buf)
		if err != nil {
			return
		}
		m.mu.Lock()
		if m.wakes != "" && strings.Contains(string(buf[:n]), m.wakes) {
			m.mute = false
		}
		if m.getty {
			_, _ = m.far.Write(buf[:n])
			if bytes.Contains(buf[:n], []byte("\r")) {
				_, _ = m.far.Write([]byte("\r\nlogin: "))
			}
			m.mu.Unlock()
			continue
		}
		if m.online {
			m.data.Write(buf[:n])
			if m.onData != nil {
				m.onData(buf[:n])
			}
			if strings.HasSuffix(m.data.String(), "+++") && !m.guarded {
				m.online = false // and in the call still: ATH ends it
			}
			if m.online && bytes.HasSuffix(buf[:n], []byte("\r")) {
				_, _ = m.far.Write([]byte(m.parrot))
			}
			m.mu.Unlock()
			continue
		}
		line += string(buf[:n])
		for {
			command, rest, ok := strings.Cut(line, "\r")
			if !ok {
				break
			}
			line = rest
			m.command(command)
		}
		m.mu.Unlock()
	}
}

// command answers one command; mu is held.
func (m *fakeModem) command(command string) {
	m.commands = append(m.commands, command)
	answer, special := m.answers[command]
	switch {
	case m.mute:
		return
	case m.refuses != "" && strings.HasPrefix(command, m.refuses):
		answer = "\r\nERROR\r\n"
	case command == "ATA" && !special:
		m.ataAt = time.Now()
		answer = m.connect
		if strings.Contains(answer, "CONNECT") {
			m.online = true
			if m.carrier {
				m.far.SetDCD(true)
			}
		}
	case answer == "-":
		return
	case strings.HasPrefix(command, "ATS8=") && !special && !m.forgets:
		m.s8 = strings.TrimPrefix(command, "ATS8=")
		answer = "\r\nOK\r\n"
	case command == "ATS8?" && !special && !m.forgets:
		answer = "\r\n" + m.s8 + "\r\n\r\nOK\r\n"
	case command == "ATS2=255" && !special:
		m.guarded = true
		answer = "\r\nOK\r\n"
	case strings.HasSuffix(command, "ATH") && !special: // also behind an escape that was not needed
		m.hangUp()
		answer = "\r\nOK\r\n"
	case !special:
		answer = "\r\nOK\r\n"
	}
	if m.echo {
		answer = command + "\r" + answer
	}
	_, _ = m.far.Write([]byte(answer))
}

// lose is the caller going away: carrier drops, and the modem says so.
func (m *fakeModem) lose(words string) {
	m.mu.Lock()
	m.hangUp()
	m.mu.Unlock()
	_, _ = m.far.Write([]byte(words))
	synctest.Wait()
}

var errTest = errors.New("for a test")

func stepsText(e End) string {
	var b strings.Builder
	for _, s := range e.Steps {
		fmt.Fprintln(&b, s.What)
	}
	return b.String()
}

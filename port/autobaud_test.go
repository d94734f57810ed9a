package port

import (
	"bytes"
	"context"
	"slices"
	"strings"
	"testing"
	"time"
)

// uart is what a receiver at one speed makes of bytes that are sent at another, 8N1: it looks at the middle of each bit, and after a stop
// bit that is none it goes on at the next edge.
func uart(sent []byte, at, receiver int) (got []byte) {
	level := func(t float64) bool { // at t seconds; idle is high
		bit := int(t * float64(at))
		if t < 0 || bit >= len(sent)*10 {
			return true
		}
		switch n := bit % 10; n {
		case 0:
			return false
		case 9:
			return true
		default:
			return sent[bit/10]>>(n-1)&1 == 1
		}
	}
	const steps = 64 // in a bit of the faster side
	step := 1 / float64(max(at, receiver)*steps)
	end := float64(len(sent)*10+20) / float64(min(at, receiver))
	for t := 0.0; t < end; t += step {
		if level(t) || !level(t-step) {
			continue // no edge that begins a character
		}
		var b byte
		bit := 1 / float64(receiver)
		for n := range 8 {
			if level(t + bit*(1.5+float64(n))) {
				b |= 1 << n
			}
		}
		got = append(got, b)
		t += bit * 9.5
		for !level(t) && t < end {
			t += step
		}
	}
	return got
}

// autobaudCaller is somebody at the far end of a direct line, at one speed.
type autobaudCaller struct {
	r     *rig
	speed int
}

// send sends bytes as the line's device receives them at its present speed.
func (c *autobaudCaller) send(text string) {
	s := c.r.far.State()
	if got := uart([]byte(text), c.speed, s.Settings.Baud); len(got) > 0 {
		c.r.say(string(got))
	}
}

// TestUART: the test's own receiver is right at the same speed, and wrong at others.
func TestUART(t *testing.T) {
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	if got := uart(all, 1200, 1200); !bytes.Equal(got, all) {
		t.Errorf("%x", got)
	}
	if got := uart([]byte("\r"), 1200, 9600); bytes.Equal(got, []byte("\r")) || len(got) == 0 {
		t.Errorf("%x", got)
	}
}

// TestAutobaudByCR: a caller at any of the speeds gets through by pressing Enter, and the call begins at that speed, with what was typed
// after it; the next caller can have another one.
func TestAutobaudByCR(t *testing.T) {
	speeds := []int{9600, 19200, 4800, 2400, 1200, 300}
	for _, enter := range []string{"\r", "\x8d"} { // 8N1 and 7E1
		bubble(t, FakeOptions{}, func(r *rig) {
			r.cfg.Profile, r.cfg.Carrier, r.cfg.Autobaud, r.cfg.Speeds = nil, CarrierIgnore, AutobaudCR, speeds
		}, func(r *rig) {
			for i, speed := range slices.Concat(speeds, speeds[:1], speeds[4:]) {
				r.within(20*time.Second, Listening)
				if got := r.far.State().Settings.Baud; got != speeds[0] {
					t.Fatalf("the search begins at %d", got)
				}
				c, presses := &autobaudCaller{r, speed}, 0
				for r.snap().State == Listening && presses < 2*len(speeds) {
					c.send(enter)
					presses++
					time.Sleep(500 * time.Millisecond)
				}
				r.within(time.Second, Dialog)
				if got := r.far.State().Settings.Baud; got != speed || presses > 2*len(speeds) {
					t.Errorf("%d bit/s: the call is at %d after %d presses", speed, got, presses)
				}
				if err := r.mgr.Hangup(context.Background(), r.cfg.Name); err != nil {
					t.Error(err)
				}
				r.within(20*time.Second, Listening)
				if e := r.lastEnd(); !strings.Contains(stepsText(e), "CR at ") || r.calls() != i+1 {
					t.Errorf("%d calls:\n%s", r.calls(), stepsText(e))
				}
			}
		})
	}
}

// TestAutobaudByBreak: each break goes one speed further, round and round; noise and text begin nothing, Enter does.
func TestAutobaudByBreak(t *testing.T) {
	var h readAll
	bubble(t, FakeOptions{}, func(r *rig) {
		r.handler = h.serve
		r.cfg.Profile, r.cfg.Carrier, r.cfg.Autobaud, r.cfg.Speeds = nil, CarrierIgnore, AutobaudBreak, []int{9600, 1200, 300}
	}, func(r *rig) {
		r.within(time.Second, Listening)
		for _, want := range []int{1200, 300, 9600, 1200} {
			r.say("\x00") // a break
			r.say("\x00\xff")
			time.Sleep(autobaudDeaf)
			if got := r.far.State().Settings.Baud; got != want {
				t.Errorf("at %d after the break, want %d", got, want)
			}
		}
		r.say("noise\xff~")
		r.stays(time.Second, Listening)
		r.say("\r\nalice\r")
		r.within(time.Second, Dialog)
		if got := r.far.State().Settings.Baud; got != 1200 {
			t.Errorf("the call is at %d", got)
		}
		r.say("x\x00y") // in the call a break is the caller's
		time.Sleep(time.Second)
		if err := r.mgr.Hangup(context.Background(), r.cfg.Name); err != nil {
			t.Error(err)
		}
		r.within(20*time.Second, Listening)
		if got := string(h.got); got != "alice\rx\x00y" {
			t.Errorf("the dialog got %q", got)
		}
		if got := r.far.State().Settings.Baud; got != 9600 {
			t.Errorf("the next search begins at %d", got)
		}
	})
}

// TestAutobaudWithoutDCD: on a cable that has no DCD the search is not begun anew by a carrier that was never there.
func TestAutobaudWithoutDCD(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		r.cfg.Profile, r.cfg.Autobaud, r.cfg.Speeds = nil, AutobaudBreak, []int{9600, 1200, 300}
	}, func(r *rig) {
		r.within(time.Second, Listening)
		for _, want := range []int{1200, 300} {
			r.say("\x00")
			time.Sleep(4 * carrierPoll)
			if got := r.far.State().Settings.Baud; got != want {
				t.Errorf("at %d after the break, want %d", got, want)
			}
		}
		r.say("\r")
		r.within(time.Second, Dialog)
	})
}

// TestAutobaudAndCarrier: carrier alone begins no call, its loss begins the search anew, and without it nothing is looked at where it is
// required.
func TestAutobaudAndCarrier(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		r.cfg.Profile, r.cfg.Carrier, r.cfg.Autobaud, r.cfg.Speeds = nil, CarrierRequired, AutobaudCR, []int{9600, 1200}
	}, func(r *rig) {
		r.within(time.Second, Listening)
		r.say("\r")
		r.stays(time.Second, Listening) // nobody is there: noise
		r.far.SetDCD(true)
		r.stays(time.Second, Listening)
		r.say("\xe6")
		if got := r.far.State().Settings.Baud; got != 1200 {
			t.Errorf("at %d", got)
		}
		r.far.SetDCD(false)
		time.Sleep(2 * carrierPoll)
		if got := r.far.State().Settings.Baud; got != 9600 {
			t.Errorf("a new caller is met at %d", got)
		}
		r.far.SetDCD(true)
		time.Sleep(time.Second)
		r.say("\r")
		r.within(time.Second, Dialog)
		r.far.SetDCD(false)
		r.within(5*time.Second, Listening)
		wantCause(t, r.lastEnd(), LostCarrier, "")
	})
}

// TestAutobaudNoise: an hour of noise on a line that looks for a speed begins no call and is answered by nothing.
func TestAutobaudNoise(t *testing.T) {
	bubble(t, FakeOptions{NoSignals: true}, func(r *rig) {
		r.cfg.Profile, r.cfg.Autobaud, r.cfg.Speeds = nil, AutobaudCR, []int{9600, 1200, 300}
	}, func(r *rig) {
		r.within(time.Second, Listening)
		for i := range 3600 {
			r.say(strings.Repeat(string(rune('a'+i%26)), 1+i%100))
			time.Sleep(time.Second)
		}
		if s := r.snap(); s.State != Listening || r.calls() != 0 {
			t.Errorf("%s, %d calls", s.State, r.calls())
		}
	})
}

func TestAutobaudCheck(t *testing.T) {
	for _, c := range []struct {
		cfg LineConfig
		ok  bool
	}{
		{LineConfig{Autobaud: AutobaudCR, Speeds: []int{300}}, true},
		{LineConfig{Autobaud: AutobaudNone, Profile: testProfile()}, true},
		{LineConfig{Autobaud: "auto", Speeds: []int{300}}, false},
		{LineConfig{Autobaud: AutobaudCR}, false},
		{LineConfig{Autobaud: AutobaudBreak, Speeds: []int{0}}, false},
		{LineConfig{Autobaud: AutobaudBreak, Speeds: []int{300}, Profile: testProfile()}, false},
	} {
		c.cfg.Name = "x"
		if err := c.cfg.check(); (err == nil) != c.ok {
			t.Errorf("%+v: %v", c.cfg, err)
		}
	}
}

package e2e

import (
	"strconv"
	"testing"

	"rashost/port/modemsim"
)

// initCommands is how many commands the profile's set-up sends.
const initCommands = 8

// The modem stops answering at each command of the set-up: the line says which, tries again, and comes back with the modem.
func TestModemMuteInInit(t *testing.T) {
	t.Parallel()
	required := []string{"ATQ0", "ATV1", "ATE0", "", "", "ATS0=0", "", ""}
	for n := range initCommands {
		t.Run("command "+strconv.Itoa(n+1), func(t *testing.T) {
			t.Parallel()
			h := newHost(t, newConf("one"))
			h.modems["one"].SetFaults(modemsim.Faults{MuteAfter: n, Mute: n == 0})
			h.start()
			if required[n] == "" { // an optional command: the next required one fails, or the line works without it
				eventually(t, "the line got on", func() (bool, string) {
					l := h.lineView("one")
					return l.State == "listening" || l.State == "recovering", l.State
				})
			} else {
				h.wantReason("one", "recovering", required[n])
			}
			h.modems["one"].SetFaults(modemsim.Faults{})
			h.wantBack("one")
		})
	}
}

// A modem that refuses a command that it must know: the line names the command.
func TestModemRefusesInit(t *testing.T) {
	t.Parallel()
	h := newHost(t, newConf("one", "two"))
	h.modems["one"].SetFaults(modemsim.Faults{Reject: []string{"S0=0"}})
	h.start()
	h.wantReason("one", "recovering", "ATS0=0", "ERROR")
	by := h.bystander("two")
	h.modems["one"].SetFaults(modemsim.Faults{})
	h.wantBack("one")
	by.undisturbed()
}

// The modem does not connect after ATA, and is dead from then on until it comes back.
func TestModemDiesAtATA(t *testing.T) {
	t.Parallel()
	h := slowHost(t)
	hangUp := h.modems["one"].ring(t, ringTwice)
	h.wantState("one", "answering")
	h.modems["one"].SetFaults(modemsim.Faults{Wedged: true})
	got := h.wantRecord("one", 1, record{cause: "Port-Error", verdict: "none"}) // after the profile's 20 s
	if got.Connect != "" {
		t.Errorf("CONNECT %q in the record of a call that never connected", got.Connect)
	}
	h.wantReason("one", "recovering")
	hangUp()
	h.modems["one"].SetFaults(modemsim.Faults{})
	h.wantState("one", "listening")
}

// The modem dies in a call: neither the caller nor the operator can end it in order, yet the record is closed and the line comes back.
func TestModemDiesInCall(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one", "two"))
	by := h.bystander("two")
	c := h.modems["one"].dial(t)
	c.login(alice, alicePassword)
	h.modems["one"].SetFaults(modemsim.Faults{Wedged: true})
	h.ok("hangup", "one")
	h.wantReason("one", "recovering")
	h.wantRecord("one", 1, record{cause: "Admin-Reset", verdict: "success", user: alice})
	h.modems["one"].SetFaults(modemsim.Faults{})
	h.wantBack("one")
	by.undisturbed()
}

// The modem answers nothing at the hang-up and rings on afterwards.
func TestModemMuteAtHangUp(t *testing.T) {
	t.Parallel()
	h := startHost(t, newConf("one"))
	c := h.modems["one"].dial(t)
	c.login(alice, alicePassword)
	h.modems["one"].SetFaults(modemsim.Faults{Mute: true})
	c.raw([]byte{4}) // the session ends
	h.wantReason("one", "recovering")
	h.wantRecord("one", 1, record{cause: "User-Request", verdict: "success", user: alice})
	h.modems["one"].SetFaults(modemsim.Faults{})
	h.wantBack("one")
}

// A modem that does not notice DTR, nor a closed device, is hung up by ATH.
func TestModemDeafToDTR(t *testing.T) {
	t.Parallel()
	h := newHost(t, newConf("one"))
	h.modems["one"].off()
	h.plug("one", modemsim.Options{Faults: modemsim.Faults{DeafToDTR: true, Reject: []string{"S2=255"}}})
	h.start()
	h.wantState("one", "listening")
	c := h.modems["one"].dial(t)
	c.login(alice, alicePassword)
	h.ok("hangup", "one")
	// Its guard time is a second, the profile's 20 ms: the escape fails, the line recovers by itself or says that it does not.
	eventually(t, "the line says what is wrong", func() (bool, string) {
		l := h.lineView("one")
		return l.State == "recovering" || l.State == "listening", l.State
	})
	h.wantRecord("one", 1, record{cause: "Admin-Reset", verdict: "success", user: alice})
	h.modems["one"].SetFaults(modemsim.Faults{})
	h.wantBack("one")
}

// A RING in the middle of the set-up is not lost.
func TestRingInInit(t *testing.T) {
	t.Parallel()
	c := newConf("one")
	h := newHost(t, c)
	h.modems["one"].off()
	told := make(chan struct{}, 1) // a modem that knows of no open device says nothing of a ring
	h.plug("one", modemsim.Options{Timing: modemsim.Timing{Command: modemCommandTime}, OnCommand: func(string) {
		select {
		case told <- struct{}{}:
		default:
		}
	}})
	h.start()
	h.wantState("one", "initializing")
	<-told
	one := h.modems["one"].dial(t) // rings once, at once
	one.login(alice, alicePassword)
}

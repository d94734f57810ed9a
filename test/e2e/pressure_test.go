package e2e

import (
	"bytes"
	"io"
	"os"
	"testing"
)

// pressureBound is how much memory the daemon may take, in KiB, when 8 MB wait in front of somebody who does not read.
const pressureBound = 192 << 10

// A service that does not read: the caller waits, nothing is piled up, and the operator can end it.
func TestServiceDoesNotRead(t *testing.T) {
	t.Parallel()
	c := newConf("one", "two")
	c.services += "  deaf: {type: command, command: [/bin/sh, -c, 'stty raw -echo; echo READY $RASHOST_USER; exec sleep 1000'], grace: 300ms" + runAs() + "}\n"
	c.line("one").keys = "service: deaf"
	h := startHost(t, c)
	by := h.bystander("two")
	one := h.modems["one"].dial(t)
	one.login(alice, alicePassword)
	before := h.rss()
	done := make(chan struct{})
	go func() { defer close(done); one.flood(bytes.Repeat([]byte("x"), 8<<20)) }()
	eventually(t, "bytes got as far as the service", func() (bool, string) {
		calls := h.calls("one")
		return len(calls) == 1, ""
	})
	by.undisturbed()
	select {
	case <-done:
		t.Error("8 MB went into a service that does not read")
	default:
	}
	if kb := h.rss(); kb-before > 4<<10 && os.Getenv("RASHOST_E2E_RACE") == "" {
		t.Errorf("the daemon grew by %d KiB", kb-before)
	}
	h.ok("hangup", "one")
	<-done
	h.wantRecord("one", 1, record{cause: "Admin-Reset", verdict: "success", user: alice})
	h.wantState("one", "listening")
	by.undisturbed()
}

// A caller who does not read while the service floods: the service waits, nothing is piled up, and the line is hung up all the same.
func TestCallerDoesNotRead(t *testing.T) {
	t.Parallel()
	c := newConf("one", "two")
	c.services += "  loud: {type: command, command: [/bin/sh, -c, 'echo READY $RASHOST_USER; exec cat /dev/zero'], grace: 300ms" + runAs() + "}\n"
	c.line("one").keys = "service: loud"
	h := startHost(t, c)
	by := h.bystander("two")
	one := h.modems["one"].dial(t)
	one.login(alice, alicePassword)
	by.undisturbed()
	if kb := h.rss(); kb > pressureBound && os.Getenv("RASHOST_E2E_RACE") == "" {
		t.Errorf("the daemon took %d KiB", kb)
	}
	h.ok("hangup", "one")
	h.wantRecord("one", 1, record{cause: "Admin-Reset", verdict: "success", user: alice})
	_, _ = io.Copy(io.Discard, one.far)
	h.wantState("one", "listening")
	by.undisturbed()
}

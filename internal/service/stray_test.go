package service

import (
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

// A rashost that was started from the session of a stray does not end itself.
func TestStraysSpareTheirFinder(t *testing.T) {
	own, err := unix.Getsid(0)
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []strayNote{
		{PID: own, Start: startOf(own), Boot: bootID(), Session: true, CallID: "1"},
		{PID: os.Getpid(), Start: startOf(os.Getpid()), Boot: bootID()},
	} {
		if pids := n.processes(); len(pids) > 0 {
			t.Errorf("%+v: %v would be ended", n, pids)
		}
	}
}

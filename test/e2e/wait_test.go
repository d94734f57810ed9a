package e2e

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"
)

// eventually waits until cond is true. cond also says what is the case instead, for the message.
func eventually(t *testing.T, what string, cond func() (bool, string)) {
	t.Helper()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	pause := 5 * time.Millisecond
	for {
		ok, instead := cond()
		if ok {
			return
		}
		select {
		case <-limit.C:
			t.Fatalf("not within %s: %s; instead: %s", patience, what, instead)
		case <-time.After(pause):
		}
		pause = min(2*pause, 100*time.Millisecond)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// needsRoot leaves a test out loudly when it is not root's.
func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "root")
	}
}

// needsProgram leaves a test out loudly when a program is missing.
func needsProgram(t *testing.T, program, pkg string) {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		missing(t, "package "+pkg)
	}
}

func missing(t *testing.T, what string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf("NOT RUN: needs %s", what)
	}
	t.Skipf("NOT RUN: needs %s", what)
}

// contains says whether text holds all of parts.
func contains(text string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(text, p) {
			return false
		}
	}
	return true
}

// pid is the process number of a host's daemon.
func pid(h *host) string { return strconv.Itoa(h.cmd.Process.Pid) }

// quickRace is the environment of the binary. One with the race detector would stay a second after its end.
func quickRace() []string { return append(os.Environ(), "GORACE=atexit_sleep_ms=0 halt_on_error=1") }

package users

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// discard is a logger that says nothing.
var discard = slog.New(slog.DiscardHandler)

func mustLockout(t testing.TB, path string, denials int, reset time.Duration) *Lockout {
	t.Helper()
	l, err := OpenLockout(path, denials, reset, discard)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// judges checks a series of tries: each letter is one, + with the right password, - with a wrong one; upper and lower case of want
// say what counted: Y let in, n refused.
func judges(t *testing.T, l *Lockout, name, line, tries, want string) {
	t.Helper()
	got := ""
	for _, try := range tries {
		if l.Judge(name, line, try == '+') {
			got += "Y"
		} else {
			got += "n"
		}
	}
	if got != want {
		t.Errorf("%s on %s: %s gave %s, want %s", name, line, tries, got, want)
	}
}

func TestLockout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := mustLockout(t, filepath.Join(t.TempDir(), "lockout.json"), 3, time.Hour)
		judges(t, l, "alice", "modem1", "--+--+", "nnYnnY") // a success forgets
		judges(t, l, "alice", "modem1", "---+", "nnnn")
		judges(t, l, "ALICE", "modem1", "+", "n") // names compare without case
		judges(t, l, "alice", "modem2", "+", "Y") // counted per line
		judges(t, l, "bob", "modem1", "+", "Y")   // and per account
		time.Sleep(59 * time.Minute)
		judges(t, l, "alice", "modem1", "+-+", "nnn") // tries meanwhile change nothing
		time.Sleep(time.Minute)
		judges(t, l, "alice", "modem1", "+", "Y")
		judges(t, l, "alice", "modem1", "--", "nn")
		time.Sleep(time.Hour)
		judges(t, l, "alice", "modem1", "--+", "nnY") // old failures do not add up with new ones
	})
}

func TestLockoutCountsUnknownNamesAlike(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lockout.json")
	l := mustLockout(t, path, 2, time.Hour)
	judges(t, l, "nobody", "modem1", "---", "nnn")
	if f := l.state.Failures; len(f) != 1 || f[0].Denials != 3 {
		t.Errorf("kept: %+v", f)
	}
	// What was typed as a name may be a password: it is not in the file.
	judges(t, l, "hunter2", "modem1", "-", "n")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, []byte("hunter2")) || bytes.Contains(data, []byte("nobody")) {
		t.Errorf("the state shows a name: %s", data)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

func TestLockoutOutlivesRestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lockout.json")
	judges(t, mustLockout(t, path, 2, time.Hour), "alice", "modem1", "--", "nn")
	judges(t, mustLockout(t, path, 2, time.Hour), "alice", "modem1", "+", "n")
}

func TestUnlockReachesARunningHost(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lockout.json")
	if was, err := Unlock(path, "alice"); was || err != nil {
		t.Errorf("Unlock without a file: %v, %v", was, err)
	}
	l := mustLockout(t, path, 2, time.Hour)
	judges(t, l, "alice", "modem1", "--+", "nnn")
	judges(t, l, "alice", "modem2", "--+", "nnn")
	judges(t, l, "bob", "modem1", "--+", "nnn")
	if was, err := Unlock(path, "ALICE"); !was || err != nil {
		t.Errorf("Unlock: %v, %v", was, err)
	}
	judges(t, l, "alice", "modem1", "+", "Y")
	judges(t, l, "alice", "modem2", "+", "Y")
	judges(t, l, "bob", "modem1", "+", "n")
	if was, err := Unlock(path, "alice"); was || err != nil {
		t.Errorf("Unlock again: %v, %v", was, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	judges(t, l, "bob", "modem1", "+", "Y") // removing the file forgets all
}

func TestLockoutConcurrentWriters(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lockout.json")
	a, b := mustLockout(t, path, 100, time.Hour), mustLockout(t, path, 100, time.Hour) // as two processes
	var wg sync.WaitGroup
	for _, l := range []*Lockout{a, b} {
		wg.Go(func() {
			for i := range 20 {
				l.Judge("alice", fmt.Sprint("modem", i%2), false)
			}
		})
	}
	wg.Wait()
	state, _, err := loadLockouts(path)
	if err != nil || len(state.Failures) != 2 || state.Failures[0].Denials+state.Failures[1].Denials != 40 {
		t.Errorf("%+v, %v", state, err)
	}
}

func TestLockoutIsBounded(t *testing.T) {
	l := mustLockout(t, filepath.Join(t.TempDir(), "lockout.json"), 2, time.Hour)
	judges(t, l, "alice", "modem1", "--", "nn")
	now := time.Now()
	for i := range maxLockouts {
		l.state.Failures = append(l.state.Failures, failures{Account: fmt.Sprint(i), Line: "modem1", Denials: 1, Since: now})
	}
	l.state.Failures = l.state.Failures[:maxLockouts]
	l.save()
	judges(t, l, "bob", "modem1", "-", "n")
	if n := len(l.state.Failures); n != maxLockouts {
		t.Errorf("%d accounts are kept", n)
	}
	judges(t, l, "alice", "modem1", "+", "n") // a flood of names does not unlock
	if got := l.state.Failures[0].Account; got != "1" {
		t.Errorf("the oldest is now %s: 0 should have gone", got)
	}
	mustLockout(t, l.path, 2, time.Hour) // and the file can be read
}

func TestLockoutClockSetBack(t *testing.T) {
	l := mustLockout(t, filepath.Join(t.TempDir(), "lockout.json"), 1, time.Hour)
	judges(t, l, "alice", "modem1", "-", "n")
	l.state.Failures[0].Since = time.Now().Add(24 * time.Hour)
	judges(t, l, "alice", "modem1", "+", "n")
	if since := l.state.Failures[0].Since; since.After(time.Now()) {
		t.Errorf("locked out from %v on", since)
	}
}

func TestDamagedLockoutStopsTheStart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lockout.json")
	for _, text := range []string{"", "{", `{"version":2,"key":"x"}`, `{"version":1}`, `[]`} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := OpenLockout(path, 1, time.Hour, discard); err == nil || !strings.Contains(err.Error(), path+" is damaged") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// Without a usable folder the count goes on in memory, and that is said once.
func TestLockoutWithoutFolder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		dir := filepath.Join(t.TempDir(), "missing")
		l, err := OpenLockout(filepath.Join(dir, "lockout.json"), 2, time.Hour, slog.New(slog.NewTextHandler(&log, nil)))
		if err != nil {
			t.Fatal(err)
		}
		judges(t, l, "alice", "modem1", "--+", "nnn")
		if n := strings.Count(log.String(), "kept in memory only"); n != 1 {
			t.Errorf("said %d times: %s", n, log.String())
		}
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		time.Sleep(lockoutRetry)
		judges(t, l, "alice", "modem1", "+", "n")
		judges(t, mustLockout(t, l.path, 2, time.Hour), "alice", "modem1", "+", "n") // what was in memory is written
	})
}

// FuzzLockouts opens any state. It is refused as damaged, or it counts: an account whose denials are used up is not let in, whatever the
// state said before, and what is written can be read again.
func FuzzLockouts(f *testing.F) {
	alice := (&lockoutState{Key: "k"}).key("alice")
	entry := func(denials, since string) string {
		return fmt.Sprintf(`{"version":1,"key":"k","failures":[{"account":%q,"line":"modem1","denials":%s,"since":%q}]}`, alice, denials, since)
	}
	for _, seed := range []string{
		"", "{}", "null", "[]", `{"version":1,"key":"k"}`, `{"version":1,"key":"k","failures":null}`, `{"version":2,"key":"k"}`,
		entry("-9223372036854775808", "2999-01-01T00:00:00Z"), entry("9223372036854775807", "2999-01-01T00:00:00Z"),
		entry("1073741824", "2999-01-01T00:00:00Z"), entry("2", "0001-01-01T00:00:00Z"), entry("1e3", "9999-12-31T23:59:59Z"),
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "lockout.json")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		l, err := OpenLockout(path, 2, time.Hour, discard)
		if err != nil {
			if !strings.Contains(err.Error(), path+" is damaged") {
				t.Errorf("refused with %v", err)
			}
			return
		}
		for range 2 {
			if l.Judge("alice", "modem1", false) {
				t.Error("a wrong password counted as right")
			}
		}
		if l.Judge("alice", "modem1", true) {
			t.Error("an account was let in after two failures of two")
		}
		again, err := OpenLockout(path, 2, time.Hour, discard)
		if err != nil {
			t.Fatalf("what was written can't be read: %v", err)
		}
		if n := len(again.state.Failures); n == 0 || n > maxLockouts || again.Judge("alice", "modem1", true) {
			t.Errorf("after a restart there are %d entries, or the account is let in", n)
		}
	})
}

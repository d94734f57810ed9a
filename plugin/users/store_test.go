package users

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

func mustStore(t testing.TB, path string) (*Store, *logBuffer) {
	t.Helper()
	log := new(logBuffer)
	s, err := OpenStore(path, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return s, log
}

// knows checks which names a store finds.
func knows(t *testing.T, s *Store, want bool, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, got, err := s.Lookup(t.Context(), name); got != want || err != nil {
			t.Errorf("%s is known: %v, %v; want %v", name, got, err, want)
		}
	}
}

func TestReload(t *testing.T) {
	path := writeUsers(t, oneUser("alice", cheapHash))
	s, log := mustStore(t, path)
	knows(t, s, true, "alice", "ALICE")
	replaceUsers(t, path, oneUser("bob", cheapHash))
	knows(t, s, true, "bob")
	knows(t, s, false, "alice")
	replaceUsers(t, path, oneUser("carol", "broken"))
	knows(t, s, true, "bob")
	knows(t, s, false, "carol")
	if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), "line 4: hash") {
		t.Errorf("the broken file was reported %d times: %s", n, log)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	knows(t, s, false, "bob", "alice")
	knows(t, s, false, "bob")
	if n := strings.Count(log.String(), "user file is missing"); n != 1 {
		t.Errorf("the missing file was reported %d times", n)
	}
	replaceUsers(t, path, oneUser("dave", cheapHash))
	knows(t, s, true, "dave")
}

func TestKnown(t *testing.T) {
	s, _ := mustStore(t, writeUsers(t, oneUser("Alice", cheapHash)))
	if !s.Known("aLiCe") || s.Known("hunter2") || s.Known("") {
		t.Error("wrong answers")
	}
	// Case folds in ASCII only: the Kelvin sign is no k.
	if Fold("AZaz\u212a") != "azaz\u212a" {
		t.Error("Fold goes beyond ASCII")
	}
}

func TestLookup(t *testing.T) {
	s, log := mustStore(t, filepath.Join(t.TempDir(), "users.yaml"))
	if !strings.Contains(log.String(), "rashost user add") {
		t.Errorf("log: %s", log)
	}
	knows(t, s, false, "alice")
	replaceUsers(t, s.path, oneUser("Alice", cheapHash)+"    disabled: true\n")
	a, ok, err := s.Lookup(t.Context(), "aLICE")
	if !ok || err != nil || a.Name != "Alice" || a.Hash != cheapHash || !a.Disabled {
		t.Errorf("%+v, %v, %v", a, ok, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok, err := s.Lookup(ctx, "alice"); ok || !errors.Is(err, context.Canceled) {
		t.Errorf("after the call: %v, %v", ok, err)
	}
	for name, text := range map[string]string{"broken": "version: 7\n", "open to others": oneUser("alice", cheapHash)} {
		path := writeUsers(t, text)
		if name != "broken" {
			if err := os.Chmod(path, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if s, err := OpenStore(path, nil); s != nil || err == nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Of many logins that prove the same one-time password, one counts.
func TestUpdateOTPHasOneWinner(t *testing.T) {
	path := writeUsers(t, oneUser("alice", cheapHash))
	f := mustFile(t, path)
	if err := f.StartOTP("alice", "md5", []byte("This is a test.")); err != nil {
		t.Fatal(err)
	}
	old := *readAccount(t, path, "alice").OTP
	next := old
	next.Sequence--
	next.Last = []byte("87654321")
	const logins = 8
	results := make([]error, logins)
	var wg sync.WaitGroup
	for i := range logins {
		s, _ := mustStore(t, path) // as in another process
		wg.Go(func() { results[i] = s.UpdateOTP(t.Context(), "ALICE", old, next) })
	}
	wg.Wait()
	won := 0
	for _, err := range results {
		if err == nil {
			won++
		} else if !errors.Is(err, ErrChanged) {
			t.Error(err)
		}
	}
	if a := readAccount(t, path, "alice"); won != 1 || !a.OTP.equal(next) {
		t.Errorf("%d logins won; the file has %+v", won, a.OTP)
	}
}

func TestUpdateOTPRefused(t *testing.T) {
	path := writeUsers(t, oneUser("alice", cheapHash))
	f := mustFile(t, path)
	s, _ := mustStore(t, path)
	good := OTP{Algorithm: "md5", Seed: "ke1234", Sequence: 498, Last: []byte("12345678")}
	if err := s.UpdateOTP(t.Context(), "bob", good, good); !errors.Is(err, ErrNoUser) {
		t.Errorf("unknown user: %v", err)
	}
	if err := s.UpdateOTP(t.Context(), "alice", good, good); !errors.Is(err, ErrChanged) {
		t.Errorf("no one-time passwords: %v", err)
	}
	if err := f.StartOTP("alice", "md5", []byte("This is a test.")); err != nil {
		t.Fatal(err)
	}
	old := *readAccount(t, path, "alice").OTP
	for name, edit := range map[string]func(o *OTP){
		"algorithm": func(o *OTP) { o.Algorithm = "sha1" }, "seed": func(o *OTP) { o.Seed = "other" },
		"sequence": func(o *OTP) { o.Sequence++ }, "last": func(o *OTP) { o.Last = []byte("12345678") },
	} {
		other := old
		edit(&other)
		if err := s.UpdateOTP(t.Context(), "alice", other, good); !errors.Is(err, ErrChanged) {
			t.Errorf("another %s: %v", name, err)
		}
	}
	for name, edit := range map[string]func(o *OTP){
		"algorithm": func(o *OTP) { o.Algorithm = "md6" }, "seed": func(o *OTP) { o.Seed = "a b" },
		"sequence": func(o *OTP) { o.Sequence = -1 }, "last": func(o *OTP) { o.Last = nil },
	} {
		bad := good
		edit(&bad)
		if err := s.UpdateOTP(t.Context(), "alice", old, bad); err == nil || errors.Is(err, ErrChanged) {
			t.Errorf("a state that could not be read again, by its %s: %v", name, err)
		}
	}
	if err := f.SetDisabled("alice", true); err != nil {
		t.Fatal(err)
	}
	if err := s.UpdateOTP(t.Context(), "alice", old, good); !errors.Is(err, ErrChanged) {
		t.Errorf("a user disabled meanwhile: %v", err)
	}
	if a := readAccount(t, path, "alice"); !a.OTP.equal(old) {
		t.Errorf("the file has %+v", a.OTP)
	}
}

// A hash that is renewed at login does not undo a password that was changed meanwhile.
func TestUpdateHashLosesAgainstPasswd(t *testing.T) {
	path := writeUsers(t, oneUser("alice", cheapHash))
	f := mustFile(t, path)
	s, _ := mustStore(t, path)
	if err := s.UpdateHash(t.Context(), "alice", cheapHash, glibcHashes["yescrypt"]); err != nil {
		t.Fatal(err)
	}
	if a := readAccount(t, path, "alice"); a.Hash != glibcHashes["yescrypt"] {
		t.Errorf("the hash is %s", a.Hash)
	}
	if err := f.Passwd("alice", []byte("new secret"), Verifiers{}); err != nil {
		t.Fatal(err)
	}
	if err := s.UpdateHash(t.Context(), "alice", glibcHashes["yescrypt"], cheapHash); !errors.Is(err, ErrChanged) {
		t.Errorf("got %v", err)
	}
	if ok, err := f.Verify("alice", []byte("new secret")); !ok || err != nil {
		t.Errorf("the new password: %v, %v", ok, err)
	}
}

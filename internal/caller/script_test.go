package caller

import (
	"errors"
	"io"
	"net"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestParseScript(t *testing.T) {
	got, err := ParseScript("x.login", []byte("# how to log in\r\nuser alice\n\n timeout 5s\nabort BUSY\nexpect  Password: \nsend\nsecret\nsecret hush\nraw \"\\x03 \\\"\"\n"))
	want := Script{
		User: "alice", Timeout: 5 * time.Second, Aborts: []string{"BUSY"},
		Steps: []Step{{Expect, "Password:", 6}, {Send, "", 7}, {Secret, "", 8}, {Secret, "hush", 9}, {Raw, "\x03 \"", 10}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v, %v\nwant %+v", got, err, want)
	}
}

func TestParseScriptFaults(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "x: there is nothing to do",
		"# nothing":                     "x: there is nothing to do",
		"wait x\nexpect\nsend \"a":      "x:1: \"wait\" is unknown: allowed are expect, send, secret, raw, user, abort, timeout\nx:2: \"expect\" needs a text\nx:3: \"\\\"a\" is no text in double quotes",
		"timeout 2h":                    "x:1: timeout \"2h\" is no time from 1ms to 1h0m0s, such as 30s",
		strings.Repeat("send x\n", 501): "x:501: more than 500 steps",
		strings.Repeat("#", 70_000):     "x: the script is larger than 65536 bytes",
	} {
		if _, err := ParseScript("x", []byte(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%.20q: got  %v\nwant %s", text, err, want)
		}
	}
}

// A script logs in; what it says of its progress has no secret in it, neither its own nor that of the call.
func TestScriptRuns(t *testing.T) {
	s, err := ParseScript("x", []byte("expect name:\nsend alice\nexpect word:\nsecret\nexpect again:\nsecret hush\nexpect in"))
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	typed := make(chan string, 1)
	go func() {
		var all strings.Builder
		for _, prompt := range []string{"name:", "word:", "again:"} {
			_, _ = io.WriteString(far, prompt)
			b := make([]byte, 100)
			n, _ := far.Read(b)
			all.Write(b[:n])
		}
		_, _ = io.WriteString(far, "come in")
		typed <- all.String()
	}()
	var said strings.Builder
	if err := s.Run(t.Context(), New(near), []byte("wonderland"), func(step string) { said.WriteString(step + "\n") }); err != nil {
		t.Fatal(err)
	}
	if got := <-typed; got != "alice\rwonderland\rhush\r" {
		t.Errorf("typed %q", got)
	}
	if text := said.String(); strings.Contains(text, "wonderland") || strings.Contains(text, "hush") || !strings.Contains(text, `waiting for "name:"`) {
		t.Errorf("it said %s", text)
	}
}

// TestScriptHidesEchoes: an error shows nothing of a secret that the far end has echoed, where it stands whole and where only a part of it
// is among the last bytes, because they are the last, another text took the others, or the rest has not come.
func TestScriptHidesEchoes(t *testing.T) {
	const secret, typed = "wonder-land-7", "hush-hush"
	pad := strings.Repeat("x", tailShown-4)
	for name, c := range map[string]struct{ script, says, want string }{
		"whole":             {"expect in", "what is wonder-land-7?\r\nor hush-hush?", `what is (secret)?\r\nor (secret)?`},
		"cut in front":      {"expect in", "what is wonder-land-7" + pad, `(secret)` + pad},
		"cut, the script's": {"expect in", "what is hush-hush" + pad, `(secret)` + pad},
		"cut by an expect":  {"expect wonder\nexpect in", "wonder-land-7?", `(secret)?`},
		"not yet whole":     {"expect in", "what is wonder-land", `what is (secret)`},
		"the middle":        {"expect wonder\nexpect in", "wonder-land", `(secret)`},
		"chance":            {"expect in", "7 o'clock w", `7 o'clock w`},
		"nothing":           {"expect in", "", ``},
	} {
		t.Run(name, func(t *testing.T) {
			s, err := ParseScript("x", []byte("timeout 1m\n"+c.script+"\nsecret "+typed))
			if err != nil {
				t.Fatal(err)
			}
			near, far := net.Pipe()
			go func() {
				_, _ = io.WriteString(far, c.says)
				_ = far.Close()
			}()
			var e *ExpectError
			err = s.Run(t.Context(), New(near), []byte(secret), nil)
			if !errors.As(err, &e) || e.Got != strings.ReplaceAll(c.want, `\r\n`, "\r\n") || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestScriptEnds(t *testing.T) {
	run := func(t *testing.T, text, sent string) error {
		s, err := ParseScript("x", []byte(text))
		if err != nil {
			t.Fatal(err)
		}
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		go func() { _, _ = io.WriteString(far, sent) }()
		return s.Run(t.Context(), New(near), nil, nil)
	}
	if err := run(t, "abort BUSY\nexpect name:", "NOW BUSY\r\n"); !errors.Is(err, ErrAborted) || !strings.Contains(err.Error(), `line 2 of the script: the far end ended the login: it said "BUSY"`) {
		t.Errorf("got %v", err)
	}
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		err := run(t, "timeout 7s\nexpect name:", "nothing of the kind")
		var e *ExpectError
		if !errors.As(err, &e) || e.Got != "nothing of the kind" || !strings.Contains(err.Error(), "waited 7s") || time.Since(began) != 7*time.Second {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		if err := run(t, "expect name:", ""); err == nil || time.Since(began) != time.Minute {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
	})
}

package client

import (
	"bufio"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// far is the far end of a login: a script in Go.
type far struct {
	t    *testing.T
	conn net.Conn
	r    *bufio.Reader
}

func (f *far) say(text string) { _, _ = io.WriteString(f.conn, text) }

// hear wants this line.
func (f *far) hear(want string) {
	line, err := f.r.ReadString('\n')
	if err != nil || line != want+"\r\n" {
		f.t.Errorf("the far end heard %q, %v; want %q", line, err, want)
	}
}

func (f *far) scram() *vectorServer { return &vectorServer{f, vectors()[1]} }

// vectorServer speaks the server's side of RFC 7677, section 3.
type vectorServer struct {
	*far
	v vector
}

func b64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

// auth is the exchange up to the proof; mark is + or 334.
func (s *vectorServer) auth(mark string) {
	s.hear("AUTH SCRAM-SHA-256 " + b64("n,,n=user,r="+s.v.nonce))
	s.say(mark + " " + b64(s.v.serverFirst) + "\r\n")
	s.hear(b64(s.v.clientFinal))
	s.say(mark + " " + b64(s.v.serverFinal) + "\r\n")
	s.hear("")
}

const patience = 20 * time.Second

// socketPair is a connection with room for what nobody has read yet, as a line has.
func socketPair(t *testing.T) (a, b net.Conn) {
	t.Helper()
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	conns := make([]net.Conn, 2)
	for i, fd := range fds {
		file := os.NewFile(uintptr(fd), "socket pair")
		if conns[i], err = net.FileConn(file); err != nil {
			t.Fatal(err)
		}
		_ = file.Close()
	}
	return conns[0], conns[1]
}

// loginWith logs in against a script and returns the error, what was left unread, and what was told.
func loginWith(t *testing.T, o Options, script func(f *far)) (left, told string, err error) {
	t.Helper()
	ours, theirs := socketPair(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer theirs.Close()
		_ = theirs.SetDeadline(time.Now().Add(patience))
		script(&far{t, theirs, bufio.NewReader(theirs)})
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if o.Mechanism == nil {
		o.Mechanism = vectors()[1].mechanism(t)
	}
	var b strings.Builder
	o.Progress = func(text string) { b.WriteString(text + "\n") }
	o.Received = func(text string) { b.WriteString("< " + text + "\n") }
	err = Login(ctx, ours, o)
	_ = ours.SetDeadline(time.Now().Add(patience))
	if err == nil {
		rest, _ := io.ReadAll(ours)
		left = string(rest)
	}
	_ = ours.Close()
	<-done
	return left, b.String(), err
}

const capa = "+OK\r\nSASL SCRAM-SHA-256 SCRAM-SHA-1\r\n.\r\n"

// TestLogin: logins that work, and whose connection is left exactly at the end of the last line.
func TestLogin(t *testing.T) {
	ppp := "\x7e\xff\x7d\x23\r\n"
	for _, tc := range []struct {
		name   string
		o      Options
		script func(f *far)
	}{
		{"pop3", Options{}, func(f *far) {
			f.say("+OK ready\r\n")
			f.hear("CAPA")
			f.say(capa)
			f.scram().auth("+")
			f.say("+OK in\r\n" + ppp)
		}},
		{"smtp", Options{Profile: SMTP}, func(f *far) {
			f.say("220-line.example\r\n220 ready\r\n")
			f.hear("EHLO [127.0.0.1]")
			f.say("250-line.example\r\n250-AUTH SCRAM-SHA-256\r\n250 HELP\r\n")
			f.scram().auth("334")
			f.say("235 2.7.0 in\r\n" + ppp)
		}},
		{"older form of AUTH, line feeds alone", Options{}, func(f *far) {
			f.say("220 ready\n")
			f.hear("EHLO [127.0.0.1]")
			f.say("250-line\n250 AUTH=LOGIN scram-sha-256\n")
			f.scram().auth("334")
			f.say("235\n" + ppp)
		}},
		{"banner and noise before the greeting", Options{Profile: POP3}, func(f *far) {
			f.say("\r\n\x00\xff{garbage\r\nAuthorised use only.\r\n250 Main Street\r\n\xf0\x80+OK ready\r\n")
			f.hear("CAPA")
			f.say(capa)
			f.scram().auth("+")
			f.say("+OK in\r\n" + ppp)
		}},
		{"no CAPA, and the lines come back as an echo", Options{}, func(f *far) {
			f.say("+OK ready\r\n")
			f.hear("CAPA")
			f.say("CAPA\r\n-ERR what?\r\n")
			f.hear("AUTH SCRAM-SHA-256 " + b64("n,,n=user,r="+vectors()[1].nonce))
			f.say("AUTH SCRAM-SHA-256 " + b64("n,,n=user,r="+vectors()[1].nonce) + "\r\n")
			f.say("+ " + b64(vectors()[1].serverFirst) + "\r\n")
			f.hear(b64(vectors()[1].clientFinal))
			f.say(b64(vectors()[1].clientFinal) + "\r\n+ " + b64(vectors()[1].serverFinal) + "\r\n")
			f.hear("")
			f.say("+OK in\r\n" + ppp)
		}},
		{"the empty line that woke it is answered", Options{Woken: true}, func(f *far) {
			f.say("+OK ready\r\n-ERR unknown command\r\n")
			f.hear("CAPA")
			f.say(capa)
			f.scram().auth("+")
			f.say("+OK in\r\n" + ppp)
		}},
		{"woken, and no CAPA", Options{Woken: true}, func(f *far) {
			f.say("+OK ready\r\n")
			f.hear("CAPA")
			f.say("-ERR what?\r\n")
			f.scram().auth("+")
			f.say("+OK in\r\n" + ppp)
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			left, told, err := loginWith(t, tc.o, tc.script)
			if err != nil || left != ppp {
				t.Errorf("error %v, left %q, want %q\n%s", err, left, ppp, told)
			}
			for _, secret := range []string{b64(vectors()[1].serverFirst), b64(vectors()[1].serverFinal), vectors()[1].nonce} {
				if strings.Contains(told, secret) {
					t.Errorf("what an exchange carries was told:\n%s", told)
				}
			}
		})
	}
}

// TestLongInitialResponse: what does not fit into a command comes behind an empty challenge.
func TestLongInitialResponse(t *testing.T) {
	user := strings.Repeat("u", 200)
	m, err := New(PLAIN, Credentials{user, []byte("pw")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, told, err := loginWith(t, Options{Mechanism: m}, func(f *far) {
		f.say("+OK\r\n")
		f.hear("CAPA")
		f.say("+OK\r\nSASL PLAIN\r\n.\r\n")
		f.hear("AUTH PLAIN")
		f.say("+ \r\n")
		f.hear(b64("\x00" + user + "\x00pw"))
		f.say("+OK\r\n")
	})
	if err != nil || strings.Contains(told, b64("\x00" + user)[:20]) {
		t.Errorf("%v\n%s", err, told)
	}
}

// TestLoginFails: what must not pass for a login, and what is said then.
func TestLoginFails(t *testing.T) {
	greet := func(f *far) {
		f.say("+OK\r\n")
		f.hear("CAPA")
		f.say(capa)
	}
	hello := "AUTH SCRAM-SHA-256 " + b64("n,,n=user,r="+vectors()[1].nonce)
	for _, tc := range []struct {
		name   string
		o      Options
		script func(f *far)
		check  func(error) bool
		text   string
	}{
		{"refused", Options{}, func(f *far) {
			greet(f)
			f.hear(hello)
			f.say("+ " + b64(vectors()[1].serverFirst) + "\r\n")
			f.hear(b64(vectors()[1].clientFinal))
			f.say("-ERR [AUTH] Access denied.\r\n")
		}, func(err error) bool { return isRefused(err, "the login") }, `refused the login: "[AUTH] Access denied."`},
		{"impostor: in without a proof", Options{}, func(f *far) {
			greet(f)
			f.hear(hello)
			f.say("+OK welcome\r\n")
		}, is(ErrImpostor), "impostor"},
		{"impostor: in after the first message", Options{}, func(f *far) {
			greet(f)
			f.hear(hello)
			f.say("+ " + b64(vectors()[1].serverFirst) + "\r\n")
			f.hear(b64(vectors()[1].clientFinal))
			f.say("+OK welcome\r\n")
		}, is(ErrImpostor), "impostor"},
		{"impostor: a wrong proof", Options{}, func(f *far) {
			greet(f)
			f.hear(hello)
			f.say("+ " + b64(vectors()[1].serverFirst) + "\r\n")
			f.hear(b64(vectors()[1].clientFinal))
			f.say("+ " + b64("v=7rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=") + "\r\n")
			f.hear("*")
		}, is(ErrImpostor), "impostor"},
		{"not base64", Options{}, func(f *far) {
			greet(f)
			f.hear(hello)
			f.say("+ no base64 at all\r\n")
			f.hear("*")
		}, is(ErrProtocol), "base64"},
		{"mechanism not offered", Options{}, func(f *far) {
			f.say("+OK\r\n")
			f.hear("CAPA")
			f.say("+OK\r\nUSER\r\nSASL PLAIN \x1b[2JLOGIN\r\n.\r\n")
		}, isNotOffered, `only "PLAIN \x1b[2JLOGIN"`},
		{"nothing offered", Options{}, func(f *far) {
			f.say("220 x\r\n")
			f.hear("EHLO [127.0.0.1]")
			f.say("250 x\r\n")
		}, isNotOffered, "no other mechanism"},
		{"EHLO refused", Options{}, func(f *far) {
			f.say("220 x\r\n")
			f.hear("EHLO [127.0.0.1]")
			f.say("502 no\r\n")
		}, func(err error) bool { return isRefused(err, "EHLO") }, `"502 no"`},
		{"refuses callers", Options{}, func(f *far) { f.say("-ERR [SYS/TEMP] come back later\r\n") },
			func(err error) bool { return isRefused(err, "the connection") }, "come back later"},
		{"refuses callers under SMTP", Options{}, func(f *far) { f.say("554 go away\r\n") },
			func(err error) bool { return isRefused(err, "the connection") }, "go away"},
		{"the other protocol", Options{Profile: SMTP}, func(f *far) { f.say("+OK\r\n") }, is(ErrProtocol), "pop3"},
		{"hangs up in an answer", Options{}, func(f *far) {
			f.say("+OK\r\n")
			f.hear("CAPA")
			f.say("+OK half a \x1b[31mline")
		}, is(io.EOF), `the last bytes were "+OK half a \x1b[31mline"`},
		{"hangs up in a challenge", Options{}, func(f *far) {
			greet(f)
			f.hear(hello)
			f.say("+ " + b64(vectors()[1].serverFirst))
		}, is(io.EOF), "the last bytes were a challenge"},
		{"hangs up behind a challenge", Options{}, func(f *far) {
			greet(f)
			f.hear(hello)
			f.say("+ " + b64(vectors()[1].serverFirst) + "\r\n")
			f.hear(b64(vectors()[1].clientFinal))
		}, is(io.EOF), "the last line was a challenge"},
		{"no greeting", Options{}, func(f *far) {
			for range maxNoise {
				f.say("x\r\n")
			}
		}, is(ErrProtocol), "no greeting"},
		{"a line without end", Options{}, func(f *far) { f.say(strings.Repeat("x", maxLine+2)) }, is(ErrProtocol), "longer than"},
		{"an endless list", Options{}, func(f *far) {
			f.say("+OK\r\n")
			f.hear("CAPA")
			f.say("+OK\r\n" + strings.Repeat("X\r\n", maxList+1))
		}, is(ErrProtocol), "more than"},
		{"another code within an answer", Options{}, func(f *far) {
			f.say("220-x\r\n")
			f.say("250 y\r\n")
		}, is(ErrProtocol), "began with"},
		{"a shell prompt where an answer is due", Options{}, func(f *far) {
			greet(f)
			f.hear(hello)
			f.say("sh: AUTH: not found\r\n")
		}, is(ErrProtocol), "not found"},
		{"endless challenges", Options{}, func(f *far) {
			greet(f)
			f.hear(hello)
			f.say("+ " + b64(vectors()[1].serverFirst) + "\r\n")
			f.hear(b64(vectors()[1].clientFinal))
			f.say("+ " + b64(vectors()[1].serverFinal) + "\r\n")
			f.hear("")
			f.say("+ \r\n")
			f.hear("*")
		}, is(ErrProtocol), "too many"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			_, told, err := loginWith(t, tc.o, tc.script)
			if err == nil || !tc.check(err) || !strings.Contains(err.Error(), tc.text) {
				t.Errorf("got %v, want %q\n%s", err, tc.text, told)
			}
			if strings.ContainsFunc(told, func(r rune) bool { return r != '\n' && (r < ' ' || r > '~') }) {
				t.Errorf("raw bytes were told: %q", told)
			}
		})
	}
}

func is(want error) func(error) bool { return func(err error) bool { return errors.Is(err, want) } }

func isNotOffered(err error) bool {
	_, ok := errors.AsType[*NotOfferedError](err)
	return ok
}

// TestLoginEchoOfSecret: what may be the echo of a password is neither in an error nor in what is told of the login, however the far end
// quotes it; the codes of its answer are.
func TestLoginEchoOfSecret(t *testing.T) {
	greetings := map[string]func(f *far){
		"POP3": func(f *far) {
			f.say("+OK\r\n")
			f.hear("CAPA")
			f.say("-ERR\r\n")
		},
		"SMTP": func(f *far) {
			f.say("220 x\r\n")
			f.hear("EHLO [127.0.0.1]")
			f.say("250-x\r\n250 AUTH PLAIN\r\n")
		},
	}
	for _, c := range []struct{ protocol, said, shown string }{
		{"POP3", "AUTH PLAIN SECRET", ""},
		{"POP3", "AUTH PLAIN SECRET \r\n", ""},
		{"POP3", "-ERR unknown command: AUTH PLAIN SECRET\r\n", "-ERR (not shown"},
		{"POP3", "-ERR [AUTH] no: PLAIN SECRET\r\n", "-ERR [AUTH] (not shown"},
		{"POP3", "-ERR [SECRET]\r\n", "-ERR (not shown"},
		{"POP3", "-ERR tanstaaf\r\n", "-ERR (not shown"},
		{"POP3", "-ERR [AUTH]\r\n", `"-ERR [AUTH]"`},
		{"POP3", "+OK tanstaaf is right\r\n", "+OK (not shown"},
		{"SMTP", "535-5.7.8 AUTH PLAIN\r\n535 5.7.8 SECRET\r\n", "535-5.7.8 (not shown"},
		{"SMTP", "535-no\r\n500 SECRET\r\n", "500 (not shown"},
	} {
		m, err := New(PLAIN, Credentials{"tim", []byte("tanstaaf")}, nil)
		if err != nil {
			t.Fatal(err)
		}
		secret := b64("\x00tim\x00tanstaaf")
		_, told, err := loginWith(t, Options{Mechanism: m}, func(f *far) {
			greetings[c.protocol](f)
			f.hear("AUTH PLAIN " + secret)
			f.say(strings.Replace(c.said, "SECRET", secret, 1))
		})
		if (err == nil) != strings.HasPrefix(c.said, "+OK") {
			t.Errorf("%q: %v", c.said, err)
		}
		if told = fmt.Sprint(err, "\n", told); strings.Contains(told, secret[:12]) || strings.Contains(told, "tanstaaf") {
			t.Errorf("%q shows the secret: %s", c.said, told)
		}
		if !strings.Contains(told, c.shown) {
			t.Errorf("%q: no %q in %s", c.said, c.shown, told)
		}
	}
}

// TestLoginContext: the end of the context ends a login, and its cause is what the error says.
func TestLoginContext(t *testing.T) {
	ours, theirs := socketPair(t)
	defer ours.Close()
	defer theirs.Close()
	cause := errors.New("enough")
	ctx, cancel := context.WithCancelCause(t.Context())
	greeted := make(chan struct{})
	go func() {
		_, _ = io.WriteString(theirs, "+OK\r\n")
		close(greeted)
		_, _ = theirs.Read(make([]byte, 100))
		cancel(cause)
	}()
	err := Login(ctx, ours, Options{Mechanism: vectors()[1].mechanism(t)})
	<-greeted
	if !errors.Is(err, cause) {
		t.Errorf("got %v", err)
	}
	if err := Login(ctx, ours, Options{Mechanism: vectors()[1].mechanism(t)}); !errors.Is(err, cause) {
		t.Errorf("a login under a context that is over: %v", err)
	}
	go func() { _, _ = theirs.Write([]byte("x")) }() // the deadline was taken back
	if _, err := ours.Read(make([]byte, 1)); err != nil {
		t.Errorf("read after the login: %v", err)
	}
}

// playback is a connection whose far end says the same whatever it hears.
type playback struct {
	io.Reader
	written int
}

func (p *playback) Write(b []byte) (int, error)    { p.written += len(b); return len(b), nil }
func (*playback) SetReadDeadline(time.Time) error  { return nil }
func (*playback) SetWriteDeadline(time.Time) error { return nil }

// FuzzLogin: whatever the far end says, the login ends, is bounded, and does not succeed without a proof.
func FuzzLogin(f *testing.F) {
	v := vectors()[1]
	f.Add([]byte("+OK\r\n"+capa+"+ "+b64(v.serverFirst)+"\r\n+ "+b64(v.serverFinal)+"\r\n+OK\r\n"), false)
	f.Add([]byte("220-a\r\n220 b\r\n250-AUTH SCRAM-SHA-256\r\n250 x\r\n334 "+b64(v.serverFirst)+"\r\n235 ok\r\n"), true)
	f.Add([]byte("+OK\r\n-ERR\r\n+OK\r\n+OK\r\n"), true)
	f.Add([]byte("\x00\xff+OK\n+OK\n..\n.\n"), false)
	f.Add([]byte("421\r\n"), false)
	f.Fuzz(func(t *testing.T, said []byte, woken bool) {
		m := v.mechanism(t)
		m.password = "not pencil" // the far end can't know it
		from := &playback{Reader: strings.NewReader(string(said))}
		err := Login(t.Context(), from, Options{Mechanism: m, Woken: woken, Received: func(text string) {
			if len(text) > 5*maxShown {
				t.Errorf("%d bytes were told", len(text))
			}
		}})
		if err == nil {
			t.Errorf("%q passes for a login", said)
		}
		if from.written > 16<<10 {
			t.Errorf("%d bytes were sent", from.written)
		}
	})
}

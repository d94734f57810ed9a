package sasl

import (
	"bytes"
	"context"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"rashost/plugin"
	"rashost/plugin/sasl/exchange"
	"rashost/plugin/users"
)

// tape is a host whose caller is a tape that plays to its end and then hangs up. Nothing waits.
type tape struct {
	in     []byte
	pauses []byte // whether nothing comes for a while after a CR, bit by bit
	pause  int
	out    bytes.Buffer
	got    []*plugin.SecurityMessage

	last    plugin.Code
	pending func() // the receive that waits for the greeting
	taken   int
}

func (h *tape) DialogSend(_ plugin.HPORT, buf []byte) plugin.Code {
	h.out.Write(buf)
	if h.pending != nil {
		h.pending()
		h.pending = nil
	}
	return plugin.Pending
}

func (h *tape) DialogReceive(_ plugin.HPORT, buf []byte, n *uint16, timeout uint32, event *plugin.Event) plugin.Code {
	if len(h.in) == 0 {
		return plugin.ErrorPortDisconnected
	}
	play := func() {
		k := copy(buf[:*n], h.in)
		h.in, *n, h.last = h.in[k:], uint16(k), plugin.NoError
		h.taken += k
		event.Set()
	}
	switch {
	case h.out.Len() == 0:
		h.last, h.pending = plugin.Pending, play
	case timeout == endingWait && h.silent():
		*n, h.last = 0, plugin.ErrorRequestTimeout
		event.Set()
	default:
		play()
	}
	return plugin.Pending
}

// silent takes the next bit of pauses.
func (h *tape) silent() bool {
	if len(h.pauses) == 0 {
		return false
	}
	i := h.pause % (8 * len(h.pauses))
	h.pause++
	return h.pauses[i/8]>>(i%8)&1 == 1
}

func (h *tape) DialogGetInfo(_ plugin.HPORT, info *plugin.SecurityInfo) plugin.Code {
	info.LastError = h.last
	return plugin.NoError
}

func (h *tape) DialogComplete(msg *plugin.SecurityMessage) { h.got = append(h.got, msg) }

func (h *tape) Go(_ plugin.HPORT, work func(ctx context.Context)) bool {
	work(context.Background())
	return true
}

// fuzzSecret is in no seed.
const fuzzSecret = "cVx8-open-sesame-1f"

// oneAccount is a user file with alice and her keys.
type oneAccount struct {
	nobody
	account users.Account
}

func (a oneAccount) Lookup(_ context.Context, name string) (users.Account, bool, error) {
	return a.account, strings.EqualFold(name, "alice"), nil
}

// equal compares passwords without a hash.
type equal struct{}

func (equal) Check(_ context.Context, hash string, secret []byte) (bool, error) {
	return hash != "" && string(secret) == fuzzSecret, nil
}

// fuzzPlugin has the real exchange and users who cost no time.
func fuzzPlugin(t testing.TB, profile string) *Plugin {
	t.Helper()
	o, err := decodeOptions(decodeYAML("file: x\nmechanisms: [SCRAM-SHA-256, OTP, DIGEST-MD5, CRAM-MD5, PLAIN, LOGIN, EXTERNAL]\nprofile: " + profile))
	if err != nil {
		t.Fatal(err)
	}
	p := &Plugin{log: slog.New(slog.DiscardHandler), options: o, attemptLog: patient{}, users: nobody{}}
	if err := p.settings(plugin.Setup{Attempts: maxAttempts}); err != nil {
		t.Fatal(err)
	}
	keys, err := users.SCRAMKeysFor("SCRAM-SHA-256", []byte(fuzzSecret), []byte("0123456789abcdef"), users.SCRAMIterations)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := users.DigestKeyFor(o.Realm, "MD5", "alice", []byte(fuzzSecret))
	if err != nil {
		t.Fatal(err)
	}
	accounts := oneAccount{account: users.Account{
		Name: "alice", Hash: "some", Secret: fuzzSecret, SCRAM: map[string]users.SCRAMKeys{"SCRAM-SHA-256": keys}, Digest: []users.DigestKey{digest},
		OTP: &users.OTP{Algorithm: "md5", Seed: "ab12345", Sequence: 100, Last: []byte(fuzzSecret)[:8]},
	}}
	p.newExchange = func(call plugin.Call, service string, allowed func() bool) (exchanger, error) {
		return exchange.New(exchange.Config{
			Accounts: accounts, Passwords: equal{}, FakeKey: make([]byte, 32), Mechanisms: o.Mechanisms, Realm: o.Realm, Service: service, Trusted: call.Trusted,
		}), nil
	}
	return p
}

// play lets a tape call.
func (h *tape) play(p *Plugin) {
	_ = p.SecurityDialogBegin(plugin.Begin{ // the dialog is over when it returns
		HPort: 1, SendBuf: make([]byte, plugin.BufferSize), RecvBuf: make([]byte, plugin.BufferSize), Complete: h.DialogComplete, Host: h,
		Call: plugin.Call{ID: "1", Line: "modem1", Trusted: true},
	})
}

// What the fuzz target asserts is worth something only if the same rig lets in who has the secret.
func TestTapeWithTheSecretIsLetIn(t *testing.T) {
	for _, profile := range []string{"pop3", "smtp"} {
		p := fuzzPlugin(t, profile)
		h := &tape{in: []byte("NOOP\r\nAUTH PLAIN " + b64("\x00alice\x00"+fuzzSecret) + "\r\nPPP")}
		h.play(p)
		if len(h.got) != 1 || h.got[0].MsgID != plugin.Success || string(h.in) != "PPP" {
			t.Errorf("%s: %d verdicts, %q is left, caller sees %q", profile, len(h.got), h.in, h.out.String())
		}
	}
}

// Whatever a caller types: no panic, at most one verdict, no Success without the secret, and no more output than input explains.
func FuzzDialog(f *testing.F) {
	for _, text := range []string{
		"CAPA\r\nAUTH SCRAM-SHA-256 " + b64("n,,n=alice,r=abc") + "\r\n" + b64("c=biws,r=abc,p=AAAA") + "\r\n\r\nQUIT\r\n",
		"EHLO x\r\nAUTH PLAIN\r\n" + b64("\x00alice\x00wrong") + "\r\nMAIL FROM:<>\r\n", "AUTH EXTERNAL =\r\nAUTH EXTERNAL\r\n*\r\n",
		"AUTH LOGIN\n" + b64("alice") + "\n" + b64("wrong") + "\n", "AUTH CRAM-MD5\r" + b64("alice 0123456789abcdef0123456789abcdef") + "\r",
		"AUTH OTP " + b64("\x00alice") + "\r\n" + b64("hex:0123456789abcdef") + "\r\n", "USER alice\r\nPASS wrong\r\n", "\xff\x00\x8d\x8aNOOP\r\x8a",
		"AUTH DIGEST-MD5\r\n" + b64(`username="alice",realm="rashost",nonce="x",nc=00000001,cnonce="y",digest-uri="pop/x",response=0`) + "\r\n",
		"AUTH PLAIN AA==A\r\nauth\r\nHELP\r\nRSET\r\n" + strings.Repeat("x", 600) + "\r\n",
	} {
		f.Add([]byte(text), []byte{0}, false)
		f.Add([]byte(text), []byte{0xa5}, true)
	}
	pop3Plugin, smtpPlugin := fuzzPlugin(f, "pop3"), fuzzPlugin(f, "smtp")
	f.Fuzz(func(t *testing.T, text, pauses []byte, smtp bool) {
		p := pop3Plugin
		if smtp {
			p = smtpPlugin
		}
		h := &tape{in: slices.Clone(text), pauses: pauses}
		h.play(p)
		if len(h.got) > 1 {
			t.Errorf("%d verdicts", len(h.got))
		}
		for _, m := range h.got {
			if m.MsgID != plugin.Failure && m.MsgID != plugin.Error {
				t.Errorf("%q gives %v", text, m.MsgID)
			}
		}
		// A line of two bytes is answered by at most a list of some 300.
		if most := 1024 + 100*h.taken; h.out.Len() > most {
			t.Errorf("%d bytes of answers to %d bytes", h.out.Len(), h.taken)
		}
	})
}

package sspi

import (
	"strings"
	"testing"
	"time"
)

// exchange is a DigestServer with the challenge's client.
func exchange(t *testing.T) (*DigestServer, *server, *client) {
	t.Helper()
	s := serve(t, SASL, nil)
	a := s.cred.auth
	d := NewDigestServer(DigestConfig{
		Accounts: a.Accounts, Realm: realm, Service: "pop", Hosts: []string{"line.example"}, FakeKey: a.FakeKey, Now: a.Now, Log: a.Log,
	})
	challenge, status := d.Challenge()
	if status != SEC_I_CONTINUE_NEEDED {
		t.Fatalf("Challenge: %v", status)
	}
	s.out = []string{string(challenge)}
	return d, s, s.reading(MD5)
}

func TestDigestServer(t *testing.T) {
	d, s, c := exchange(t)
	if name, ok := d.Account(); ok || name != "" || d.User() != "" {
		t.Error("there is a name before the response")
	}
	rspauth, status := d.Response(t.Context(), []byte(c.token()))
	if status != SEC_E_OK || string(rspauth) != "rspauth="+c.digest("") {
		t.Errorf("%q, %v: %s", rspauth, status, d.Detail())
	}
	if name, ok := d.Account(); !ok || name != user || d.User() != user {
		t.Errorf("the user is %q", name)
	}
	if out, status := d.Response(t.Context(), []byte(c.next().token())); status != SEC_E_INVALID_HANDLE || out != nil {
		t.Errorf("a second response: %v", status)
	}
	d.Close()
	d.Close()
	if _, ok := d.Account(); ok {
		t.Error("there is a name after the end")
	}
	if strings.Contains(s.log.String(), "UNFINISHED") {
		t.Errorf("log: %s", s.log)
	}
}

func TestDigestServerRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		edit   func(c *client)
		want   Status
		detail string
	}{
		"wrong password": {func(c *client) { c.password = "x" }, SEC_E_LOGON_DENIED, "the response is wrong"},
		"unknown user":   {func(c *client) { c.name = "mallory" }, SEC_E_LOGON_DENIED, "the user is unknown"},
		"wrong service":  {func(c *client) { c.uri = "imap/line.example" }, SEC_E_INVALID_TOKEN, "digest-uri names another service"},
		"wrong host":     {func(c *client) { c.uri = "pop/other.example" }, SEC_E_INVALID_TOKEN, "digest-uri names another host"},
		"no second try":  {func(c *client) { c.nc = 2 }, SEC_E_OUT_OF_SEQUENCE, "the first response does not count from 1"},
	} {
		d, s, right := exchange(t)
		evil := *right
		c.edit(&evil)
		out, status := d.Response(t.Context(), []byte(evil.token()))
		if status != c.want || out != nil || d.Detail() != c.detail {
			t.Errorf("%s: %q, %v: %s", name, out, status, d.Detail())
		}
		if d.User() != evil.name {
			t.Errorf("%s: the claimed name is %q", name, d.User())
		}
		if _, status := d.Response(t.Context(), []byte(right.token())); status != SEC_E_INVALID_HANDLE {
			t.Errorf("%s: a second try: %v", name, status)
		}
		d.Close()
		if n := strings.Count(s.log.String(), "SEC_E_UNFINISHED_CONTEXT_DELETED"); n != 1 {
			t.Errorf("%s: %d audit messages", name, n)
		}
	}
	d, s, c := exchange(t)
	s.clock.add(time.Hour)
	if out, status := d.Response(t.Context(), []byte(c.token())); status != SEC_I_CONTINUE_NEEDED || out != nil {
		t.Errorf("too late: %q, %v", out, status)
	}
	d, _, _ = exchange(t)
	if out, status := d.Response(t.Context(), nil); status != SEC_E_INVALID_TOKEN || out != nil {
		t.Errorf("an empty response: %q, %v", out, status)
	}
}

func TestDigestServerWithoutSettings(t *testing.T) {
	d := NewDigestServer(DigestConfig{})
	if _, status := d.Challenge(); status != SEC_E_NO_CREDENTIALS {
		t.Errorf("Challenge: %v", status)
	}
	if _, status := d.Response(t.Context(), []byte("x")); status != SEC_E_INVALID_HANDLE {
		t.Errorf("Response: %v", status)
	}
	if d.User() != "" || d.Detail() != "" {
		t.Error("there is a name")
	}
	d.Close()
}

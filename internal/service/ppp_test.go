package service

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"rashost/port"
)

// fakePPPD is a service whose pppd is a script, on a kernel that has PPP.
func fakePPPD(t *testing.T, script string, options ...string) *pppService {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pppd")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	s, err := NewPPP(PPPConfig{Path: path, Options: options, Grace: 200 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ppp := s.(*pppService)
	ppp.kernel = func() error { return nil }
	return ppp
}

func TestPPPExitCodes(t *testing.T) {
	want := []port.TerminateCause{
		port.UserRequest, port.NASError, port.NASError, port.NASError, port.NASError, port.AdminReset, port.PortError, port.PortError,
		port.LostCarrier, port.PortError, port.ServiceUnavailable, port.ServiceUnavailable, port.IdleTimeout, port.SessionTimeout,
		port.Callback, port.LostCarrier, port.LostCarrier, port.NASError, port.PortError, port.ServiceUnavailable, port.NASRequest,
		port.NASError, port.NASError,
	}
	s := fakePPPD(t, `exit "$5"`, "0") // behind our own first options
	for code, cause := range want {
		s.cfg.Options = []string{fmt.Sprint(code)}
		_, r := dial(t, s, "").all()
		if r.Cause != cause || r.Exit != fmt.Sprint(code) || !strings.Contains(r.Reason, fmt.Sprint(code)) {
			t.Errorf("exit %d: %+v, want %s", code, r, cause)
		}
	}
	for _, signal := range []string{"HUP", "TERM", "KILL", "SEGV"} {
		_, r := dial(t, fakePPPD(t, "kill -"+signal+" $$; sleep 10"), "").all()
		if r.Cause != port.NASError || r.Exit != "signal "+signal {
			t.Errorf("%s: %+v", signal, r)
		}
	}
}

func TestPPPOptionsAndTerminal(t *testing.T) {
	out, _ := dial(t, fakePPPD(t, `echo "$@ $RASHOST_USER $SECRET"; stty -a | tr ' ' '\n' | grep -E '^-?(echo|icanon|opost)$' | tr '\n' ' '`,
		"noauth", "10.0.0.1:10.0.0.2"), "").all()
	want := "lcp-echo-interval 30 lcp-echo-failure 4 noauth 10.0.0.1:10.0.0.2 nodetach nopersist logfd 2 local "
	if os.Geteuid() == 0 {
		want += "nolock "
	}
	want += "set RASHOST_CALL=c1 set RASHOST_LINE=modem1 set RASHOST_USER=alice alice \n-opost -icanon -echo "
	if out != want {
		t.Errorf("got %q, want %q", out, want)
	}
}

// Every byte value passes both ways unchanged, what was typed ahead first.
func TestPPPIsTransparent(t *testing.T) {
	all := string(pattern(256, 0))
	c := dial(t, fakePPPD(t, "exec dd bs=1 count=512"), all)
	c.expect(all)
	c.send(all)
	c.expect(all)
	c.drain()
	if r := c.result(); r.In != 512 || r.Cause != port.UserRequest {
		t.Errorf("%+v", r)
	}
}

func TestPPPHangUp(t *testing.T) {
	c := dial(t, fakePPPD(t, "echo $$; read forever; exit 16"), "")
	pid := 0
	if _, err := fmt.Sscan(c.expect("\n"), &pid); err != nil {
		t.Fatal(err)
	}
	c.hangUp()
	if r := c.result(); r.Cause != 0 {
		t.Errorf("%+v", r)
	}
	wantGone(t, []int{pid})
}

func TestKernelWithoutPPP(t *testing.T) {
	s := fakePPPD(t, "echo started")
	s.kernel = func() error { return errors.New("no PPP") }
	out, r := dial(t, s, "").all()
	if out != unavailable || r.Cause != port.ServiceUnavailable || r.Err == nil || !strings.Contains(r.Reason, "no PPP") {
		t.Errorf("%q, %+v", out, r)
	}
	if _, err := os.Stat("/dev/ppp"); errors.Is(err, os.ErrNotExist) && kernelPPP() == nil {
		t.Error("/dev/ppp is missing, and nobody says so")
	}
}

func TestPPPFaults(t *testing.T) {
	if _, err := NewPPP(PPPConfig{Path: "/no/such/pppd", Grace: -1, Limits: Limits{Idle: -1}}); err == nil ||
		!strings.Contains(err.Error(), "/no/such/pppd") || !strings.Contains(err.Error(), "grace") || !strings.Contains(err.Error(), "idle") {
		t.Errorf("got %v", err)
	}
}

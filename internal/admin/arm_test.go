package admin

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
)

// TestArm: what is asked arrives with the account that asks, and the answer is the host's.
func TestArm(t *testing.T) {
	r := start(t)
	c := dial(t, r.path)
	v, err := c.Arm(t.Context(), "modem1", ArmRequest{For: "15m", By: "alice", Reason: "tests\x1b[2J"})
	if err != nil || v.By != "alice" || v.Reason != "tests\x1b[2J" || int(v.UID) != os.Getuid() {
		t.Errorf("%+v, %v", v, err)
	}
	if err := c.Do(t.Context(), "disarm", "modem1"); err != nil {
		t.Error(err)
	}
	if want := []string{"arm alice 15m for modem1", fmt.Sprintf("disarm %d modem1", os.Getuid())}; !slices.Equal(r.host.actions, want) {
		t.Errorf("the host did %q", r.host.actions)
	}
	for line, class := range map[string]error{"none": ErrNotFound, "idle": ErrConflict} {
		if _, err := c.Arm(t.Context(), line, ArmRequest{For: "1m", By: "a"}); !errors.Is(err, class) {
			t.Errorf("%s: %v", line, err)
		}
	}
	if _, err := c.Arm(t.Context(), "modem1", ArmRequest{}); !errors.Is(err, ErrInvalid) || err.Error() != "by is empty" {
		t.Errorf("%v", err)
	}
	if !strings.Contains(r.log.String(), "request=arm") || strings.Contains(r.log.String(), "\x1b") {
		t.Errorf("the log says %q", r.log)
	}
}

// TestArmRefusesWhatIsNoRequest: only the documented form is taken.
func TestArmRefusesWhatIsNoRequest(t *testing.T) {
	r := start(t)
	for _, body := range []string{"", "{", "[]", `{"for": 15}`, `{"for": "1m", "by": "a", "reason": "b", "until": "x"}`, `{"by": "a"} {}`, `{"by": "a"} x`} {
		conn, err := net.Dial("unix", r.path)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(conn, "POST /v1/lines/modem1/arm HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		if resp.Body.Close(); resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%q: %s", body, resp.Status)
		}
		conn.Close()
	}
	if len(r.host.actions) > 0 {
		t.Errorf("the host did %q", r.host.actions)
	}
}

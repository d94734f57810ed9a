package port

import (
	"strings"
	"testing"
	"time"
)

// TestLineInit: the line's own commands come behind the profile's at each set-up; one that is refused is told, and keeps no line from listening.
func TestLineInit(t *testing.T) {
	bubble(t, FakeOptions{}, func(r *rig) {
		r.cfg.Init = []string{"AT+GCI=B5", "AT+MS=V32B,1,4800,14400"}
		r.modem.answers["AT+GCI=B5"] = "\r\nERROR\r\n"
		r.handler = once
	}, func(r *rig) {
		r.within(time.Second, Listening)
		const want = "ATE0 AT+MR=1 ATS0=0 AT+GCI=B5 AT+MS=V32B,1,4800,14400 AT+VCID=1"
		if said := strings.Join(r.modem.said(), " "); said != want {
			t.Errorf("commands: %s", said)
		}
		if told := r.told(EventModem); len(told) != 1 || !strings.Contains(told[0], "the modem does not take AT+GCI=B5") {
			t.Errorf("told: %v", told)
		}
		r.callOnce(2 * time.Second)
	})
}

package record

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"rashost/plugin"
	"rashost/port"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func TestWhyGolden(t *testing.T) {
	at := func(s float64) time.Time {
		return time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC).Add(time.Duration(s * float64(time.Second)))
	}
	base := Row{
		ID: "0195a1", Line: "modem1", Device: "/dev/ttyS0", Start: at(0), Answered: at(6.5), CallerNumber: "5551234",
		CallerName: "ALICE", CallerStatus: "present", Called: "100", Connect: "33600/V34/LAPM", Dialog: "staff", Plugin: "password",
		Steps: []Step{{at(0), "RING"}, {at(6.5), "the modem connected: 33600/V34/LAPM"}},
	}
	with := func(change func(*Row)) Row {
		r := base
		r.Steps = append([]Step(nil), base.Steps...)
		change(&r)
		return r
	}
	rows := map[string]Row{
		"success": with(func(r *Row) {
			r.decide(VerdictUpdate{At: at(12), User: "alice", Domain: "LAB", Verdict: plugin.Success, Service: "shell",
				Events: []plugin.EventID{plugin.EventAuthSuccess}, Steps: []Step{{at(12), "the plugin reported success"}}})
			r.end(EndUpdate{At: at(70.25), Cause: port.UserRequest, Reason: "the command ended with status 3", Exit: "3", In: 120,
				Out: 4711, Steps: []Step{{at(70.25), "hung up: DTR low, NO CARRIER"}}})
		}),
		"failure": with(func(r *Row) {
			r.decide(VerdictUpdate{At: at(20), User: "s…(6)", Verdict: plugin.Failure, Events: []plugin.EventID{plugin.EventSecurityFailure}})
			r.end(EndUpdate{At: at(22), Cause: port.UserRequest})
		}),
		"error": with(func(r *Row) {
			r.CallerNumber, r.CallerName, r.CallerStatus = "", "", "withheld"
			r.decide(VerdictUpdate{At: at(126.5), Verdict: plugin.Error, Code: plugin.ErrorRequestTimeout,
				Events: []plugin.EventID{plugin.EventAuthTimeout, plugin.EventSecurityInternal}})
			r.end(EndUpdate{At: at(127), Cause: port.SessionTimeout, Reason: "the dialog took longer than 2m0s"})
		}),
		"open":    with(func(*Row) {}),
		"nothing": {ID: "0195a2", Line: "rtu", Start: at(0), End: at(1), Cause: port.LostCarrier},
		"killed": with(func(r *Row) {
			r.end(EndUpdate{At: at(90), Cause: port.NASReboot, Reason: "rashost stopped without closing this call; found at the next start"})
		}),
		"no-service": with(func(r *Row) {
			r.decide(VerdictUpdate{At: at(9), User: "bob", Verdict: plugin.Success})
			r.end(EndUpdate{At: at(9.5), Cause: port.ServiceUnavailable})
		}),
	}
	for name, row := range rows {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join("testdata", "why-"+name+".golden")
			got := Why(row)
			if *update {
				if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

// Every cause has its words.
func TestWhyCauses(t *testing.T) {
	for c := port.UserRequest; c <= port.HostRequest; c++ {
		if causes[c] == "" {
			t.Errorf("cause %s has no text", c)
		}
	}
}

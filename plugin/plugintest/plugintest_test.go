package plugintest_test

import (
	"fmt"
	"testing"

	"go.uber.org/goleak"

	"rashost/plugin"
	"rashost/plugin/plugintest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// subject describes the reference plugin, or one of its mutants.
func subject(f fault) plugintest.Subject {
	return plugintest.Subject{
		New:     func() (plugin.Plugin, error) { return newGate(f), nil },
		Good:    func(n int) plugintest.Login { return login(n, "opensesame") },
		Bad:     func(n int) plugintest.Login { return login(n, "hocuspocus") },
		Virtual: true,
	}
}

func login(n int, secret string) plugintest.Login {
	user := fmt.Sprintf("user%d", n)
	return plugintest.Login{User: user, Steps: []plugintest.Step{
		plugintest.Expect("Username: "),
		plugintest.Send(user + "\r"),
		plugintest.Expect("Password: "),
		plugintest.SendSecret(secret + "\r"),
	}}
}

func TestReferencePluginPasses(t *testing.T) {
	plugintest.Run(t, subject(sound))
}

// The deferral of End is legal too.
func TestDeferringPluginPasses(t *testing.T) {
	for _, name := range []string{"good", "bad", "again", "late", "drop", "drop-bad", "stop", "silence", "twenty"} {
		if r := plugintest.RunCase(t, subject(defersEnd), name); len(r.Faults) > 0 {
			t.Error(r)
		}
	}
}

func TestReferencePluginPassesInRealTime(t *testing.T) {
	n := 0
	plugintest.Check(subject(sound), func(r plugintest.Result) {
		n++
		if len(r.Faults) > 0 || r.Skipped != "" {
			t.Error(r)
		}
	})
	if n < 14 {
		t.Errorf("only %d cases ran", n)
	}
}

// Every mutant breaks one rule, and the case named finds it under that rule: no case passes whatever the plugin does.
func TestMutantsAreFound(t *testing.T) {
	for _, m := range []struct {
		name       string
		fault      fault
		inCase     string
		underRule  string
		inRealTime bool
	}{
		{"forgets Complete", forgetsComplete, "good", "C2", false},
		{"completes twice", completesTwice, "good", "C2", false},
		{"starts a goroutine", ownGoroutine, "good", "goroutines", false},
		{"starts a goroutine by a timer", ownTimer, "good", "goroutines", false},
		{"leaks a worker", leaksWorker, "good", "goroutines", false},
		{"leaks a worker after a drop", leaksWorker, "drop", "goroutines", false},
		{"leaks a goroutine", leaksGoroutine, "good", "goroutines", false},
		{"grants after a drop", grantsAfterDrop, "drop", "E6", false},
		{"grants after a drop, bad login", grantsAfterDrop, "drop-bad", "E6", false},
		{"grants when the service stops", grantsAfterDrop, "stop", "E6", false},
		{"grants a silent caller", grantsSilence, "silence", "C9", false},
		{"blocks in Begin", blocksInBegin, "good", "B3", false},
		{"sleeps in Begin", sleepsInBegin, "good", "B3", false},
		{"refuses Begin", refusesBegin, "good", "B4", false},
		{"Begin returns PENDING", beginPending, "good", "B4", false},
		{"echoes the secret", echoesSecret, "good", "secrets", false},
		{"echoes the wrong secret", echoesSecret, "bad", "secrets", false},
		{"mixes two callers", mixesCallers, "two", "1.10", false},
		{"mixes twenty callers", mixesCallers, "twenty", "1.10", false},
		{"panics", panicsOnNoise, "noise", "R9", false},
		{"panics in a flood", panicsOnNoise, "flood", "R9", false},
		{"keeps a line without end", keepsLine, "endless", "R9", false},
		{"grants anyone", grantsAnyone, "bad", "C3", false},
		{"grants noise", grantsNoise, "noise", "R9", false},
		{"Success without a name", grantsNobody, "good", "C3", false},
		{"a message that does not exist", reportsNonsense, "good", "C4", false},
		{"Error without a code", errorWithoutCode, "good", "C4", false},
		{"a name without a NUL", endlessName, "good", "C5", false},
		{"a domain without a NUL", endlessDomain, "good", "C5", false},
		{"names another user", grantsOther, "good", "C3", false},
		{"reports Error for Failure", errorForFailure, "bad", "C3", false},
		{"Failure without a name", failureUnnamed, "bad", "C3", false},
		{"defers for ever", defersForever, "good", "E4", false},
		{"defers for ever after a drop", defersForever, "drop", "E4", false},
		{"End does not return", endBlocks, "good", "E4", false},
		{"calls on a dead HPORT", callsLate, "late", "E8", false},
		{"throws away what was typed ahead", flushesInput, "typeahead", "B6", false},
		{"works only once", onceOnly, "again", "C3", false},
		{"starts a goroutine, real time", ownGoroutine, "good", "goroutines", true},
		{"grants after a drop, real time", grantsAfterDrop, "drop", "E6", true},
		{"mixes two callers, real time", mixesCallers, "two", "1.10", true},
	} {
		t.Run(m.name, func(t *testing.T) {
			s := subject(m.fault)
			s.Virtual = !m.inRealTime
			r := plugintest.RunCase(t, s, m.inCase)
			for _, f := range r.Faults {
				if f.Rule == m.underRule {
					if len(r.Trace) == 0 {
						t.Errorf("no trace: %v", r)
					}
					return
				}
			}
			t.Errorf("case %s found no fault under %s: %v", m.inCase, m.underRule, r)
		})
	}
}

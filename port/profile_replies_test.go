package port

import (
	"slices"
	"strconv"
	"strings"
	"testing"

	"rashost/hardware"
	"rashost/port/modem"
)

// What the profiles say that their modems answer is understood: as a result, as a report before CONNECT, or as caller id.
func TestRepliesOfProfilesAreUnderstood(t *testing.T) {
	profiles, err := hardware.Builtin()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range profiles {
		for _, reply := range p.Replies {
			if strings.HasPrefix(reply.Text, "DIAG <") { // kept as it comes, for people
				continue
			}
			var id modem.CallerIDCollector
			for line := range strings.SplitSeq(reply.Text, "\n") {
				known := id.Line(line)
				if r := modem.ParseResult(line); r.Kind == modem.None && !known {
					t.Errorf("%s: %q is not understood", p.Name, line)
				}
			}
		}
		for n, words := range p.ResultCodes {
			parser := modem.Parser{Codes: p.ResultCodes}
			if r := parser.Parse(strconv.Itoa(n)); r.Kind == modem.None && !slices.Contains(noResults, words) {
				t.Errorf("%s: result %d, %q, is not understood", p.Name, n, words)
			}
		}
	}
}

// noResults are words of result codes that end nothing and begin nothing.
var noResults = []string{"RRING", "VCON", "RUNG"}

// Complaint 2.15: the makers ship modems that any caller who knows the factory password can configure. The set-up switches that off,
// before the first call, and asks whether it is off.
func TestComplaint2_15_RemoteConfigurationOff(t *testing.T) {
	for profile, register := range map[string]string{"multitech-mt2834": "S13", "multitech-mt5634": "S9"} {
		t.Run(profile, func(t *testing.T) {
			r := newSimRig(t, profile, profile)
			r.until("listening", Listening)
			r.mu.Lock()
			commands := slices.Clone(r.commands)
			r.mu.Unlock()
			off, asked := slices.Index(commands, "AT"+register+"=0"), slices.Index(commands, "AT"+register+"?")
			reset := slices.Index(commands, "AT&F")
			if off < 0 || off < reset || asked < off {
				t.Errorf("remote configuration is not switched off, or not read back: %q", commands)
			}
			r.stop()
		})
	}
}

package modemsim

import (
	"strings"
	"testing"
)

func FuzzCommand(f *testing.F) {
	for _, s := range []string{"E0V1&D2S0=0", "S7?", "+VCID=1;+MR?", "DT555;", "&", "S=", "S", `\\N3%C1`, "#CID=2", "Z", "A", "I3"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, line string) {
		cmds := 0
		for rest := line; rest != ""; cmds++ {
			cmd, after := next(rest)
			if len(after) >= len(rest) || !strings.HasPrefix(rest, cmd) {
				t.Fatalf("%q of %q leaves %q", cmd, rest, after)
			}
			rest = after
		}
		m := New(Options{})
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, c := range []byte("AT" + line + "\r") {
			m.key(c)
		}
		m.dte.reset(line)
	})
}

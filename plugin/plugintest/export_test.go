package plugintest

import "testing"

// RunCase runs one case and returns what it found.
func RunCase(t *testing.T, s Subject, name string) (found Result) {
	t.Helper()
	for _, c := range cases() {
		if c.name == name {
			c.runIn(t, s, func(r Result) { found = r })
			return found
		}
	}
	t.Fatalf("no case %s", name)
	return found
}

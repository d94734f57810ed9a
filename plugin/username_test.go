package plugin_test

import (
	"strings"
	"testing"

	"rashost/plugin"
)

func TestValidUserName(t *testing.T) {
	good := []string{"a", "_x", "alice", "A.B-c_d@e+f", "9", strings.Repeat("x", plugin.UserNameMax)}
	bad := []string{"", "-rf", ".x", "@x", "+x", " a", "a b", "a\x00", "a\n", "é", "a/b", "$(x)", strings.Repeat("x", plugin.UserNameMax+1)}
	for _, name := range good {
		if !plugin.ValidUserName(name) {
			t.Errorf("ValidUserName(%q) = false, want true", name)
		}
	}
	for _, name := range bad {
		if plugin.ValidUserName(name) {
			t.Errorf("ValidUserName(%q) = true, want false", name)
		}
	}
}

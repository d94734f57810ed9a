package main

import (
	"os"
	"path/filepath"
	"testing"
)

// The refused logins of the robot must not lock out the users of a host that runs with the same configuration.
func TestPluginTestLeavesTheHostAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.yaml")
	text := `state_dir: state
lines: [{name: a, device: "sim:a", dialog: staff, service: out}]
dialogs: {staff: {plugin: password, options: {file: users.yaml}, lockout: {denials: 2}}}
services: {out: {type: tcp, address: "127.0.0.1:1"}}
`
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	try := pluginTry{app: &app{configPath: path}, dialog: "staff"}
	dir := t.TempDir()
	c, dialog, err := try.config(dir)
	if err != nil {
		t.Fatal(err)
	}
	if n := c.Dialogs[dialog].Lockout.Denials; n != 0 {
		t.Errorf("the robot would be locked out after %d refused logins", n)
	}
	if state := c.Resolve(c.StateDir); state != dir {
		t.Errorf("the test writes to %s, not to its own folder", state)
	}
}

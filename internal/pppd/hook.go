package pppd

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// HookCommand is what pppd's ip-pre-up must run, in the end.
const HookCommand = "rashost ppp-hook"

// Names of pppd's files in Dir.
const (
	preUp      = "ip-pre-up"
	preUpLocal = "ip-pre-up.local"
	preUpDir   = "ip-pre-up.d"
)

// partName is what run-parts(8) runs.
var partName = regexp.MustCompile(`^[A-Za-z0-9_-]+$`)

// Hooked says why pppd's ip-pre-up in dir does not ask rashost; nil when it does. pppd runs ip-pre-up before it lets a packet through and waits
// for it. On Debian it runs ip-pre-up.local if there is one, otherwise every program in ip-pre-up.d.
func Hooked(dir string) error {
	install := "install hardware/ppp/ip-pre-up.d/0rashost there (docs/ppp.md)"
	script := filepath.Join(dir, preUp)
	text, err := program(script)
	if err != nil {
		return fmt.Errorf("pppd would not ask rashost who is calling: %w: %s", err, install)
	}
	if calls(text) {
		return nil
	}
	local := filepath.Join(dir, preUpLocal)
	if text, err := program(local); err == nil {
		if calls(text) {
			return nil
		}
		return fmt.Errorf("pppd would not ask rashost who is calling: %s is run in place of %s, and does not run %s", local, preUpDir, HookCommand)
	}
	parts := filepath.Join(dir, preUpDir)
	if !strings.Contains(text, preUpDir) {
		return fmt.Errorf("pppd would not ask rashost who is calling: %s runs neither %s nor the programs in %s", script, HookCommand, parts)
	}
	entries, err := os.ReadDir(parts)
	if err != nil {
		return fmt.Errorf("pppd would not ask rashost who is calling: %w: %s", err, install)
	}
	for _, e := range entries {
		if !partName.MatchString(e.Name()) {
			continue
		}
		if text, err := program(filepath.Join(parts, e.Name())); err == nil && calls(text) {
			return nil
		}
	}
	return fmt.Errorf("pppd would not ask rashost who is calling: no program in %s runs %s: %s", parts, HookCommand, install)
}

// calls says whether a script runs the hook, outside of a comment.
func calls(text string) bool {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); !strings.HasPrefix(line, "#") && strings.Contains(line, HookCommand) {
			return true
		}
	}
	return false
}

// program returns the beginning of an executable file, as pppd takes it for one.
func program(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0 {
		return "", fmt.Errorf("%s is no executable file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		if errors.Is(err, fs.ErrPermission) {
			return "", fmt.Errorf("%s cannot be read, so that nobody knows what it runs: %w", path, err)
		}
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	return string(text), err
}

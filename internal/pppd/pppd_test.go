package pppd

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	got := Parse([]string{"name", "noauth", "noauth", "10.0.0.1:10.0.0.2", "mtu", "1500", "set"})
	want := []Option{{"name", "noauth", 0}, {"noauth", "", 2}, {"10.0.0.1:10.0.0.2", "", 3}, {"mtu", "1500", 4}, {"set", "", 6}}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v", got)
	}
}

// TestNoAuth: what is asked of the caller in the end; an argument is no option.
func TestNoAuth(t *testing.T) {
	for text, want := range map[string]bool{
		"":                   false,
		"noauth":             true,
		"auth noauth":        true,
		"noauth auth":        false,
		"noauth require-pap": false,
		"name noauth":        false,
		"ipparam auth":       false,
		"noauth name auth":   true,
	} {
		if got := NoAuth(Parse(strings.Fields(text))); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "options")
	if list, err := ReadFile(path); list != nil || err != nil {
		t.Errorf("no file: %v, %v", list, err)
	}
	const text = "# a comment\nnoauth\t lock # more\nconnect \"chat -v 'x'\" name a\\ b\nset X='1 #2'\nwelcome ''\nlast"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	list, err := ReadFile(path)
	want := []Option{
		{"noauth", "", 0}, {"lock", "", 1}, {"connect", "chat -v 'x'", 2}, {"name", "a b", 4}, {"set", "X=1 #2", 6}, {"welcome", "", 8}, {"last", "", 10},
	}
	if err != nil || !slices.Equal(list, want) {
		t.Errorf("got %+v, %v", list, err)
	}
	if got := TTYFile("/etc/ppp", "/dev/pts/3"); got != "/etc/ppp/options.pts.3" {
		t.Errorf("got %s", got)
	}
}

// debian is what Debian's ip-pre-up does.
const debian = "#!/bin/sh\nif [ -x /etc/ppp/ip-pre-up.local ]; then\n  exec /etc/ppp/ip-pre-up.local \"$@\"\nfi\nrun-parts /etc/ppp/ip-pre-up.d\n"

// TestHooked: every way in which pppd's ip-pre-up leads to rashost, and those in which it only seems to.
func TestHooked(t *testing.T) {
	shipped, err := os.ReadFile("../../hardware/ppp/ip-pre-up.d/0rashost")
	if err != nil {
		t.Fatal(err)
	}
	hook := string(shipped)
	type file struct {
		name, text string
		mode       os.FileMode
	}
	for _, c := range []struct {
		name  string
		files []file
		want  string // "" for hooked
	}{
		{"debian", []file{{"ip-pre-up", debian, 0o755}, {"ip-pre-up.d/0rashost", hook, 0o755}}, ""},
		{"itself", []file{{"ip-pre-up", hook, 0o700}}, ""},
		{"local", []file{{"ip-pre-up", debian, 0o755}, {"ip-pre-up.local", "exec rashost ppp-hook", 0o755}}, ""},
		{"no ip-pre-up", []file{{"ip-pre-up.d/0rashost", hook, 0o755}}, "no such file"},
		{"nothing in the folder", []file{{"ip-pre-up", debian, 0o755}, {"ip-pre-up.d/other", "true", 0o755}}, "no program in"},
		{"no folder", []file{{"ip-pre-up", debian, 0o755}}, "no such file"},
		{"not executable", []file{{"ip-pre-up", debian, 0o755}, {"ip-pre-up.d/0rashost", hook, 0o644}}, "no program in"},
		{"ip-pre-up not executable", []file{{"ip-pre-up", debian, 0o644}, {"ip-pre-up.d/0rashost", hook, 0o755}}, "no executable file"},
		{"a name that run-parts passes over", []file{{"ip-pre-up", debian, 0o755}, {"ip-pre-up.d/rashost.sh", hook, 0o755}}, "no program in"},
		{"in a comment", []file{{"ip-pre-up", debian + "# rashost ppp-hook\n", 0o755}, {"ip-pre-up.d/x", " # rashost ppp-hook", 0o755}}, "no program in"},
		{"local hides the folder", []file{
			{"ip-pre-up", debian, 0o755}, {"ip-pre-up.d/0rashost", hook, 0o755}, {"ip-pre-up.local", "true", 0o755}}, "in place of"},
		{"another ip-pre-up", []file{{"ip-pre-up", "#!/bin/sh\ntrue\n", 0o755}, {"ip-pre-up.d/0rashost", hook, 0o755}}, "runs neither"},
	} {
		dir := t.TempDir()
		for _, f := range c.files {
			path := filepath.Join(dir, f.name)
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(f.text), f.mode); err != nil {
				t.Fatal(err)
			}
		}
		err := Hooked(dir)
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir)) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
}

// FuzzWords: whatever an option file holds, its words end, and a file of plain words is split at white space.
func FuzzWords(f *testing.F) {
	for _, seed := range []string{"", "noauth", "a 'b c' \"d\" \\e #f\ng", "'", "\\", "#", "a\\\nb", "\"\\\"\"", "\x00\xff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list := words(strings.NewReader(text))
		total := 0
		for _, w := range list {
			total += len(w)
		}
		if total > len(text) {
			t.Errorf("%q became %q", text, list)
		}
		if !strings.ContainsAny(text, "'\"\\#") && strings.IndexFunc(text, func(r rune) bool { return r > 0x7e || r < ' ' && r != '\n' && r != '\t' }) < 0 {
			if want := strings.Fields(text); !slices.Equal(list, want) {
				t.Errorf("%q became %q, want %q", text, list, want)
			}
		}
	})
}

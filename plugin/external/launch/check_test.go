package launch

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	folder := openFolder(t)
	plain := folder + "/plain"
	if err := os.WriteFile(plain, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(s *Spec)
		want   string
	}{
		{"well", func(s *Spec) {
			s.Dir, s.Read, s.Write, s.Env = folder, []string{plain}, []string{folder}, []string{"A=", "B=1=2"}
		}, ""},
		{"no command", func(s *Spec) { s.Command = nil }, "the absolute path of a program is missing"},
		{"relative", func(s *Spec) { s.Command = []string{"true"} }, "the absolute path of a program is missing"},
		{"missing", func(s *Spec) { s.Command = []string{folder + "/none"} }, "there is no program " + folder + "/none"},
		{"below a file", func(s *Spec) { s.Command = []string{plain + "/none"} }, "not a directory"},
		{"folder", func(s *Spec) { s.Command = []string{folder} }, folder + " is no program"},
		{"not executable", func(s *Spec) { s.Command = []string{plain} }, "chmod +x " + plain},
		{"NUL", func(s *Spec) { s.Command = append(s.Command, "a\x00b") }, "NUL"},
		{"unknown user", func(s *Spec) { s.User = "no-such-account" }, `there is no account "no-such-account"`},
		{"environment", func(s *Spec) { s.Env = []string{"WRONG"} }, `env: "WRONG" must be NAME=VALUE`},
		{"environment without a name", func(s *Spec) { s.Env = []string{"=x"} }, "must be NAME=VALUE"},
		{"working folder missing", func(s *Spec) { s.Dir = folder + "/none" }, "working folder: "},
		{"working folder is a file", func(s *Spec) { s.Dir = plain }, "is no folder"},
		{"read", func(s *Spec) { s.Read = []string{folder + "/none"} }, "read: stat " + folder + "/none"},
		{"write", func(s *Spec) { s.Write = []string{folder + "/none"} }, "write: stat " + folder + "/none"},
		{"relative path", func(s *Spec) { s.Write = []string{"here"} }, `write: "here" is not absolute`},
	} {
		s := spec(t, "/bin/true")
		c.change(&s)
		switch err := Check(s); {
		case c.want == "" && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestCheckFindsAllFaults(t *testing.T) {
	err := Check(Spec{Command: []string{"/no/such/program"}, User: "no-such-account", Dir: "/no/such/folder", Read: []string{"/no/such/file"}})
	for _, want := range []string{"/no/such/program", "no-such-account", "/no/such/folder", "/no/such/file"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s in it", err, want)
		}
	}
}

func TestRootMustBeWrittenOut(t *testing.T) {
	if _, err := findAccount("", 0); err == nil || !strings.Contains(err.Error(), "user is required when rashost runs as root") {
		t.Errorf("without a user: %v", err)
	}
	if a, err := findAccount("root", 0); err != nil || a.uid != 0 || a.name != "root" {
		t.Errorf("root: %+v, %v", a, err)
	}
	if a, err := findAccount("nobody", 0); err != nil || a.uid == 0 || a.gid == 0 {
		t.Errorf("nobody: %+v, %v", a, err)
	}
	if a, err := findAccount("root", 65534); err != nil || a.uid != 65534 {
		t.Errorf("root, without being root: %+v, %v", a, err)
	}
	if a, err := findAccount("", 64999); err != nil || a.uid != 64999 || a.home != "/" {
		t.Errorf("an account without a name: %+v, %v", a, err)
	}
}

func TestWarnings(t *testing.T) {
	s := spec(t, "/bin/true")
	if w := Warnings(s); w != nil {
		t.Errorf("%q", w)
	}
	s.User = "root"
	want := "the plugin runs as root"
	if os.Geteuid() != 0 {
		want = "user root has no effect, because rashost does not run as root"
	}
	if w := Warnings(s); len(w) != 1 || !strings.HasPrefix(w[0], want) {
		t.Errorf("%q, want %q", w, want)
	}
}

func TestMissing(t *testing.T) {
	for _, c := range []struct {
		name string
		has  Support
		want []string
	}{
		{"everything", Support{Landlock: 7, Cgroup: true, Pids: true}, nil},
		{"no Landlock", Support{Cgroup: true, Pids: true}, []string{"the kernel has no Landlock: plugins can read every file that their user can"}},
		{"old Landlock", Support{Landlock: 4, Cgroup: true, Pids: true}, []string{"ioctl", "send signals"}},
		{"oldest Landlock", Support{Landlock: 1, Cgroup: true, Pids: true}, []string{"truncate", "ioctl", "send signals"}},
		{"no cgroup", Support{Landlock: 7, Why: "the reason"}, []string{"children of plugins can escape when their plugin is killed: the reason"}},
		{"no pids", Support{Landlock: 7, Cgroup: true}, []string{"limits.processes bounds a plugin's whole account"}},
	} {
		got := c.has.Missing()
		got = slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "plugins run as rashost's own account") })
		if len(got) != len(c.want) {
			t.Errorf("%s: %q", c.name, got)
			continue
		}
		for i, want := range c.want {
			if !strings.Contains(got[i], want) {
				t.Errorf("%s: %q, want %q in it", c.name, got[i], want)
			}
		}
	}
}

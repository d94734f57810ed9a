package launch

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"os/user"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"rashost/plugin"
)

// status returns fields of /proc/self/status as a program sees it.
func status(t *testing.T, s Spec) map[string]string {
	t.Helper()
	s.Read = append(s.Read, "/proc")
	fields := map[string]string{}
	for line := range strings.Lines(output(t, s)) {
		key, value, _ := strings.Cut(line, ":")
		fields[key] = strings.TrimSpace(value)
	}
	return fields
}

func TestAccountAndPrivileges(t *testing.T) {
	needRoot(t)
	old, err := syscall.Getgroups()
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setgroups([]int{0, 4, 5}); err != nil { // groups that a program must not inherit
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Setgroups(old) })
	nobody, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	f := status(t, shell(t, `exec cat /proc/self/status`))
	ids := func(id string) string { return strings.Join([]string{id, id, id, id}, "\t") }
	for key, want := range map[string]string{
		"Uid": ids(nobody.Uid), "Gid": ids(nobody.Gid), "Groups": "", "NoNewPrivs": "1",
		"CapEff": "0000000000000000", "CapPrm": "0000000000000000", "CapAmb": "0000000000000000",
	} {
		if got, ok := f[key]; !ok || got != want {
			t.Errorf("%s is %q, want %q", key, got, want)
		}
	}
}

func TestRootMustBeWrittenOutAndIsRoot(t *testing.T) {
	needRoot(t)
	s := shell(t, `id -u; id -G`)
	s.User = "root"
	if out := output(t, s); out != "0\n0\n" {
		t.Errorf("as root: %q", out)
	}
}

// TestSetuidProgramGainsNothing: the same program, run by the same account without the launcher, becomes root.
func TestSetuidProgramGainsNothing(t *testing.T) {
	needRoot(t)
	id := copyFile(t, "/usr/bin/id", openFolder(t)+"/id", 0o4755)
	if err := os.Chmod(id, os.ModeSetuid|0o755); err != nil {
		t.Fatal(err)
	}
	control := exec.Command(id, "-u")
	control.Dir = "/"
	control.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := control.Output(); err != nil || string(out) != "0\n" {
		impossible(t, fmt.Sprintf("setuid programs do not work here: %q, %v", out, err))
	}
	p := begin(t, spec(t, id, "-u"))
	if out := readAll(t, p.Stdout); out != "65534\n" {
		t.Errorf("a setuid program runs as %q", out)
	}
}

// TestNoNewPrivilegesWithoutLandlock: Landlock would set it, too, where the kernel has it.
func TestNoNewPrivilegesWithoutLandlock(t *testing.T) {
	old := unix.Umask(0)
	defer unix.Umask(old)
	set := make(chan int)
	go inShortThread(func() { // it is for this thread alone, and for good
		err := forbidPrivileges(nil)
		value, _ := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0)
		if err != nil {
			value = -1
		}
		set <- value
	})
	if got := <-set; got != 1 {
		t.Errorf("no_new_privs is %d", got)
	}
}

func TestUserOfAnOrdinaryHostHasNoEffect(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("only for a host that is not root")
	}
	s := shell(t, `id -u`)
	s.User = "root"
	if out := output(t, s); out != fmt.Sprintln(os.Geteuid()) {
		t.Errorf("it runs as %q", out)
	}
}

// TestLeakedFileIsClosed: a file that the host has opened without O_CLOEXEC.
func TestLeakedFileIsClosed(t *testing.T) {
	leaked, err := unix.Open("/etc/passwd", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(leaked) }()
	list := `for f in /proc/self/fd/*; do [ -e $f ] && echo ${f##*/}; done`
	control, err := exec.Command("/bin/sh", "-c", list).Output()
	if err != nil || !slices.Contains(strings.Fields(string(control)), fmt.Sprint(leaked)) {
		t.Fatalf("the file is not inherited at all: %q, %v", control, err)
	}
	s := shell(t, list)
	s.Read = []string{"/proc"}
	for _, fd := range strings.Fields(output(t, s)) {
		if !slices.Contains([]string{"0", "1", "2"}, fd) {
			t.Errorf("the program has the file number %s", fd)
		}
	}
}

// TestCloseEach is the way of old kernels.
func TestCloseEach(t *testing.T) {
	leaked, err := unix.Open("/etc/passwd", unix.O_RDONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(leaked) }()
	if err := closeEach(); err != nil {
		t.Fatal(err)
	}
	if flags, err := unix.FcntlInt(uintptr(leaked), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("flags %#x, %v", flags, err)
	}
}

func TestEnvironmentIsClean(t *testing.T) {
	t.Setenv("RASHOST_TEST_SECRET", "of the host")
	s := spec(t, "/usr/bin/env")
	s.Env = []string{"LANG=de_DE.UTF-8", "DOOR=front"}
	p := begin(t, s)
	home := "/"
	if u, err := user.LookupId(fmt.Sprint(os.Geteuid())); err == nil {
		home = u.HomeDir
	}
	if os.Geteuid() == 0 {
		u, err := user.Lookup("nobody")
		if err != nil {
			t.Fatal(err)
		}
		home = u.HomeDir
	}
	want := "PATH=" + searchPath + "\nHOME=" + home + "\nLANG=de_DE.UTF-8\nDOOR=front\n"
	if out := readAll(t, p.Stdout); out != want {
		t.Errorf("the environment is\n%swant\n%s", out, want)
	}
}

func TestWorkingFolderAndUmask(t *testing.T) {
	s := shell(t, `pwd; umask`)
	if out := output(t, s); out != "/\n0077\n" {
		t.Errorf("output is %q", out)
	}
	s = shell(t, `pwd`)
	s.Dir = "/usr"
	if out := output(t, s); out != "/usr\n" {
		t.Errorf("output is %q", out)
	}
}

// TestSignalsAreReset: the Go runtime handles all, and a host started with nohup ignores one.
func TestSignalsAreReset(t *testing.T) {
	signal.Ignore(unix.SIGHUP, unix.SIGPIPE, unix.SIGUSR1)
	t.Cleanup(func() { signal.Reset(unix.SIGHUP, unix.SIGPIPE, unix.SIGUSR1) })
	f := status(t, spec(t, "/bin/sh", "-c", `exec cat /proc/self/status`))
	for _, key := range []string{"SigIgn", "SigBlk", "SigCgt"} {
		if f[key] != "0000000000000000" {
			t.Errorf("%s is %q", key, f[key])
		}
	}
}

func TestProgramDiesOfABrokenPipe(t *testing.T) {
	p := begin(t, shell(t, `while echo x; do :; done; echo survived >&2`))
	p.Stdout.Close()
	if out := readAll(t, p.Stderr); out != "" {
		t.Errorf("it says %q", out)
	}
	if err := p.Wait(); err == nil || err.Error() != "signal: broken pipe" {
		t.Errorf("Wait: %v", err)
	}
}

func TestKernelPrefersToKillPlugins(t *testing.T) {
	s := shell(t, `exec cat /proc/self/oom_score_adj`)
	s.Read = []string{"/proc"}
	if out := output(t, s); out != fmt.Sprintln(oomScore) {
		t.Errorf("oom_score_adj is %q", out)
	}
}

func TestLandlockClosesTheFileSystem(t *testing.T) {
	needLandlock(t, 3)
	folder := openFolder(t)
	if err := os.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	file := func(path, text string) string {
		if err := os.WriteFile(path, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	sub := func(name string) string {
		path := folder + "/" + name
		if err := os.Mkdir(path, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, 0o777); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := file(folder+"/secret", "secret\n")
	readable := sub("readable")
	file(readable+"/file", "open\n")
	one := file(folder+"/one", "single\n")
	writable := sub("writable")
	sub("writable/a")
	sub("writable/b")
	for _, c := range []struct {
		name, script, want string
		fails              bool
	}{
		{name: "secret", script: "cat " + secret, fails: true},
		{name: "list", script: "ls " + folder, fails: true},
		{name: "create", script: "echo x >" + folder + "/new", fails: true},
		{name: "temporary", script: "echo x >/tmp/rashost-launch-test", fails: true},
		{name: "truncate", script: "truncate -s 0 " + secret, fails: true},
		{name: "remove", script: "rm -f " + secret, fails: true},
		{name: "processes", script: "cat /proc/1/cmdline", fails: true},
		{name: "own process", script: "cat /proc/self/status", fails: true},
		{name: "devices", script: "cat /dev/full", fails: true},
		{name: "system", script: "head -c 5 /etc/passwd; ls -d /usr/bin", want: "root:/usr/bin\n"},
		{name: "null", script: "echo x >/dev/null; cat /dev/null; head -c 1 /dev/zero | wc -c; head -c 1 /dev/urandom | wc -c", want: "1\n1\n"},
		{name: "read folder", script: "cat " + readable + "/file", want: "open\n"},
		{name: "read file", script: "cat " + one, want: "single\n"},
		{name: "read only", script: "echo x >" + readable + "/file", fails: true},
		{name: "write", script: fmt.Sprintf("cd %s && echo y >a/f && ln a/f b/f && cat b/f && rm a/f b/f && mkdir c && rmdir c", writable), want: "y\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := shell(t, c.script)
			s.Read, s.Write = []string{readable, one, folder + "/gone"}, []string{writable}
			out := output(t, s)
			if c.fails {
				if !strings.Contains(out, "ermission denied") {
					t.Errorf("%s: output is %q, want a refusal", c.script, out)
				}
			} else if out != c.want {
				t.Errorf("%s: output is %q, want %q", c.script, out, c.want)
			}
		})
	}
	if text, err := os.ReadFile(secret); err != nil || string(text) != "secret\n" {
		t.Errorf("the secret file now reads %q, %v", text, err)
	}
}

// TestProgramReadsItsOwnFolder: where it was named, and where it really is.
func TestProgramReadsItsOwnFolder(t *testing.T) {
	needLandlock(t, 1)
	real, named := openFolder(t), openFolder(t)
	if err := os.WriteFile(real+"/program", []byte("#!/bin/sh\ncat "+real+"/data "+named+"/data\ncat "+named+"/../passwd-of-nobody\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{real, named} {
		if err := os.WriteFile(folder+"/data", []byte("data\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink(real+"/program", named+"/program"); err != nil {
		t.Fatal(err)
	}
	p := begin(t, spec(t, named+"/program"))
	if out := readAll(t, p.Stdout); out != "data\ndata\n" {
		t.Errorf("output is %q", out)
	}
	if got := ownPaths("/program"); len(got) != 1 || got[0] != "/program" {
		t.Errorf("a program in the root folder may read %q", got)
	}
}

// TestProgramCannotReachOtherProcesses: neither the host nor another plugin of the same account, by signals or by tracing. Reading
// the environment of a process needs the right to trace it (proc_pid_environ(5)).
func TestProgramCannotReachOtherProcesses(t *testing.T) {
	needLandlock(t, 6)
	sibling := begin(t, shell(t, `echo $$; exec sleep 1000`))
	other := line(t, sibling.Stdout)
	s := shell(t, fmt.Sprintf(`kill -0 %d; kill -0 %s; cat /proc/%s/environ; kill -0 $$ && echo myself`, os.Getpid(), other, other))
	s.Read = []string{"/proc"}
	out := output(t, s)
	if strings.Count(out, "ermission denied")+strings.Count(out, "not permitted") != 3 || !strings.HasSuffix(out, "myself\n") {
		t.Errorf("output is %q, want three refusals and itself", out)
	}
}

// TestRootCannotSignalTheHost: even the account that may signal everybody.
func TestRootCannotSignalTheHost(t *testing.T) {
	needRoot(t)
	needLandlock(t, 6)
	s := shell(t, fmt.Sprintf(`kill -0 %d`, os.Getpid()))
	s.User = "root"
	if out := output(t, s); !strings.Contains(out, "not permitted") {
		t.Errorf("output is %q, want a refusal", out)
	}
}

func TestAbstractSocketsAreOutOfReach(t *testing.T) {
	needLandlock(t, 6)
	need(t, "python3", "python3")
	listener, err := net.Listen("unix", fmt.Sprintf("@rashost-launch-%d", os.Getpid()))
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	script := fmt.Sprintf("import socket\ntry: socket.socket(socket.AF_UNIX).connect('\\0%s')\nexcept OSError as e: print(e.errno)", listener.Addr().String()[1:])
	control, err := exec.Command("python3", "-c", script).CombinedOutput()
	if err != nil || len(control) > 0 {
		t.Fatalf("without the launcher: %q, %v", control, err)
	}
	p := begin(t, spec(t, "/usr/bin/python3", "-c", script))
	if out := readAll(t, p.Stdout); out != fmt.Sprintln(int(unix.EPERM)) {
		t.Errorf("output is %q, want EPERM", out)
	}
}

func TestNetworkIsOpen(t *testing.T) {
	need(t, "python3", "python3")
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	script := fmt.Sprintf("import socket; socket.create_connection(('127.0.0.1', %d)); print('connected')", listener.Addr().(*net.TCPAddr).Port)
	p := begin(t, spec(t, "/usr/bin/python3", "-c", script))
	if out := readAll(t, p.Stdout); out != "connected\n" {
		t.Errorf("output is %q: %s", out, readAll(t, p.Stderr))
	}
}

func need(t *testing.T, command, debianPackage string) {
	t.Helper()
	if _, err := exec.LookPath(command); err != nil {
		missing(t, "needs Debian package "+debianPackage)
	}
}

func TestLimits(t *testing.T) {
	folder := openFolder(t)
	if err := os.Chmod(folder, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		limits plugin.Limits
		script string
		out    string // has this
		end    string // of Wait
	}{
		{name: "memory", limits: plugin.Limits{Memory: 100}, script: "dd if=/dev/zero of=/dev/null bs=200M count=1", out: "memory exhausted", end: "exit status 1"},
		{name: "memory left", limits: plugin.Limits{Memory: 400}, script: "dd if=/dev/zero of=/dev/null bs=200M count=1 status=none; echo $?", out: "0\n"},
		{name: "processor time", limits: plugin.Limits{CPU: 1}, script: "while :; do :; done", end: "signal: CPU time limit exceeded"},
		{name: "processor time, though it does not want to die", limits: plugin.Limits{CPU: 1}, script: "trap '' XCPU; while :; do :; done", end: "signal: killed"},
		{name: "files", limits: plugin.Limits{Files: 20},
			script: "exec bash -c 'exec 19</dev/null && echo nineteen; exec 20</dev/null && echo twenty'", out: "nineteen\n", end: "exit status 1"},
		{name: "file size", limits: plugin.Limits{FileSize: 1},
			script: "head -c 1048576 /dev/zero >f && echo fits; exec head -c 1048577 /dev/zero >f", out: "fits\n", end: "signal: file size limit exceeded"},
		{name: "output is no file", limits: plugin.Limits{FileSize: 1}, script: "head -c 2000000 /dev/zero | wc -c", out: "2000000"},
		{name: "core", script: "ulimit -S -c; ulimit -H -c; kill -SEGV $$", out: "0\n0\n", end: "signal: segmentation fault"}, // not: (core dumped)
		{name: "none", script: "ulimit -v; ulimit -t; ulimit -f", out: "unlimited\nunlimited\nunlimited\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := shell(t, "exec 2>&1; "+c.script)
			s.Limits, s.Dir, s.Write = c.limits, folder, []string{folder}
			p := begin(t, s)
			if out := readAll(t, p.Stdout); !strings.Contains(out, c.out) || strings.Contains(out, "twenty") {
				t.Errorf("output is %q, want %q in it", out, c.out)
			}
			if end := exitText(p.Wait()); end != c.end {
				t.Errorf("it ended with %q, want %q", end, c.end)
			}
		})
	}
}

func exitText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// TestCoreForAProgram: a core_pattern that begins with | ignores a limit of 0, and takes 1 for "never" (core(5)).
func TestCoreForAProgram(t *testing.T) {
	s := shell(t, "while read -r line; do case $line in 'Max core'*) echo $line;; esac; done </proc/self/limits")
	s.Read = []string{"/proc"}
	if out := output(t, s); out != "Max core file size 1 1 bytes\n" {
		t.Errorf("output is %q", out)
	}
}

// TestLimitsAboveTheHostsOwn: a host that is itself bounded cannot give more than it has, and must not fail.
func TestLimitsAboveTheHostsOwn(t *testing.T) {
	var old unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &old); err != nil {
		t.Fatal(err)
	}
	s := shell(t, "ulimit -n")
	s.Limits.Files = int(old.Max) + 1
	if out := output(t, s); out != fmt.Sprintln(old.Max) {
		t.Errorf("%q files, want %d", out, old.Max)
	}
}

// TestOwnLimitOfFiles: the Go runtime raises the limit of a process for itself; a program gets the one that the host was started with.
func TestOwnLimitOfFiles(t *testing.T) {
	control, err := exec.Command("/bin/sh", "-c", "ulimit -S -n").Output()
	if err != nil {
		t.Fatal(err)
	}
	if out := output(t, shell(t, "ulimit -S -n")); out != string(control) {
		t.Errorf("%q files, want %q", out, control)
	}
}

func TestProcessesOfTheAccount(t *testing.T) {
	own := os.Geteuid()
	for _, c := range []struct {
		name   string
		uid    int
		limit  int
		cgroup *cgroup
		want   int
	}{
		{"no limit", 65533, 0, nil, 0},
		{"counted by the control group", 65533, 7, &cgroup{pids: true}, 0},
		{"control group that does not count", 65533, 7, &cgroup{}, 7 + accountRoom},
		{"no control group", 65533, 7, nil, 7 + accountRoom},
		{"root is exempt", 0, 7, nil, 0},
		{"the host's own account", own, 7, nil, 0},
	} {
		r := request{UID: c.uid, Limits: plugin.Limits{Processes: c.limit}}
		if r.boundProcesses(c.cgroup); r.AllAccount != c.want {
			t.Errorf("%s: %d, want %d", c.name, r.AllAccount, c.want)
		}
	}
}

func TestProcessesAreBounded(t *testing.T) {
	needRoot(t)
	s := shell(t, "while read -r line; do case $line in 'Max processes'*) echo $line;; esac; done </proc/self/limits")
	s.Read = []string{"/proc"}
	s.Limits.Processes = 5
	want := fmt.Sprintf("Max processes %d %d processes\n", 5+accountRoom, 5+accountRoom)
	if Detect().Pids {
		t.Skip("pids.max bounds them here: TestPidsMax")
	}
	if out := output(t, s); out != want {
		t.Errorf("output is %q, want %q", out, want)
	}
}

package external

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"rashost/dialog"
	"rashost/plugin"
)

// realProgram writes a shell script that grants every caller; as long as the file bad exists beside it, it does something else after Begin.
func realProgram(t *testing.T, bad string) (path string) {
	t.Helper()
	dir := t.TempDir()
	path = filepath.Join(dir, "program")
	text := `#!/bin/sh
reply() { printf '{"jsonrpc":"2.0","id":%s,"result":{%s}}\n' "$id" "$1"; }
while IFS= read -r line; do
	id=${line#*'"id":'} id=${id%%,*} hport=${line#*'"hport":'} hport=${hport%%[,\}]*}
	case $line in
	*'"method":"Hello"'*) reply '"version":1,"name":"real","isolation":"shared"' ;;
	*'"method":"SecurityDialogBegin"'*)
		reply '"code":0'
		if [ -e ` + dir + `/bad ]; then
			` + bad + `
		else
			printf '{"jsonrpc":"2.0","method":"DialogComplete","params":{"hport":%s,"msgid":1,"user":"alice"}}\n' "$hport"
		fi ;;
	*'"method":"SecurityDialogEnd"'*) reply '"code":619' ;;
	esac
done
`
	if err := errors.Join(os.WriteFile(path, []byte(text), 0o755), os.WriteFile(filepath.Join(dir, "bad"), nil, 0o644)); err != nil {
		t.Fatal(err)
	}
	return path
}

// realSetup is a dialog on command.
func realSetup(log io.Writer, command ...string) plugin.Setup {
	return plugin.Setup{
		Dialog: "test", User: account(), Log: slog.New(slog.NewTextHandler(log, nil)),
		Decode: func(into any) error { *into.(*Options) = Options{Command: command}; return nil },
	}
}

// mustNew makes a plugin and closes it after the test.
func mustNew(t *testing.T, s plugin.Setup) *Plugin {
	t.Helper()
	x, err := New(s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := x.(*Plugin).Close(); err != nil {
			t.Error(err)
		}
	})
	return x.(*Plugin)
}

// silentCall holds a dialog with a caller who says nothing.
func silentCall(t *testing.T, host *dialog.Host, x plugin.Plugin, line string) dialog.Outcome {
	t.Helper()
	caller, end := net.Pipe()
	defer caller.Close()
	defer end.Close()
	go func() { _, _ = io.Copy(io.Discard, caller) }()
	return host.Run(t.Context(), end, x, dialog.Options{Timeout: dialog.MinTimeout, Call: plugin.Call{ID: "1", Line: line}})
}

// until waits for cond; the machine may be busy.
func until(t *testing.T, what string, cond func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !cond(); {
		if time.Now().After(deadline) {
			t.Fatalf("%s: it did not happen", what)
		}
		time.Sleep(5 * time.Millisecond) // between two looks, not in place of one
	}
}

// What a real program can do wrong ends in an Error, its processes are dead, and the next caller is served.
func TestRealProgramsThatFail(t *testing.T) {
	for name, c := range map[string]struct {
		bad  string
		code plugin.Code
		log  string
	}{
		"exits":                   {"exit 3", plugin.ErrorProcessAborted, "exit status 3"},
		"kills itself":            {"kill -9 $$", plugin.ErrorProcessAborted, "signal: killed"},
		"crashes":                 {"kill -SEGV $$", plugin.ErrorProcessAborted, "signal: segmentation fault"},
		"becomes false":           {"exec false", plugin.ErrorProcessAborted, "exit status 1"},
		"garbage":                 {"echo hello; exec sleep 1000", plugin.ErrorInvalidData, "not a message"},
		"endless line":            {"head -c 100000 /dev/zero | tr '\\0' x; exec sleep 1000", plugin.ErrorInvalidData, "more than 16384 bytes"},
		"bomb":                    {`exec yes '{"jsonrpc":"2.0","method":"DialogGetInfo","params":{"hport":1}}'`, plugin.ErrorInvalidData, "10000 messages"},
		"bomb that wants answers": {`exec yes '{"jsonrpc":"2.0","id":1,"method":"DialogGetInfo","params":{"hport":1}}'`, plugin.ErrorInvalidData, "1024 messages"},
		"has children":            {"sleep 1000 & echo child $! >&2; sleep 1001 & echo child $! >&2; echo hello; wait", plugin.ErrorInvalidData, "not a message"},
		"leaves children":         {"sleep 1000 & echo child $! >&2; exit 0", plugin.ErrorProcessAborted, "exit status 0"},
	} {
		t.Run(name, func(t *testing.T) {
			log := new(logBuffer)
			path := realProgram(t, c.bad)
			x, host := mustNew(t, realSetup(log, path)), dialog.New(nil)
			o := silentCall(t, host, x, "modem1")
			if o.Verdict != plugin.Error || o.Code != c.code || o.Event != plugin.EventSecurityInternal {
				t.Errorf("%v, %v, event %v; want error, %v", o.Verdict, o.Code, o.Event, c.code)
			}
			until(t, "the program is reaped", func() bool { return strings.Contains(log.String(), "a plugin's program was ended") })
			if !strings.Contains(log.String(), c.log) {
				t.Errorf("the log has not %q:\n%s", c.log, log)
			}
			for _, m := range regexp.MustCompile(`child (\d+)`).FindAllStringSubmatch(log.String(), -1) {
				until(t, "child "+m[1]+" dies", func() bool { return !alive(m[1]) })
			}
			if err := os.Remove(filepath.Join(filepath.Dir(path), "bad")); err != nil {
				t.Fatal(err)
			}
			if o := silentCall(t, host, x, "modem1"); !o.Granted() {
				t.Errorf("the next caller: %v, %v", o.Verdict, o.Code)
			}
		})
	}
}

// alive says whether a process runs, zombies not.
func alive(pid string) bool {
	text, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && !strings.Contains(string(text), ") Z ")
}

// Close ends every process, also one that has a caller.
func TestCloseEndsProcesses(t *testing.T) {
	for _, isolation := range []string{"call", "line", "shared"} {
		t.Run(isolation, func(t *testing.T) {
			log := new(logBuffer)
			s := realSetup(log, realProgram(t, "echo pid $$ >&2"))
			s.Isolation = isolation
			x, host := mustNew(t, s), dialog.New(nil)
			done := make(chan dialog.Outcome, 1)
			go func() { done <- silentCall(t, host, x, "modem1") }()
			pid := regexp.MustCompile(`pid (\d+)`)
			until(t, "the program has the call", func() bool { return pid.MatchString(log.String()) })
			if err := x.Close(); err != nil {
				t.Error(err)
			}
			if p := pid.FindStringSubmatch(log.String())[1]; alive(p) {
				t.Errorf("process %s is still there", p)
			}
			if o := <-done; o.Verdict != plugin.Error || o.Code != plugin.ErrorProcessAborted {
				t.Errorf("%v, %v", o.Verdict, o.Code)
			}
			if o := silentCall(t, host, x, "modem1"); o.Ended != dialog.BeginRefused {
				t.Errorf("a call after Close: %v, %v", o.Verdict, o.Ended)
			}
		})
	}
}

// The program dies with its host. The test's own binary is the host that is killed.
func TestProgramDiesWithTheHost(t *testing.T) {
	if path := os.Getenv("RASHOST_TEST_HOST"); path != "" {
		x, err := New(realSetup(os.Stderr, path))
		if err != nil {
			t.Fatal(err)
		}
		silentCall(t, dialog.New(nil), x, "modem1")
		return
	}
	path := realProgram(t, "echo pid $$ >&2; exec sleep 1000")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	log := new(logBuffer)
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^TestProgramDiesWithTheHost$")
	cmd.Env = append(os.Environ(), "RASHOST_TEST_HOST="+path)
	cmd.Stderr = log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	pid := regexp.MustCompile(`pid (\d+)`)
	until(t, "the program has the call", func() bool { return pid.MatchString(log.String()) })
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	p := pid.FindStringSubmatch(log.String())[1]
	until(t, "the program dies", func() bool { return !alive(p) })
}

func TestContained(t *testing.T) {
	x := mustNew(t, realSetup(io.Discard, realProgram(t, "true")))
	ok, why := x.Contained()
	if ok != (why == "") {
		t.Errorf("%v, %q", ok, why)
	}
	x.contained = !ok
	if ok, why := x.Contained(); ok != (why == "") {
		t.Errorf("%v, %q", ok, why)
	}
}

// Every fault that the program itself brings is found when the plugin is made.
func TestProgramsThatDoNotLoad(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string, mode os.FileMode) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	hello := func(result string) string {
		return fmt.Sprintf("#!/bin/sh\nread -r line\necho '{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":%s}'\nread -r line\n", result)
	}
	for name, c := range map[string]struct{ path, isolation, want string }{
		"missing":         {filepath.Join(dir, "nothing"), "", "there is no program " + dir},
		"not executable":  {write("plain", "#!/bin/sh\n", 0o644), "", "chmod +x"},
		"no interpreter":  {write("broken", "#!/nothing/here\n", 0o755), "", "interpreter"},
		"exits":           {write("exits", "#!/bin/sh\nexit 7\n", 0o755), "", "exit status 7"},
		"is no plugin":    {write("noplugin", "#!/bin/sh\necho 'Welcome to \\033 GNU'; sleep 1000\n", 0o755), "", `Welcome to`},
		"version 2":       {write("v2", hello(`{"version":2,"name":"x"}`), 0o755), "", "speaks version 2 of the protocol, this rashost speaks version 1"},
		"no name":         {write("noname", hello(`{"version":1}`), 0o755), "", "its name is missing"},
		"odd isolation":   {write("odd", hello(`{"version":1,"name":"x","isolation":"all"}`), 0o755), "", `"all": there are call, line and shared`},
		"not safe enough": {write("safe", hello(`{"version":1,"name":"x","isolation":"line"}`), 0o755), "shared", "safe for isolation line at most, and the dialog asks for shared"},
		"says nothing":    {write("says", hello(`{"version":1,"name":"x"}`), 0o755), "line", "safe for isolation call at most, and the dialog asks for line"},
	} {
		t.Run(name, func(t *testing.T) {
			s := realSetup(t.Output(), c.path)
			s.Isolation = c.isolation
			x, err := New(s)
			if err == nil || x != nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), c.path) || !strings.HasPrefix(err.Error(), "external: ") {
				t.Errorf("New gives %v, %v; want an error with %q", x, err, c.want)
			}
			if err != nil && strings.ContainsAny(err.Error(), "\x1b") {
				t.Errorf("%q", err)
			}
		})
	}
}

package launch

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// ask runs the helper with a request of the test's own and returns its answer and what the program writes.
func ask(t *testing.T, request string) (answer, out string) {
	t.Helper()
	s, err := newStreams(os.Geteuid(), os.Getegid())
	if err != nil {
		t.Fatal(err)
	}
	defer s.closeOurs()
	defer s.closeTheirs()
	p, err := os.StartProcess("/proc/self/exe", []string{"rashost", Command, "test"}, &os.ProcAttr{Dir: "/", Env: []string{}, Files: s.theirs[:]})
	if err != nil {
		t.Fatal(err)
	}
	s.closeTheirs()
	if _, err := io.WriteString(s.helper, request); err != nil {
		t.Fatal(err)
	}
	if err := unix.Shutdown(int(s.helper.Fd()), unix.SHUT_WR); err != nil {
		t.Fatal(err)
	}
	answer, out = readAll(t, s.helper), readAll(t, s.stdout)
	if _, err := p.Wait(); err != nil {
		t.Fatal(err)
	}
	return answer, out
}

func requestText(t *testing.T, change func(r *request)) string {
	t.Helper()
	r, err := newRequest(shell(t, `echo ran; while read -r line; do case $line in SigBlk*) echo "$line"; esac; done </proc/self/status`))
	if err != nil {
		t.Fatal(err)
	}
	r.Read = []string{"/proc"}
	change(r)
	text, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestHelperOfADeadHost: the host died before its helper asked for the signal, and the helper has another parent.
func TestHelperOfADeadHost(t *testing.T) {
	answer, out := ask(t, requestText(t, func(r *request) { r.Parent = 1 }))
	if !strings.Contains(answer, "cannot end with the host") || out != "" {
		t.Errorf("answer %q, output %q", answer, out)
	}
	if answer, out = ask(t, requestText(t, func(*request) {})); answer != "" || !strings.HasPrefix(out, "ran\n") {
		t.Errorf("with the right parent: answer %q, output %q", answer, out)
	}
}

func TestHelperWithoutARequest(t *testing.T) {
	for _, text := range []string{"", "{", "[1]", `{"Parent":"x"}`} {
		if answer, out := ask(t, text); !strings.HasPrefix(answer, "read what to do: ") || out != "" {
			t.Errorf("%q: answer %q, output %q", text, answer, out)
		}
	}
}

// TestBlockedSignals: a program must not start with signals blocked because its host did.
func TestBlockedSignals(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var set, old unix.Sigset_t
	set.Val[0] = 1<<(unix.SIGTERM-1) | 1<<(unix.SIGUSR2-1)
	if err := unix.PthreadSigmask(unix.SIG_BLOCK, &set, &old); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.PthreadSigmask(unix.SIG_SETMASK, &old, nil) }()
	control, err := exec.Command("grep", "SigBlk", "/proc/self/status").Output()
	if err != nil || strings.Contains(string(control), "0000000000000000") {
		t.Fatalf("without the helper nothing is blocked either: %q, %v", control, err)
	}
	if _, out := ask(t, requestText(t, func(*request) {})); out != "ran\nSigBlk:\t0000000000000000\n" {
		t.Errorf("output %q", out)
	}
}

// TestHelperRunByHand: `rashost exec-plugin` in a terminal says what it is.
func TestHelperRunByHand(t *testing.T) {
	cmd := exec.Command("/proc/self/exe", Command)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Run(); err == nil || cmd.ProcessState.ExitCode() != 2 || !strings.Contains(errs.String(), "is started by rashost itself") {
		t.Errorf("%v, %q", err, errs.String())
	}
}

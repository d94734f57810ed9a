package dialout

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rashost/port"
)

func TestEscape(t *testing.T) {
	for _, tc := range []struct {
		typed, sent string
		leave       bool
	}{
		{"~.", "", true},
		{"hello\r~.rest", "hello\r", true},
		{"hello\n~.", "hello\n", true},
		{"hello ~.", "hello ~.", false},
		{"~~.", "~.", false},
		{"~~~.", "~~.", false},
		{"~x\r~.", "~x\r", true},
		{"~\r~.", "~\r", true},
		{"\r\r~.", "\r\r", true},
		{"~", "", false},
		{".~", ".~", false},
	} {
		if sent, leave := newEscape().feed([]byte(tc.typed)); string(sent) != tc.sent || leave != tc.leave {
			t.Errorf("%q: sent %q, leave %v, want %q, %v", tc.typed, sent, leave, tc.sent, tc.leave)
		}
	}
}

// FuzzEscape: how what is typed falls into pieces makes no difference, and without ~ nothing changes.
func FuzzEscape(f *testing.F) {
	f.Add("hello\r~.", 3)
	f.Add("~~.~\r~", 1)
	f.Fuzz(func(t *testing.T, typed string, at int) {
		whole, leave := newEscape().feed([]byte(typed))
		at = max(0, min(at, len(typed)))
		e := newEscape()
		first, left := e.feed([]byte(typed[:at]))
		if !left {
			var second []byte
			second, left = e.feed([]byte(typed[at:]))
			first = append(first, second...)
		}
		if string(first) != string(whole) || left != leave {
			t.Errorf("%q at %d: %q %v, in one piece %q %v", typed, at, first, left, whole, leave)
		}
		if !strings.Contains(typed, "~") && (string(whole) != typed || leave) {
			t.Errorf("%q became %q", typed, whole)
		}
	})
}

// TestCommandStatus: the status is the command's, and so is everything it wrote.
func TestCommandStatus(t *testing.T) {
	for _, tc := range []struct {
		command []string
		status  int
		out     string
	}{
		{[]string{"sh", "-c", "echo hello; exit 7"}, 7, "hello\n"},
		{[]string{"true"}, 0, ""},
		{[]string{"sh", "-c", "kill -TERM $$"}, 128 + int(unix.SIGTERM), ""},
		{[]string{"sh", "-c", "exec <&-; printf %0300000d 1"}, 0, strings.Repeat("0", 299999) + "1"},
		{[]string{"sh", "-c", "(sleep 0.1; echo child) & echo parent"}, 0, "parent\nchild\n"},
	} {
		fake := port.NewFake("fake", port.FakeOptions{})
		c, said := onDevice(fake)
		c.Command = tc.command
		done := make(chan struct{})
		go func() {
			defer close(done)
			wantRead(t, fake.Far(), tc.out)
		}()
		status, err := c.Run(t.Context())
		<-done
		if status != tc.status || err != nil {
			t.Errorf("%q: status %d, %v\n%s", tc.command, status, err, said)
		}
	}
	c, _ := onDevice(port.NewFake("fake", port.FakeOptions{}))
	c.Command = []string{"/nonexistent/command"}
	if _, err := c.Run(t.Context()); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a command that is not there: %v", err)
	}
}

// TestCommandLosesLine: a command whose line was hung up reads to the end; one that stays is ended.
func TestCommandLosesLine(t *testing.T) {
	for _, tc := range []struct {
		command string
		status  int
	}{{"cat >/dev/null; exit 4", 4}, {"trap '' HUP; exec sleep 1000", 128 + int(unix.SIGTERM)}} {
		t.Run(tc.command, func(t *testing.T) {
			t.Parallel()
			fake := port.NewFake("fake", port.FakeOptions{})
			fake.Far().SetDCD(true)
			c, said := onDevice(fake)
			c.Command = []string{"sh", "-c", "echo begun; " + tc.command}
			go func() {
				wantRead(t, fake.Far(), "begun\n")
				fake.Far().Hangup()
			}()
			if status, err := c.Run(t.Context()); status != tc.status || err != nil {
				t.Errorf("status %d, %v\n%s", status, err, said)
			}
			if !strings.Contains(said.String(), "hung up") {
				t.Errorf("not told:\n%s", said)
			}
		})
	}
}

// TestCommandInterrupted: the end of the context ends the command, and its cause is the error.
func TestCommandInterrupted(t *testing.T) {
	cause := errors.New("Ctrl-C")
	ctx, cancel := contextWithCause(t)
	fake := port.NewFake("fake", port.FakeOptions{})
	c, said := onDevice(fake)
	c.Command = []string{"sh", "-c", "echo begun; exec sleep 1000"}
	go func() {
		wantRead(t, fake.Far(), "begun\n")
		cancel(cause)
	}()
	if _, err := c.Run(ctx); !errors.Is(err, cause) {
		t.Errorf("got %v\n%s", err, said)
	}
	if fake.Far().State().Open {
		t.Error("the line is still open")
	}
}

// TestCommandEndsWithChildren: in a group of its own a command is ended with its children, those too that heed no SIGTERM. Otherwise it is in
// the caller's group. One that ends by itself leaves its children alone.
func TestCommandEndsWithChildren(t *testing.T) {
	const child = `sleep 1000 <&- >&- 2>&- & echo $!; `
	for name, c := range map[string]struct {
		command           string
		group, end, stays bool
	}{
		"its child":           {child + "exec sleep 1000", true, true, false},
		"a stubborn child":    {"trap '' TERM; " + child + "trap - TERM; exec sleep 1000", true, true, false},
		"no group":            {child + "exec sleep 1000", false, true, true},
		"it ends by itself":   {child, true, false, true},
		"by itself, no group": {child, false, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := contextWithCause(t)
			fake := port.NewFake("fake", port.FakeOptions{})
			call, said := onDevice(fake)
			call.Command, call.Group = []string{"sh", "-c", c.command}, c.group
			var pid, group int
			read := make(chan struct{})
			go func() {
				defer close(read)
				if _, err := fmt.Fscanln(fake.Far(), &pid); err == nil {
					group, _ = unix.Getpgid(pid)
				}
				if c.end {
					cancel(errors.New("the end"))
				}
			}()
			_, err := call.Run(ctx)
			<-read
			if pid == 0 || (err != nil) != c.end {
				t.Fatalf("child %d, %v\n%s", pid, err, said)
			}
			defer func() { _ = unix.Kill(pid, unix.SIGKILL) }()
			if own := group != unix.Getpgrp(); own != c.group {
				t.Errorf("a group of its own: %v", own)
			}
			for deadline := time.Now().Add(patience); !c.stays && alive(pid) && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
			}
			if stays := alive(pid); stays != c.stays {
				t.Errorf("the child is alive: %v", stays)
			}
		})
	}
}

// alive says whether a process is there that has not ended.
func alive(pid int) bool {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	_, state, _ := strings.Cut(string(stat), ") ")
	return err == nil && !strings.HasPrefix(state, "Z") && !strings.HasPrefix(state, "X")
}

// TestStandardInput: a line on descriptors of others gives up no byte too many, obeys deadlines, and stays as it was.
func TestStandardInput(t *testing.T) {
	master, slave := rawPTY(t)
	s, err := newStandard(slave, slave)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = io.WriteString(master, "one\nPPP")
	wantRead(t, s, "one\n")
	if _, err := s.Write([]byte(strings.Repeat("x", 1000))); err != nil {
		t.Fatal(err)
	}
	wantRead(t, master, strings.Repeat("x", 1000))
	if flags, err := unix.FcntlInt(slave.Fd(), unix.F_GETFL, 0); err != nil || flags&unix.O_NONBLOCK != 0 {
		t.Errorf("O_NONBLOCK was set: %#x, %v", flags, err)
	}
	if _, err := s.Signals(); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("signals: %v", err)
	}
	if err := s.SetDTR(false); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("DTR: %v", err)
	}
	if err := s.Leave(); err != nil {
		t.Error(err)
	}
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read after the end: %v", err)
	}
	if err := s.SetReadDeadline(time.Time{}); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("deadline after the end: %v", err)
	}
	wantRead(t, slave, "PPP") // the next owner's
}

func TestStandardInputDeadlines(t *testing.T) {
	master, slave := rawPTY(t)
	s, err := newStandard(slave, slave)
	if err != nil {
		t.Fatal(err)
	}
	read := make(chan error, 1)
	go func() {
		_, err := s.Read(make([]byte, 1))
		read <- err
	}()
	_ = s.SetReadDeadline(time.Unix(1, 0)) // also while a Read waits
	if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	_ = s.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	_ = s.SetReadDeadline(time.Time{})
	go func() {
		_, err := s.Read(make([]byte, 1))
		read <- err
	}()
	_, _ = master.Write([]byte("x"))
	if err := <-read; err != nil {
		t.Errorf("read without a deadline: %v", err)
	}
	// A far end that takes nothing does not block a write for ever.
	_ = s.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
	if n, err := s.Write(make([]byte, 1<<20)); !errors.Is(err, os.ErrDeadlineExceeded) || n == 0 {
		t.Errorf("wrote %d, %v", n, err)
	}
	go func() {
		_, err := s.Read(make([]byte, 1))
		read <- err
	}()
	_ = s.Close()
	if err := <-read; !errors.Is(err, fs.ErrClosed) {
		t.Errorf("read across the end: %v", err)
	}
}

// TestStandardInputOfAPerson: a terminal that is set up for a person is no line.
func TestStandardInputOfAPerson(t *testing.T) {
	_, slave := rawPTY(t)
	tio, err := unix.IoctlGetTermios(int(slave.Fd()), unix.TCGETS)
	if err != nil {
		t.Fatal(err)
	}
	tio.Lflag |= unix.ICANON
	if err := unix.IoctlSetTermios(int(slave.Fd()), unix.TCSETS, tio); err != nil {
		t.Fatal(err)
	}
	if _, err := newStandard(slave, slave); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("got %v", err)
	}
}

// TestPipes: a line on a pipe ends with it.
func TestPipes(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	s, err := newStandard(r, w)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	if _, err := s.Write([]byte("x")); err != nil {
		t.Fatal(err)
	}
	wantRead(t, s, "x")
	if n, err := s.Unsent(); n != 0 || err != nil {
		t.Errorf("unsent %d, %v", n, err)
	}
	_ = w.Close()
	if _, err := s.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Errorf("got %v", err)
	}
}

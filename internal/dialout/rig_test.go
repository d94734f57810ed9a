package dialout

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"rashost/hardware"
	"rashost/internal/caller"
	"rashost/port"
	"rashost/port/modemsim"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a condition may take to come true.
const patience = 30 * time.Second

// fast is a profile without the waits that real modems need.
const fast = `name: fast
command_timeout: 1s
init:
  - {send: ATQ0, unverified: true}
  - {send: ATV1, unverified: true}
  - {send: ATE0, unverified: true}
  - {send: "AT&C1", optional: true, unverified: true}
  - {send: "AT&D2", optional: true, unverified: true}
%s
answer: {command: ATA, unverified: true}
hangup: {dtr_time: 20ms, escape: "+++", guard: 20ms, command: ATH, unverified: true}
dtr: %s
`

// escapeIsOff switches the escape off, so that no hang-up waits for it.
const escapeIsOff = "  - {send: ATS2=255, optional: true, unverified: true}\nescape_off: ATS2=255"

func profile(t *testing.T, init, dtr string) hardware.Profile {
	t.Helper()
	p, err := hardware.Parse(fmt.Appendf(nil, fast, init, dtr), "fast.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// told collects what a call says.
type told struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *told) say(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text.WriteString(text + "\n")
}

func (l *told) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// modemOnPTY runs a virtual modem on a pty and returns the pty's path.
func modemOnPTY(t *testing.T, o modemsim.Options) string {
	t.Helper()
	pty, err := modemsim.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	m := modemsim.New(o)
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = m.Run(ctx, pty)
	}()
	t.Cleanup(func() {
		stop()
		<-done
	})
	return pty.Path
}

// onPTY is a call through the modem on a pty.
func onPTY(t *testing.T, path string) (*Call, *told) {
	t.Helper()
	said := &told{}
	return &Call{
		Target: Target{Device: path, Settings: port.Settings{Baud: 115200, CLOCAL: true, HUPCL: true}, Lock: port.LockOptions{Dirs: []string{}}},
		Modem:  &Modem{Profile: profile(t, escapeIsOff, "hangup"), Number: "5550100", Timeout: patience},
		Then:   Command, Command: []string{"true"}, Progress: said.say,
	}, said
}

// onDevice is a direct call on a device of port.
func onDevice(o port.Opener) (*Call, *told) {
	said := &told{}
	return &Call{
		Target: Target{Device: "fake", Settings: port.Settings{CLOCAL: true, HUPCL: true}, Opener: o},
		Then:   Command, Command: []string{"true"}, Progress: said.say, Received: said.say,
	}, said
}

// script parses a login script.
func script(t testing.TB, text string) *caller.Script {
	t.Helper()
	s, err := caller.ParseScript("login", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return &s
}

// rawPTY is a pty whose slave is raw, as a line is for those who get it opened.
func rawPTY(t *testing.T) (master *modemsim.PTY, slave *os.File) {
	t.Helper()
	master, err := modemsim.OpenPTY()
	if err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(master.Path, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0) // blocking, as pppd has it
	if err != nil {
		t.Fatal(err)
	}
	slave = os.NewFile(uintptr(fd), master.Path)
	t.Cleanup(func() {
		_ = slave.Close()
		_ = master.Close()
	})
	return master, slave
}

// wantRead reads exactly want.
func wantRead(t *testing.T, r io.Reader, want string) {
	t.Helper()
	if d, ok := r.(interface{ SetReadDeadline(time.Time) error }); ok {
		_ = d.SetReadDeadline(time.Now().Add(patience))
	}
	got := make([]byte, len(want))
	if n, err := io.ReadFull(r, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v, want %q", got[:n], err, want)
	}
}

func inDir(t *testing.T, name string) string { return filepath.Join(t.TempDir(), name) }

func contextWithCause(t *testing.T) (context.Context, context.CancelCauseFunc) {
	ctx, cancel := context.WithCancelCause(t.Context())
	t.Cleanup(func() { cancel(nil) })
	return ctx, cancel
}

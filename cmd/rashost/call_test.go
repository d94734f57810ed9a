package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sys/unix"

	"rashost/internal/caller"
)

// TestCallPage: docs/call.md names every flag of `rashost call` and no other, and its script is one.
func TestCallPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/call.md")
	if err != nil {
		t.Fatal(err)
	}
	flags := newCallCommand(&app{}).Flags()
	for _, found := range regexp.MustCompile("`--([a-z-]+)").FindAllSubmatch(page, -1) {
		if name := string(found[1]); flags.Lookup(name) == nil {
			t.Errorf("the page has --%s, the command does not", name)
		}
	}
	flags.VisitAll(func(f *pflag.Flag) {
		if !bytes.Contains(page, []byte("`--"+f.Name)) && (f.Shorthand == "" || !bytes.Contains(page, []byte("`-"+f.Shorthand+"`"))) {
			t.Errorf("the page does not name --%s", f.Name)
		}
	})
	_, rest, _ := strings.Cut(string(page), "## Scripts")
	script, _, _ := strings.Cut(strings.SplitN(rest, "```\n", 2)[1], "```")
	if s, err := caller.ParseScript("docs/call.md", []byte(script)); err != nil || len(s.Steps) != 5 {
		t.Errorf("the page's script: %d steps, %v", len(s.Steps), err)
	}
}

// secretFlags are those of a call that takes its secret from a file or a descriptor.
func secretFlags(file string, fd int, timeout time.Duration) *callFlags {
	return &callFlags{secretFile: file, secretFD: fd, timeout: timeout, given: func(flag string) bool { return flag == "secret-fd" && fd >= 0 }}
}

// A descriptor that the program was not started with is none to read a secret from: it may be one of the runtime's own.
func TestCallSecretOfDescriptor(t *testing.T) {
	a := &app{stderr: new(bytes.Buffer)}
	path := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(path, []byte("wonder land\r\nmore\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	var exit *exitError
	if secret, err := a.callSecret(t.Context(), secretFlags("", fd, time.Minute)); !errors.As(err, &exit) || exit.code != 2 ||
		!strings.Contains(err.Error(), "was not open when rashost was started") {
		t.Errorf("the program's own descriptor: %q, %v", secret, err)
	}
	if _, err := unix.FcntlInt(uintptr(fd), unix.F_SETFD, 0); err != nil { // as exec leaves it
		t.Fatal(err)
	}
	if secret, err := a.callSecret(t.Context(), secretFlags("", fd, time.Minute)); err != nil || string(secret) != "wonder land" {
		t.Errorf("got %q, %v", secret, err)
	}
	if secret, err := a.callSecret(t.Context(), secretFlags("", fd, time.Minute)); !errors.As(err, &exit) || exit.code != 2 {
		t.Errorf("closed: %q, %v", secret, err)
	}
}

// While nobody writes the secret, a signal ends the call, and so does --timeout.
func TestCallSecretThatDoesNotCome(t *testing.T) {
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { // ends what still opens or reads it
		if f, err := os.OpenFile(fifo, os.O_RDWR, 0); err == nil {
			_, _ = f.WriteString("\n\n\n")
			_ = f.Close()
		}
	})
	silent, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	defer writer.Close()
	a := &app{stderr: new(bytes.Buffer)}
	for name, source := range map[string]func() (string, int){
		"a FIFO": func() (string, int) { return fifo, -1 },
		"a pipe": func() (string, int) {
			fd, err := unix.Dup(int(silent.Fd())) // callSecret closes it
			if err != nil {
				t.Fatal(err)
			}
			return "", fd
		},
	} {
		ctx, cancel := context.WithCancelCause(t.Context())
		time.AfterFunc(50*time.Millisecond, func() { cancel(&signalError{syscall.SIGTERM}) })
		file, fd := source()
		var by *signalError
		if _, err := a.callSecret(ctx, secretFlags(file, fd, time.Hour)); !errors.As(err, &by) || by.signal != syscall.SIGTERM {
			t.Errorf("%s, SIGTERM: %v", name, err)
		}
		file, fd = source()
		var exit *exitError
		if _, err := a.callSecret(t.Context(), secretFlags(file, fd, 50*time.Millisecond)); !errors.As(err, &exit) || exit.code != 2 ||
			!strings.Contains(err.Error(), "the secret did not come within 50ms") {
			t.Errorf("%s, timeout: %v", name, err)
		}
	}
}

func TestFirstLine(t *testing.T) {
	for text, want := range map[string]string{
		"secret": "secret", "secret\n": "secret", "secret\r\nmore\n": "secret", " with blanks \n": " with blanks ", "pass wort\x00\n": "pass wort\x00",
		strings.Repeat("x", maxCallSecret) + "\r\n": strings.Repeat("x", maxCallSecret),
	} {
		if got, err := firstLine(iotest.OneByteReader(strings.NewReader(text))); err != nil || string(got) != want {
			t.Errorf("%.20q: %.20q, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "\n", "\r\n", "\nsecret\n", strings.Repeat("x", maxCallSecret+1), strings.Repeat("x", 10000)} {
		if got, err := firstLine(strings.NewReader(text)); err == nil || strings.Contains(err.Error(), "xxx") {
			t.Errorf("%.20q: %.20q, %v", text, got, err)
		}
	}
}

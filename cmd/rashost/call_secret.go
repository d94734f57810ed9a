package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"rashost/internal/dialout"
)

// maxCallSecret is the longest line that a secret is read from, in bytes.
const maxCallSecret = 1024

// errNoTerminal is what a call without a place to get the secret from meets.
var errNoTerminal = errors.New("there is no terminal to ask for the secret: say --secret-file or --secret-fd")

// checkSecretFlags says what is wrong with where the secret shall come from.
func (a *app) checkSecretFlags(f *callFlags) error {
	if !f.given("secret-fd") {
		return nil
	}
	switch {
	case f.given("secret-file"):
		return errors.New("--secret-file and --secret-fd: only one of them can have the secret")
	case f.secretFD < 0 || f.secretFD == 1 || f.secretFD == 2:
		return fmt.Errorf("--secret-fd %d: must be 0, or 3 and above", f.secretFD)
	case f.secretFD == 0 && f.device == dialout.OnStandardInput:
		return errors.New("--secret-fd 0: the line is on standard input")
	}
	return nil
}

// callSecret reads the secret from where the flags say, or asks for it on the terminal. It is the caller's to wipe.
func (a *app) callSecret(ctx context.Context, f *callFlags) ([]byte, error) {
	where := "--secret-file"
	open := func() (*os.File, error) {
		file, err := os.Open(f.secretFile)
		if err == nil {
			a.warnReadable(file, "the file holds a secret")
		}
		return file, err
	}
	switch {
	case f.given("secret-fd"):
		where = fmt.Sprintf("--secret-fd %d", f.secretFD)
		if !inherited(f.secretFD) {
			return nil, usageError(fmt.Errorf("%s: it was not open when rashost was started", where))
		}
		open = func() (*os.File, error) { return os.NewFile(uintptr(f.secretFD), where), nil }
	case f.secretFile == "":
		return a.askCallSecret(ctx, "Password: ")
	}
	type result struct {
		secret []byte
		err    error
	}
	read := make(chan result, 1)
	go func() {
		secret, err := readCallSecret(open)
		read <- result{secret, err}
	}()
	ctx, cancel := context.WithTimeoutCause(ctx, f.timeout, fmt.Errorf("the secret did not come within %v", f.timeout))
	defer cancel()
	var r result
	select {
	case r = <-read:
	case <-ctx.Done(): // a pipe to which nobody writes: what reads it goes with this program
		if r.err = context.Cause(ctx); !errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return nil, r.err
		}
	}
	if r.err != nil {
		return nil, usageError(fmt.Errorf("%s: %w", where, r.err))
	}
	return r.secret, nil
}

// inherited says whether a descriptor came with the program's start: what the program has opened since, the runtime too, is closed by exec.
func inherited(fd int) bool {
	flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
	return err == nil && flags&unix.FD_CLOEXEC == 0
}

// readCallSecret reads the secret from a file, and closes it: a COMMAND must not inherit it. Either may take as long as whoever writes.
func readCallSecret(open func() (*os.File, error)) ([]byte, error) {
	file, err := open()
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return firstLine(file)
}

// firstLine reads a line without its end.
func firstLine(from io.Reader) ([]byte, error) {
	buf := make([]byte, 0, maxCallSecret+2)
	defer clear(buf[:cap(buf)])
	for len(buf) < cap(buf) && bytes.IndexByte(buf, '\n') < 0 {
		n, err := from.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	line, _, _ := bytes.Cut(buf, []byte("\n"))
	line = bytes.TrimSuffix(line, []byte("\r"))
	switch {
	case len(line) == 0:
		return nil, errors.New("the first line is empty")
	case len(line) > maxCallSecret:
		return nil, fmt.Errorf("the first line is longer than %d bytes", maxCallSecret)
	}
	return bytes.Clone(line), nil
}

// warnReadable warns of a file with a secret that others may read.
func (a *app) warnReadable(file *os.File, why string) {
	info, err := file.Stat()
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o077 == 0 {
		return
	}
	fmt.Fprintln(a.stderr, onScreen(fmt.Sprintf("warning: %s, and others may open it (mode %04o): chmod 600 %s", why, info.Mode().Perm(), file.Name())))
}

// askCallSecret asks on the controlling terminal, without echo; standard input may be anything.
func (a *app) askCallSecret(ctx context.Context, prompt string) ([]byte, error) {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		return nil, usageError(errNoTerminal)
	}
	defer tty.Close()
	restore, err := withoutEcho(tty)
	if err != nil {
		return nil, fmt.Errorf("ask for the secret: %w", err)
	}
	defer restore()
	defer context.AfterFunc(ctx, func() { _ = tty.SetReadDeadline(time.Unix(1, 0)) })()
	fmt.Fprint(tty, prompt)
	secret, err := firstLine(tty)
	fmt.Fprintln(tty)
	switch {
	case ctx.Err() != nil:
		clear(secret)
		return nil, context.Cause(ctx)
	case err != nil:
		return nil, fmt.Errorf("the secret from the terminal: %w", err)
	}
	return secret, nil
}

// withoutEcho switches the terminal's echo off and returns what gives it back.
func withoutEcho(tty *os.File) (restore func(), err error) {
	raw, err := tty.SyscallConn()
	if err != nil {
		return nil, err
	}
	control := func(f func(fd int) error) error {
		var err error
		if rawErr := raw.Control(func(fd uintptr) { err = f(int(fd)) }); rawErr != nil {
			return rawErr
		}
		return err
	}
	var before *unix.Termios
	err = control(func(fd int) error {
		if before, err = unix.IoctlGetTermios(fd, unix.TCGETS); err != nil {
			return err
		}
		t := *before
		t.Lflag &^= unix.ECHO
		t.Lflag |= unix.ICANON | unix.ISIG
		t.Iflag |= unix.ICRNL
		return unix.IoctlSetTermios(fd, unix.TCSETS, &t)
	})
	if err != nil {
		return nil, err
	}
	return func() {
		_ = control(func(fd int) error { return unix.IoctlSetTermios(fd, unix.TCSETS, before) })
	}, nil
}

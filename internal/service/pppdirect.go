package service

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"rashost/port"
)

// ttyLender is a Conn that can give its device to a program: port.Call.
type ttyLender interface {
	TTY() (tty *os.File, release func(), err error)
	AddOctets(in, out uint64)
}

// lentTTY is the caller's tty while pppd has it.
type lentTTY struct {
	file    *os.File
	raw     syscall.RawConn
	node    string // the device's name
	carrier bool   // the kernel hangs it up when DCD drops
	xonxoff bool
}

// describe looks at how the line has set its tty up: pppd shall go on like that.
func describe(file *os.File) (*lentTTY, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	t := &lentTTY{file: file, raw: raw, node: file.Name()}
	return t, t.control(func(fd int) error {
		tio, err := unix.IoctlGetTermios(fd, unix.TCGETS)
		if err != nil {
			return err
		}
		t.carrier, t.xonxoff = tio.Cflag&unix.CLOCAL == 0, tio.Iflag&unix.IXON != 0
		return nil
	})
}

func (t *lentTTY) control(f func(fd int) error) error {
	var err error
	if rawErr := t.raw.Control(func(fd uintptr) { err = f(int(fd)) }); rawErr != nil {
		return rawErr
	}
	return err
}

// flush drops what the modem does not take: pppd may be waiting for it.
func (t *lentTTY) flush() {
	_ = t.control(func(fd int) error { return unix.IoctlSetInt(fd, unix.TCFLSH, unix.TCIOFLUSH) })
}

// hangUp takes the tty out of PPP, which is to pppd what a lost carrier is.
func (t *lentTTY) hangUp() {
	t.flush()
	_ = t.control(func(fd int) error {
		var discipline int32 // N_TTY
		if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCSETD, uintptr(unsafe.Pointer(&discipline))); errno != 0 {
			return errno
		}
		return nil
	})
}

// hangUpWithin hangs up, and waits no longer than that for a driver that hangs.
func (t *lentTTY) hangUpWithin(limit time.Duration) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		t.hangUp()
	}()
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
	case <-timer.C:
	}
}

// runDirect runs pppd straight on the caller's tty. ok is false when the line has none to give; then nothing has happened.
func (s *pppService) runDirect(ctx context.Context, c Conn, who Caller) (res Result, ok bool) {
	lender, ok := c.(ttyLender)
	if !ok {
		return Result{}, false
	}
	file, release, err := lender.TTY()
	if errors.Is(err, errors.ErrUnsupported) {
		who.note("the line has no tty to give to pppd: it gets a pty instead")
		return Result{}, false
	}
	if err != nil {
		return Result{Reason: "the call ended", Err: err}, true
	}
	defer release()
	tty, err := describe(file)
	if err != nil {
		return Result{Cause: port.PortError, Reason: "the line can't be given to pppd", Err: err}, true
	}
	link := s.newLink(who)
	p, err := link.startOn(tty)
	if err != nil {
		return Result{Cause: port.ServiceUnavailable, Reason: "pppd could not be started", Err: err}, true
	}
	carrier := "ignored"
	if tty.carrier {
		carrier = "obeyed"
	}
	who.note(fmt.Sprintf("pppd has the line itself (process %d, carrier %s)", p.cmd.Process.Pid, carrier))
	res = link.await(ctx)
	lender.AddOctets(res.In, res.Out)
	return res, true
}

// await waits for the end of a direct session, and leaves no pppd behind.
func (l *pppLink) await(ctx context.Context) Result {
	var limit <-chan time.Time
	if absolute := l.s.cfg.Limits.Absolute; absolute > 0 {
		timer := time.NewTimer(absolute)
		defer timer.Stop()
		limit = timer.C
	}
	var res Result
	byPPPD, survives := false, error(nil)
	select {
	case <-l.p.exited:
		byPPPD = true
	case <-limit:
		res = Result{Cause: port.SessionTimeout, Reason: fmt.Sprintf("the session lasted %s, as long as it may", l.s.cfg.Limits.Absolute)}
		survives = l.stop(true)
	case <-ctx.Done():
		res.Reason = "the call ended"
		survives = l.stop(errors.Is(context.Cause(ctx), port.ErrShutdown))
	}
	l.tty.hangUpWithin(killWait) // a pppd that was killed leaves its line discipline
	if survives != nil {
		l.log.Error("a process could not be ended", "pid", l.p.cmd.Process.Pid, "error", survives.Error())
		res.Err = survives
		return res
	}
	l.p.done = true
	_ = l.p.cmd.Wait() // the exit status says it
	l.over()
	res.Exit = l.p.exit()
	if byPPPD && l.stoppedWithUs(ctx) {
		res.Reason, byPPPD = "the call ended", false
	}
	return l.result(l.p, res, byPPPD)
}

// stop ends pppd: while the caller is still there, gently tells it first; then takes the line from under it; then kills it.
func (l *pppLink) stop(gently bool) error {
	grace := l.s.cfg.Grace
	_ = l.p.cmd.Process.Signal(unix.SIGTERM) // it is not reaped yet
	if gently && l.gone(grace/2) {
		return nil
	}
	l.tty.hangUpWithin(0)
	if l.gone(grace / 2) {
		return nil
	}
	l.kill()
	if l.gone(killWait) {
		return nil
	}
	go func() {
		<-l.p.exited
		_ = l.p.cmd.Wait() // reaps it, whenever that may be
		l.over()
	}()
	return fmt.Errorf("process %d survives SIGKILL", l.p.cmd.Process.Pid)
}

// gone waits for pppd's end.
func (l *pppLink) gone(limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-l.p.exited:
		return true
	case <-timer.C:
		return false
	}
}

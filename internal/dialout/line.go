// Package dialout is the caller's side of a line: it opens the line, dials, logs in, and hands the line to a terminal, to a command, or
// back to whoever owns it. It is what `rashost call` does.
package dialout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"syscall"
	"time"

	"rashost/port"
)

// Line is an open way to a modem or to the far end. One goroutine reads, another writes; deadlines work as in net.Conn. After a hang-up
// Read gives io.EOF or EIO.
type Line interface {
	io.ReadWriter
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
	// Signals reads the control signals, SetDTR drives DTR; errors.ErrUnsupported where there are none.
	Signals() (port.Signals, error)
	SetDTR(on bool) error
	// Unsent is how many written bytes have not left this machine yet; 0 where that can't be known.
	Unsent() (int, error)
	// Leave gives the line back as it is, connected; errors.ErrUnsupported where it ends with us.
	Leave() error
	// Close gives the line up. DTR goes low, where the line is ours to open.
	Close() error
}

// OnStandardInput is the device that means: the line is on standard input and output, as pppd gives it to its connect program.
const OnStandardInput = "-"

// Target says which line to open.
type Target struct {
	// Device is the path of a tty, or OnStandardInput.
	Device string
	// Settings are for a tty that is opened by its path. A line on standard input keeps its own.
	Settings port.Settings
	// Telephone is the socket of a virtual modem; "" is none. With it Device is only a name.
	Telephone string
	// Lock says how the tty is kept from other programs.
	Lock port.LockOptions
	// Opener opens the tty in place of its path; nil is the customary one.
	Opener port.Opener
}

// Open opens the line. Errors name the device; a tty in use gives a *port.LockedError.
func Open(ctx context.Context, t Target) (Line, error) {
	switch {
	case t.Telephone != "":
		return openTelephone(ctx, t)
	case t.Device == OnStandardInput:
		return newStandard(os.Stdin, os.Stdout)
	}
	if t.Opener == nil {
		t.Opener = port.NewOpener(t.Device, t.Settings, t.Lock)
	}
	dev, err := t.Opener.Open(ctx)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fmt.Errorf("%s: no permission: join the group that owns it (dialout on Debian), or ask the administrator: %w", t.Device, fs.ErrPermission)
	}
	if err != nil {
		return nil, err
	}
	d := &device{Device: dev, settings: t.Settings}
	if err := d.prepare(); err != nil {
		return nil, errors.Join(err, dev.Close())
	}
	return d, nil
}

// device is a tty of our own.
type device struct {
	port.Device
	settings port.Settings
}

// prepare sets a fresh device up: a driver need not have raised DTR and RTS.
func (d *device) prepare() error {
	if err := d.Apply(d.settings); err != nil {
		return err
	}
	for _, set := range []func(bool) error{d.SetDTR, d.SetRTS} {
		if err := set(true); err != nil && !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	return nil
}

// Unsent implements Line.
func (d *device) Unsent() (int, error) { return d.OutQueue() }

// Leave implements Line: DTR stays as it is when the tty is closed, so that a modem keeps its call.
func (d *device) Leave() error {
	s := d.settings
	s.HUPCL = false
	return errors.Join(d.Apply(s), d.end())
}

// Close implements Line.
func (d *device) Close() error { return d.end() }

// end closes the tty. What is still on its way to the far end of a pty stays there.
func (d *device) end() error {
	if l, ok := d.Device.(interface{ LeaveOutput() }); ok {
		l.LeaveOutput()
	}
	return d.Device.Close()
}

// telephone is a call to a virtual modem of a running host: a socket on which a connection is a call that rings.
type telephone struct{ net.Conn }

func openTelephone(ctx context.Context, t Target) (Line, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", t.Telephone)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, fmt.Errorf("%s: no such virtual modem is running (%s): start rashost serve with a line that has it, or give its configuration with -c",
			t.Device, t.Telephone)
	case errors.Is(err, fs.ErrPermission):
		return nil, fmt.Errorf("%s: no permission for %s: only the host's user may call its virtual modems: %w", t.Device, t.Telephone, fs.ErrPermission)
	case err != nil:
		return nil, fmt.Errorf("%s: %w", t.Device, err)
	}
	return telephone{conn}, nil
}

// Signals implements Line.
func (telephone) Signals() (port.Signals, error) { return port.Signals{}, errors.ErrUnsupported }

// SetDTR implements Line.
func (telephone) SetDTR(bool) error { return errors.ErrUnsupported }

// Unsent implements Line.
func (telephone) Unsent() (int, error) { return 0, nil }

// Leave implements Line.
func (telephone) Leave() error { return errors.ErrUnsupported }

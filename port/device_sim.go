package port

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"sync/atomic"
	"time"

	"rashost/port/modemsim"
)

// simDevice is a tty on the pty of a virtual modem, and unlike a pty it has control signals: the modem's.
type simDevice struct {
	*ttyDevice
	modem *modemsim.Modem
	pty   *modemsim.PTY
	dtr   atomic.Bool // what we set
	rts   atomic.Bool
	held  heldOutput
	off   context.CancelFunc // switches the modem off
	done  chan struct{}      // it is off
}

// simOpener switches its modem on for as long as the device is open. The modem is the same one every time and keeps its settings;
// a call on it ends with Close.
type simOpener struct {
	name     string
	modem    *modemsim.Modem
	settings Settings
	log      *slog.Logger
}

// NewSimOpener returns the opener of a virtual modem, whose telephone side stays with the caller. It is what "sim:NAME" names, with
// a modem that somebody else can call. Only one opener may have the modem. log may be nil.
func NewSimOpener(name string, m *modemsim.Modem, s Settings, log *slog.Logger) Opener {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	return &simOpener{name: name, modem: m, settings: s, log: log}
}

// Open implements Opener.
func (o *simOpener) Open(ctx context.Context) (Device, error) {
	if !o.modem.Plugged() {
		return nil, fmt.Errorf("%s: the virtual modem is unplugged: %w", o.name, fs.ErrNotExist)
	}
	pty, err := modemsim.OpenPTY()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", o.name, err)
	}
	// The device is opened before the modem reads, as it takes a closed pty for DTR low.
	tty := &ttyOpener{path: pty.Path, settings: o.settings, locks: newLocker(LockOptions{Dirs: []string{}, Log: o.log})}
	dev, err := tty.Open(ctx)
	if err != nil {
		_ = pty.Close()
		return nil, fmt.Errorf("%s: %w", o.name, err)
	}
	running, off := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := o.modem.Run(running, pty); err != nil {
			o.log.Warn("the virtual modem failed", "device", o.name, "error", err)
		}
		_ = pty.Close() // Run does not when the modem is running already
	}()
	d := &simDevice{ttyDevice: dev.(*ttyDevice), modem: o.modem, pty: pty, off: off, done: done}
	d.path = o.name
	d.held.start(running, d.ttyDevice.Write, o.modem, o.settings)
	d.dtr.Store(true)
	d.rts.Store(true)
	return d, nil
}

// Close implements Device: the modem is switched off.
func (d *simDevice) Close() error {
	d.held.close()
	err := d.ttyDevice.Close()
	d.off()
	limit := time.NewTimer(closeLimit)
	defer limit.Stop()
	select {
	case <-d.done:
		return err
	case <-limit.C:
		return errors.Join(err, fmt.Errorf("%s: close: the virtual modem needs longer than %v", d.path, closeLimit))
	}
}

// Write implements Device. With RTS/CTS, what is written while CTS is low waits, as in a UART's driver.
func (d *simDevice) Write(p []byte) (int, error) {
	n, err := d.held.write(p)
	return n, d.fail("write", err)
}

// SetWriteDeadline implements Device.
func (d *simDevice) SetWriteDeadline(t time.Time) error {
	err := d.ttyDevice.SetWriteDeadline(t) // first: it frees a write that held waits for
	d.held.setDeadline(t)
	return err
}

// OutQueue implements Device. What the modem has not read yet is not sent yet: DTR must not overtake it.
func (d *simDevice) OutQueue() (int, error) {
	n, err := d.ttyDevice.OutQueue()
	return n + d.held.len() + d.pty.Waiting(), err
}

// Flush implements Device.
func (d *simDevice) Flush(q Queue) error {
	if q == Out || q == Both {
		d.held.drop()
	}
	return d.ttyDevice.Flush(q)
}

// Apply implements Device.
func (d *simDevice) Apply(s Settings) error {
	if err := d.ttyDevice.Apply(s); err != nil {
		return err
	}
	d.held.setFlow(s.RTSCTS)
	return nil
}

// Signals implements Device.
func (d *simDevice) Signals() (Signals, error) {
	if err := d.alive(opSignals); err != nil {
		return Signals{}, err
	}
	s := d.modem.Signals()
	return Signals{DTR: d.dtr.Load(), RTS: d.rts.Load(), CTS: s.CTS, DSR: s.DSR, DCD: s.DCD, RI: s.RI}, nil
}

// SetDTR implements Device.
func (d *simDevice) SetDTR(on bool) error {
	if err := d.alive(opDTR); err != nil {
		return err
	}
	d.dtr.Store(on)
	d.modem.SetDTR(on)
	return nil
}

// SetRTS implements Device. While it is off, the modem sends nothing.
func (d *simDevice) SetRTS(on bool) error {
	if err := d.alive(opRTS); err != nil {
		return err
	}
	d.rts.Store(on)
	d.modem.SetRTS(on)
	return nil
}

// alive fails when the device is closed, and with EIO when the modem is switched off.
func (d *simDevice) alive(op string) error { return d.control(op, isTTY) }

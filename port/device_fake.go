package port

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// FakeOptions describe a Fake. The zero value is a serial port with all control signals.
type FakeOptions struct {
	// NoSignals makes every control signal errors.ErrUnsupported, as on a pty.
	NoSignals bool
}

// FakeState is what the far end can see of a Fake, and how often things happened since it was made.
type FakeState struct {
	Open     bool     // our side has it open and it is not hung up
	Settings Settings // of the last Apply
	Signals  Signals
	Opens    int // successful Opens
	DTRDrops int // DTR went from on to off
	Breaks   int // breaks begun
}

// The sizes of a Fake's buffers: what the kernel keeps of received bytes and of bytes that CTS holds back, and what the far end
// may leave unread before writers must wait.
const (
	fakeInSize  = 64 << 10
	fakeTxSize  = 4 << 10
	fakeFarSize = 1 << 20
)

// Fake is a serial port in memory with both its ends: an Opener for the line and the Far end for a test. It uses no file and no
// thread, so its time is the time of a testing/synctest bubble, when it was made in one. All methods may be called at the same time.
type Fake struct {
	name string
	o    FakeOptions

	mu      sync.Mutex // guards all below and the fakeDevices
	changed chan struct{}
	dev     *fakeDevice // open, nil when closed
	state   FakeState
	absent  bool
	openErr error
	wedged  bool
	wire    []byte // on its way to the far end
	far     struct {
		read, write time.Time // deadlines
		closed      bool
	}
}

// NewFake makes a fake device of that name. A modem is attached and switched on (DSR, CTS), and idle (no DCD, no RI).
func NewFake(name string, o FakeOptions) *Fake {
	f := &Fake{name: name, o: o, changed: make(chan struct{})}
	f.state.Signals.DSR, f.state.Signals.CTS = true, true
	return f
}

// Open implements Opener: DTR and RTS go on, as with a kernel's serial port.
func (f *Fake) Open(ctx context.Context) (Device, error) {
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case f.openErr != nil:
		return nil, f.openErr
	case f.absent:
		return nil, openError(f.name, fs.ErrNotExist)
	case f.dev != nil:
		return nil, &LockedError{Path: f.name, PID: os.Getpid(), Kind: LockFlock}
	}
	f.dev = &fakeDevice{fake: f}
	f.state.Open = true
	f.state.Opens++
	f.setOutputs(true, true)
	return f.dev, nil
}

// Far returns the far end: the modem, or the caller on a direct line. It is the same one over any number of Opens.
func (f *Fake) Far() *Far { return &Far{f} }

// change tells every waiter; the caller holds mu.
func (f *Fake) change() {
	close(f.changed)
	f.changed = make(chan struct{})
}

// setOutputs drives DTR and RTS; the caller holds mu.
func (f *Fake) setOutputs(dtr, rts bool) {
	if f.state.Signals.DTR && !dtr {
		f.state.DTRDrops++
	}
	f.state.Signals.DTR, f.state.Signals.RTS = dtr, rts
	f.change()
}

// hangUp is what the kernel does on a lost carrier or a lost device; the caller holds mu.
func (f *Fake) hangUp() {
	if f.dev == nil || f.dev.hung {
		return
	}
	f.dev.hung = true
	f.dev.in, f.dev.tx = nil, nil
	f.state.Open = false
	if f.dev.settings.HUPCL {
		f.setOutputs(false, false)
	}
	f.change()
}

// held says whether bytes of ours stay in the transmit queue; the caller holds mu.
func (f *Fake) held() bool {
	return f.wedged || (f.dev != nil && f.dev.settings.RTSCTS && !f.state.Signals.CTS && !f.o.NoSignals)
}

// release sends what was held back, if it no longer is; the caller holds mu.
func (f *Fake) release() {
	if f.dev != nil && !f.held() && len(f.dev.tx) > 0 {
		f.wire = append(f.wire, f.dev.tx...)
		f.dev.tx = nil
	}
	f.change()
}

// await returns with mu held when ready returns true or the deadline, looked up anew after every change, has passed. ready and
// deadline are called with mu held.
func (f *Fake) await(deadline func() time.Time, ready func() bool) error {
	f.mu.Lock()
	for !ready() {
		limit := deadline()
		if !limit.IsZero() && !time.Now().Before(limit) {
			return os.ErrDeadlineExceeded
		}
		changed := f.changed
		f.mu.Unlock()
		awaitChange(changed, limit)
		f.mu.Lock()
	}
	return nil
}

// awaitChange returns when changed is closed or limit has come; the zero limit never comes.
func awaitChange(changed <-chan struct{}, limit time.Time) {
	if limit.IsZero() {
		<-changed
		return
	}
	timer := time.NewTimer(time.Until(limit))
	defer timer.Stop()
	select {
	case <-changed:
	case <-timer.C:
	}
}

// fakeDevice is one Open of a Fake. fake.mu guards its fields.
type fakeDevice struct {
	fake         *Fake
	settings     Settings
	in           []byte // received, not read
	tx           []byte // written, held back
	closed, hung bool
	read, write  time.Time // deadlines
}

// Path implements Device.
func (d *fakeDevice) Path() string { return d.fake.name }

// Read implements Device.
func (d *fakeDevice) Read(p []byte) (int, error) {
	// As with files, a deadline in the past wins over bytes that wait.
	err := d.fake.await(func() time.Time { return d.read }, func() bool {
		return d.closed || d.hung || (len(d.in) > 0 && !past(d.read))
	})
	defer d.fake.mu.Unlock()
	switch {
	case d.closed:
		return 0, d.fail("read", fs.ErrClosed)
	case d.hung:
		return 0, io.EOF
	case err != nil:
		return 0, d.fail("read", err)
	}
	n := copy(p, d.in)
	d.in = d.in[n:]
	d.fake.change()
	return n, nil
}

// past says whether a deadline is over.
func past(deadline time.Time) bool { return !deadline.IsZero() && !time.Now().Before(deadline) }

// Write implements Device.
func (d *fakeDevice) Write(p []byte) (done int, err error) {
	f := d.fake
	for len(p) > done {
		err := f.await(func() time.Time { return d.write }, func() bool {
			return d.closed || d.hung || (d.room() > 0 && !past(d.write))
		})
		switch {
		case d.closed:
			err = d.fail("write", fs.ErrClosed)
		case d.hung:
			err = d.fail("write", unix.EIO)
		case err != nil:
			err = d.fail("write", err)
		default:
			n := min(len(p)-done, d.room())
			if f.held() {
				d.tx = append(d.tx, p[done:done+n]...)
			} else {
				f.wire = append(f.wire, p[done:done+n]...)
			}
			done += n
			f.change()
		}
		f.mu.Unlock()
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// room is how many bytes Write may pass on now.
func (d *fakeDevice) room() int {
	if d.fake.held() {
		return fakeTxSize - len(d.tx)
	}
	return fakeFarSize - len(d.fake.wire)
}

// Close implements Device.
func (d *fakeDevice) Close() error {
	return d.with("close", func() error {
		d.closed = true
		d.in, d.tx = nil, nil
		d.fake.dev, d.fake.state.Open = nil, false
		if d.settings.HUPCL && !d.hung {
			d.fake.setOutputs(false, false)
		}
		return nil
	})
}

// SetReadDeadline implements Device.
func (d *fakeDevice) SetReadDeadline(t time.Time) error {
	return d.with("set read deadline", func() error { d.read = t; return nil })
}

// SetWriteDeadline implements Device.
func (d *fakeDevice) SetWriteDeadline(t time.Time) error {
	return d.with("set write deadline", func() error { d.write = t; return nil })
}

// Apply implements Device.
func (d *fakeDevice) Apply(s Settings) error {
	if err := s.Validate(); err != nil {
		return fmt.Errorf("%s: %w", d.fake.name, err)
	}
	return d.withSignals("apply", false, func() error {
		d.settings = s.withDefaults()
		d.fake.state.Settings = d.settings
		d.fake.release()
		return nil
	})
}

// Signals implements Device.
func (d *fakeDevice) Signals() (sig Signals, err error) {
	err = d.withSignals("read control signals", true, func() error {
		sig = d.fake.state.Signals
		return nil
	})
	return sig, err
}

// SetDTR implements Device.
func (d *fakeDevice) SetDTR(on bool) error {
	return d.withSignals("set DTR", true, func() error {
		d.fake.setOutputs(on, d.fake.state.Signals.RTS)
		return nil
	})
}

// SetRTS implements Device.
func (d *fakeDevice) SetRTS(on bool) error {
	return d.withSignals("set RTS", true, func() error {
		d.fake.setOutputs(d.fake.state.Signals.DTR, on)
		return nil
	})
}

// Break implements Device.
func (d *fakeDevice) Break(ctx context.Context, length time.Duration) error {
	err := d.withSignals("break", false, func() error {
		d.fake.state.Breaks++
		return nil
	})
	if err != nil {
		return err
	}
	return sleepFor(ctx, length)
}

// Flush implements Device. What is on the wire can't be called back.
func (d *fakeDevice) Flush(q Queue) error {
	return d.withSignals("flush", false, func() error {
		if q < In || q > Both {
			return fmt.Errorf("queue %d: %w", q, fs.ErrInvalid)
		}
		if q != Out {
			d.in = nil
		}
		if q != In {
			d.tx = nil
		}
		return nil
	})
}

// OutQueue implements Device.
func (d *fakeDevice) OutQueue() (n int, err error) {
	err = d.withSignals("read output queue", false, func() error {
		n = len(d.tx)
		return nil
	})
	return n, err
}

// with runs f with mu held unless the device is closed, and tells the waiters.
func (d *fakeDevice) with(op string, f func() error) error {
	d.fake.mu.Lock()
	defer d.fake.mu.Unlock()
	if d.closed {
		return d.fail(op, fs.ErrClosed)
	}
	err := deviceError(d.fake.name, op, false, f())
	d.fake.change()
	return err
}

// withSignals is with for what a hung-up device refuses, and one without control signals if signals is true.
func (d *fakeDevice) withSignals(op string, signals bool, f func() error) error {
	return d.with(op, func() error {
		switch {
		case signals && d.fake.o.NoSignals:
			return unix.ENOTTY
		case d.hung:
			return unix.EIO
		}
		return f()
	})
}

// fail wraps err with place and meaning; the caller holds mu.
func (d *fakeDevice) fail(op string, err error) error {
	return deviceError(d.fake.name, op, d.closed, err)
}

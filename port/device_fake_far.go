package port

import (
	"context"
	"io"
	"os"
	"time"
)

// Far is the far end of a Fake: the modem, or the caller on a direct line.
type Far struct{ fake *Fake }

// Write sends p to the device and returns when our side's buffer has taken it. What comes while nobody has the device open is lost,
// as on a real one. Errors: os.ErrDeadlineExceeded, io.ErrClosedPipe after Close.
func (r *Far) Write(p []byte) (done int, err error) {
	f := r.fake
	for len(p) > done && err == nil {
		err = f.await(func() time.Time { return f.far.write }, func() bool {
			return f.far.closed || !f.state.Open || (len(f.dev.in) < fakeInSize && !past(f.far.write))
		})
		switch {
		case f.far.closed:
			err = io.ErrClosedPipe
		case err != nil:
		case !f.state.Open:
			done = len(p)
		default:
			n := min(len(p)-done, fakeInSize-len(f.dev.in))
			f.dev.in = append(f.dev.in, p[done:done+n]...)
			done += n
			f.change()
		}
		f.mu.Unlock()
	}
	return done, err
}

// Read returns at least one byte of what our side sent, over any number of Opens. Errors: os.ErrDeadlineExceeded, io.EOF after Close.
func (r *Far) Read(p []byte) (int, error) {
	f := r.fake
	err := f.await(func() time.Time { return f.far.read }, func() bool {
		return f.far.closed || (len(f.wire) > 0 && !past(f.far.read))
	})
	defer f.mu.Unlock()
	switch {
	case f.far.closed:
		return 0, io.EOF
	case err != nil:
		return 0, os.ErrDeadlineExceeded
	}
	n := copy(p, f.wire)
	f.wire = f.wire[n:]
	f.change()
	return n, nil
}

// SetReadDeadline works as in net.Conn.
func (r *Far) SetReadDeadline(t time.Time) error {
	return r.with(func() { r.fake.far.read = t })
}

// SetWriteDeadline works as in net.Conn.
func (r *Far) SetWriteDeadline(t time.Time) error {
	return r.with(func() { r.fake.far.write = t })
}

// Close ends Read and Write of the far end for good. It changes nothing on our side.
func (r *Far) Close() error {
	return r.with(func() { r.fake.far.closed = true })
}

// SetDCD drives DCD. With settings that obey the carrier (no CLOCAL), DCD going off hangs the device up.
func (r *Far) SetDCD(on bool) {
	_ = r.with(func() {
		lost := r.fake.state.Signals.DCD && !on
		r.fake.state.Signals.DCD = on
		if dev := r.fake.dev; lost && dev != nil && !dev.settings.CLOCAL {
			r.fake.hangUp()
		}
	})
}

// SetDSR drives DSR.
func (r *Far) SetDSR(on bool) { _ = r.with(func() { r.fake.state.Signals.DSR = on }) }

// SetRI drives RI.
func (r *Far) SetRI(on bool) { _ = r.with(func() { r.fake.state.Signals.RI = on }) }

// SetCTS drives CTS. With settings that ask for RTSCTS, what our side writes while CTS is off stays in its transmit queue.
func (r *Far) SetCTS(on bool) {
	_ = r.with(func() {
		r.fake.state.Signals.CTS = on
		r.fake.release()
	})
}

// Wedge makes our side's bytes stay in its transmit queue, where Write waits when it is full, or lets them go.
func (r *Far) Wedge(on bool) {
	_ = r.with(func() {
		r.fake.wedged = on
		r.fake.release()
	})
}

// Hangup hangs the device up, as the kernel does on a lost carrier: Read gives io.EOF, all else EIO, until it is closed and opened
// anew.
func (r *Far) Hangup() { _ = r.with(r.fake.hangUp) }

// Vanish unplugs the device: it is hung up, and Open gives fs.ErrNotExist until Appear.
func (r *Far) Vanish() {
	_ = r.with(func() {
		r.fake.absent = true
		r.fake.hangUp()
		r.fake.setOutputs(false, false)
	})
}

// Appear plugs the device in again.
func (r *Far) Appear() { _ = r.with(func() { r.fake.absent = false }) }

// FailOpen makes every Open fail with err; nil ends that.
func (r *Far) FailOpen(err error) { _ = r.with(func() { r.fake.openErr = err }) }

// State returns what the far end sees now.
func (r *Far) State() (s FakeState) {
	_ = r.with(func() { s = r.fake.state })
	return s
}

// Wait returns the first state that ok accepts, or ctx's cause. ok is called with the fake locked and must not use it. A change
// that is undone at once can be missed: use FakeState's counters for those.
func (r *Far) Wait(ctx context.Context, ok func(FakeState) bool) (FakeState, error) {
	for {
		r.fake.mu.Lock()
		state, changed := r.fake.state, r.fake.changed
		accepted := ok(state)
		r.fake.mu.Unlock()
		if accepted {
			return state, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return state, context.Cause(ctx)
		}
	}
}

// with runs change with the fake locked and tells the waiters.
func (r *Far) with(change func()) error {
	r.fake.mu.Lock()
	defer r.fake.mu.Unlock()
	change()
	r.fake.change()
	return nil
}

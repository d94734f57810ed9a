package port

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// openFake opens a fake device in a bubble.
func openFake(t *testing.T, s Settings) (*Fake, Device) {
	t.Helper()
	f := NewFake("fake", FakeOptions{})
	d := open(t, f)
	if err := d.Apply(s); err != nil {
		t.Fatal(err)
	}
	return f, d
}

func TestFakeSignals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, d := openFake(t, Settings{HUPCL: true, CLOCAL: true})
		far := f.Far()
		check := func(what string, want Signals) {
			t.Helper()
			if got, err := d.Signals(); err != nil || got != want || far.State().Signals != want {
				t.Errorf("%s: %+v, %v; the far end sees %+v", what, got, err, far.State().Signals)
			}
		}
		up := Signals{DTR: true, RTS: true, CTS: true, DSR: true}
		check("opened", up)
		far.SetDCD(true)
		far.SetRI(true)
		far.SetDSR(false)
		far.SetCTS(false)
		check("the far end's", Signals{DTR: true, RTS: true, DCD: true, RI: true})
		far.SetDCD(false) // CLOCAL: no hang-up
		far.SetRI(false)
		far.SetDSR(true)
		far.SetCTS(true)
		check("back", up)
		if err := d.SetDTR(false); err != nil {
			t.Fatal(err)
		}
		if err := d.SetRTS(false); err != nil {
			t.Fatal(err)
		}
		check("ours", Signals{CTS: true, DSR: true})
		if err := d.SetDTR(true); err != nil {
			t.Fatal(err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if s := far.State(); s.Open || s.Signals.DTR || s.DTRDrops != 2 || s.Opens != 1 {
			t.Errorf("closed with HUPCL: %+v", s)
		}
		if err := open(t, f).Close(); err != nil { // no Apply, so no HUPCL
			t.Fatal(err)
		}
		if s := far.State(); s.Open || !s.Signals.DTR || s.DTRDrops != 2 || s.Opens != 2 {
			t.Errorf("closed without HUPCL: %+v", s)
		}
	})
}

// Without CLOCAL the kernel hangs up when DCD goes, and only then.
func TestFakeCarrierLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, d := openFake(t, Settings{HUPCL: true})
		f.Far().SetDCD(false) // it was off
		if _, err := d.Signals(); err != nil {
			t.Fatalf("hung up without a loss of carrier: %v", err)
		}
		f.Far().SetDCD(true)
		done := make(chan error, 1)
		go func() {
			_, err := d.Read(make([]byte, 1))
			done <- err
		}()
		synctest.Wait()
		f.Far().SetDCD(false)
		if err := <-done; !errors.Is(err, io.EOF) {
			t.Errorf("read: %v", err)
		}
		if _, err := d.Signals(); !errors.Is(err, syscall.EIO) {
			t.Errorf("signals: %v", err)
		}
		if err := d.Apply(Settings{}); !errors.Is(err, syscall.EIO) {
			t.Errorf("apply: %v", err)
		}
		if s := f.Far().State(); s.Open || s.Signals.DTR {
			t.Errorf("the far end sees %+v", s)
		}
		if _, err := f.Open(t.Context()); !errors.Is(err, ErrLocked) {
			t.Errorf("open before close: %v", err)
		}
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		open(t, f)
	})
}

func TestFakeVanishes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, d := openFake(t, Settings{})
		f.Far().Vanish()
		hungUp(t, d)
		if err := d.Close(); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Open(t.Context()); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("vanished: %v", err)
		}
		f.Far().Appear()
		stuck := errors.New("stuck")
		f.Far().FailOpen(stuck)
		if _, err := f.Open(t.Context()); !errors.Is(err, stuck) {
			t.Errorf("failing: %v", err)
		}
		f.Far().FailOpen(nil)
		open(t, f)
	})
}

// What a low CTS or a wedged modem holds back fills the transmit queue, and Write then waits for its deadline.
func TestFakeHeldOutput(t *testing.T) {
	for name, hold := range map[string]func(r *Far, on bool){
		"wedged": (*Far).Wedge,
		"CTS":    func(r *Far, on bool) { r.SetCTS(!on) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f, d := openFake(t, Settings{RTSCTS: true})
				far := f.Far()
				hold(far, true)
				start := time.Now()
				_ = d.SetWriteDeadline(start.Add(3 * time.Second))
				n, err := d.Write(make([]byte, 2*fakeTxSize))
				if n != fakeTxSize || !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(start) != 3*time.Second {
					t.Errorf("write %d, %v after %v", n, err, time.Since(start))
				}
				if q, err := d.OutQueue(); q != fakeTxSize || err != nil {
					t.Errorf("output queue %d, %v", q, err)
				}
				if err := d.Flush(Out); err != nil {
					t.Fatal(err)
				}
				_ = d.SetWriteDeadline(time.Time{})
				if _, err := d.Write([]byte("sent")); err != nil {
					t.Fatal(err)
				}
				hold(far, false)
				if got := readFull(t, far, 4); string(got) != "sent" {
					t.Errorf("got %q", got)
				}
				if q, err := d.OutQueue(); q != 0 || err != nil {
					t.Errorf("output queue %d, %v", q, err)
				}
			})
		})
	}
}

func TestFakeBreakTakesItsTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, d := openFake(t, Settings{})
		start := time.Now()
		if err := d.Break(t.Context(), 250*time.Millisecond); err != nil || time.Since(start) != 250*time.Millisecond {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if n := f.Far().State().Breaks; n != 1 {
			t.Errorf("%d breaks", n)
		}
	})
}

// The far end's side: what nobody listens to is lost, a flood waits, deadlines and Close end it.
func TestFakeFarEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFake("fake", FakeOptions{})
		far := f.Far()
		if n, err := far.Write([]byte("lost")); n != 4 || err != nil {
			t.Errorf("write to a closed device: %d, %v", n, err)
		}
		d := open(t, f)
		flood := bytes.Repeat([]byte("flood "), fakeInSize/4)
		_ = far.SetWriteDeadline(time.Now().Add(time.Second))
		if n, err := far.Write(flood); n != fakeInSize || !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("flood: %d, %v", n, err)
		}
		_ = far.SetWriteDeadline(time.Time{})
		rest := make(chan error, 1)
		go func() {
			_, err := far.Write(flood[fakeInSize:])
			rest <- err
		}()
		if got := readFull(t, d, len(flood)); !bytes.Equal(got, flood) {
			t.Error("the flood arrived changed")
		}
		if err := <-rest; err != nil {
			t.Error(err)
		}
		_ = far.SetReadDeadline(time.Now().Add(time.Second))
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
		_ = far.Close()
		if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("read after close: %v", err)
		}
		if _, err := far.Write([]byte("x")); !errors.Is(err, io.ErrClosedPipe) {
			t.Errorf("write after close: %v", err)
		}
	})
}

func TestFakeWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := NewFake("fake", FakeOptions{})
		go func() {
			time.Sleep(time.Minute) // of the bubble
			_, _ = f.Open(t.Context())
		}()
		start := time.Now()
		s, err := f.Far().Wait(t.Context(), func(s FakeState) bool { return s.Signals.DTR })
		if err != nil || !s.Open || time.Since(start) != time.Minute {
			t.Errorf("%+v, %v after %v", s, err, time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.Far().Wait(ctx, func(s FakeState) bool { return !s.Open }); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
	})
}

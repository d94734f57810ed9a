package dialog

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"rashost/plugin"
)

func TestR1_CompletesWithTheFirstByte(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		rc := d.receive(100, 0)
		if rc.set() {
			t.Fatal("the event is set without a byte")
		}
		r.line.typed("e")
		if got := rc.text(); got != "e" {
			t.Errorf("received %q", got)
		}
		d.end()
	})
}

func TestR1_DeliversAtMostN(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		r.line.typed("0123456789")
		synctest.Wait()
		for _, c := range []struct {
			n    uint16
			want string
		}{{1, "0"}, {3, "123"}, {100, "456789"}} { // excess bytes are kept for the next Receive
			if got := d.receive(c.n, 0).text(); got != c.want {
				t.Errorf("Receive of %d = %q, want %q", c.n, got, c.want)
			}
		}
		d.end()
	})
}

// TestR2_WriteOrder reads without a lock what the event promises to be complete; the race detector sees a wrong order.
func TestR2_WriteOrder(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		got := make(chan string, 1)
		r.host.Go(d.b.HPort, func(ctx context.Context) {
			var text strings.Builder
			ev, n := plugin.NewEvent(true), uint16(0)
			for text.Len() < 500 {
				n = 7
				ev.Reset()
				mustPend(t, r.host.DialogReceive(d.b.HPort, d.b.RecvBuf, &n, 0, ev))
				if ev.Wait(ctx) != nil {
					break
				}
				text.Write(d.b.RecvBuf[:n])
				if info := d.info(); info.LastError != plugin.NoError || info.BytesReceived != uint32(n) {
					t.Errorf("after the event: %+v, *n = %d", info, n)
				}
			}
			got <- text.String()
		})
		want := strings.Repeat("0123456789", 50)
		for i := range 50 {
			r.line.typed(want[10*i : 10*i+10])
			time.Sleep(time.Millisecond)
		}
		if s := <-got; s != want {
			t.Errorf("received %q", s)
		}
		d.end()
	})
}

func TestR3_TheEventMayBeClosedAndBeOfEitherKind(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		rc := d.receive(1, 0)
		rc.event.Close() // before the receive has ended
		r.line.typed("abc")
		synctest.Wait()
		if e := d.info(); e.LastError != plugin.NoError || e.BytesReceived != 1 {
			t.Errorf("with a closed event: %+v", e)
		}
		auto, manual := plugin.NewEvent(false), plugin.NewEvent(true)
		for _, ev := range []*plugin.Event{auto, manual} {
			n := uint16(1)
			mustPend(t, r.host.DialogReceive(d.b.HPort, d.b.RecvBuf, &n, 0, ev))
			if err := ev.Wait(t.Context()); err != nil {
				t.Error(err)
			}
		}
		if err := manual.Wait(t.Context()); err != nil {
			t.Error("a manual-reset event did not stay set")
		}
		if rc := (&receiving{event: auto}); rc.set() {
			t.Error("an auto-reset event stayed set")
		}
		d.end()
	})
}

func TestR4_Lengths(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		if rc := d.receive(0, 0); rc.code != plugin.ErrorBufferInvalid || rc.set() {
			t.Errorf("*n = 0: %v", rc.code)
		}
		for _, buf := range [][]byte{nil, {}} {
			n := uint16(1)
			if c := r.host.DialogReceive(d.b.HPort, buf, &n, 0, nil); c != plugin.ErrorBufferInvalid {
				t.Errorf("no buffer: %v", c)
			}
		}
		if c := r.host.DialogReceive(d.b.HPort, d.b.RecvBuf, nil, 0, nil); c != plugin.ErrorBufferInvalid {
			t.Errorf("n nil: %v", c)
		}
		r.line.typed(strings.Repeat("x", 2000))
		synctest.Wait()
		if got := len(d.receive(60000, 0).text()); got != 1500 {
			t.Errorf("*n = 60000 received %d bytes, want 1500", got)
		}
		short, n := make([]byte, 10), uint16(100)
		mustPend(t, r.host.DialogReceive(d.b.HPort, short, &n, 0, nil)) // event nil: poll
		if info := d.info(); info.LastError != plugin.NoError || info.BytesReceived != 10 || n != 10 || short[9] != 'x' {
			t.Errorf("without an event: %+v, *n = %d", info, n)
		}
		d.end()
	})
}

func TestR5_SecondReceive(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		first := d.receive(1, 0)
		if c := d.receive(1, 0).code; c != plugin.ErrorAsyncRequestPending {
			t.Errorf("second Receive = %v", c)
		}
		r.line.typed("x")
		if got := first.text(); got != "x" {
			t.Errorf("the first one received %q", got)
		}
		d.end()
	})
}

func TestR6_TimeOut(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		rc := d.receive(10, 7)
		time.Sleep(7*time.Second - time.Nanosecond)
		if rc.set() {
			t.Fatal("timed out too early")
		}
		time.Sleep(time.Nanosecond)
		if !rc.set() || rc.n != 0 || d.info().LastError != plugin.ErrorRequestTimeout {
			t.Errorf("after the time-out: *n = %d, LastError %v", rc.n, d.info().LastError)
		}
		r.line.typed("later")
		if rc.set() {
			t.Error("the event was set twice")
		}
		if got := d.receive(10, 0).text(); got != "later" {
			t.Errorf("the next Receive got %q", got)
		}
		d.end()
	})
}

func TestR6_ZeroNeverTimesOut(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.o.Timeout = 600 * time.Second
		d := r.start()
		rc := d.receive(10, 0)
		time.Sleep(599 * time.Second)
		if rc.set() || d.info().LastError != plugin.Pending {
			t.Error("a Receive without a time-out has ended")
		}
		d.end()
	})
}

func TestR7_DropWhilePending(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.p.onEnd = defers
		d := r.start()
		copy(d.b.RecvBuf, "stale")
		rc := d.receive(3, 5)
		r.line.hangUp(io.EOF)
		if !rc.set() || rc.n != 0 || !bytes.HasPrefix(d.b.RecvBuf, []byte("\x00\x00\x00le")) {
			t.Errorf("*n = %d, buffer %q", rc.n, d.b.RecvBuf[:5])
		}
		if e := d.info().LastError; e != plugin.ErrorPortDisconnected {
			t.Errorf("LastError = %v", e)
		}
		time.Sleep(10 * time.Second)
		if rc.set() {
			t.Error("the event was set twice")
		}
		for range 3 {
			again := d.receive(1, 1)
			time.Sleep(2 * time.Second)
			if again.code != plugin.ErrorPortDisconnected || again.set() || again.n != 1 {
				t.Errorf("Receive after the drop = %v", again.code)
			}
		}
		d.complete(plugin.Error, 0, "")
		d.wait()
	})
}

func TestR7_BytesBeforeTheDropAreNotReceivedAfterIt(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.p.onEnd = defers
		d := r.start()
		r.line.typed("yes\r")
		r.line.hangUp(io.EOF)
		synctest.Wait()
		if rc := d.receive(4, 0); rc.code != plugin.ErrorPortDisconnected || rc.set() {
			t.Errorf("Receive = %v", rc.code)
		}
		d.complete(plugin.Error, 0, "")
		d.wait()
	})
}

func TestR8_Echo(t *testing.T) {
	for mode, want := range map[EchoMode]string{
		EchoOff:    "? ",
		EchoOn:     "? a\tB\x1b\x08\x80\xe9\r\n",
		EchoMasked: "? ***\r\n",
	} {
		in(t, func(t *testing.T, r *rig) {
			r.o.Echo = mode
			r.line.typed("a\tB\x1b\x08\x80\xe9\r") // typed ahead: the echo comes after the prompt
			d := r.start()
			mustPend(t, r.host.DialogSend(d.b.HPort, []byte("? ")))
			if got := d.receive(100, 0).text(); got != "a\tB\x1b\x08\x80\xe9\r" {
				t.Errorf("received %q", got)
			}
			d.end()
			if got := r.line.output(); got != want {
				t.Errorf("mode %d: sent %q, want %q", mode, got, want)
			}
		})
	}
}

func TestR8_EchoIsBounded(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.o.Echo = EchoOn
		d := r.start()
		r.line.block(true)
		r.line.typed(strings.Repeat("x", inputLimit))
		synctest.Wait()
		for range 60 {
			d.receive(1000, 0).text()
		}
		r.line.block(false)
		d.end()
		if got := len(r.line.output()); got > outputLimit {
			t.Errorf("%d bytes of echo", got)
		}
	})
}

func TestR9_EightBitClean(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		var all []byte
		for i := range 256 {
			all = append(all, byte(i))
		}
		d := r.start()
		r.line.typed(string(all))
		synctest.Wait()
		if got := d.receive(1000, 0).text(); got != string(all) {
			t.Errorf("received %q", got)
		}
		d.end()
	})
}

func TestFloodIsBoundedAndSaid(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		r.line.typed(strings.Repeat("x", 1<<20))
		synctest.Wait()
		total := 0
		for range 60 {
			rc := d.receive(1500, 1)
			time.Sleep(2 * time.Second)
			rc.set()
			total += int(rc.n)
		}
		if total != inputLimit {
			t.Errorf("received %d bytes, want the first %d", total, inputLimit)
		}
		if o := d.wait(); !hasStep(o, "983040 bytes received beyond") {
			t.Errorf("steps: %v", o.Steps)
		}
	})
}

func TestG1_BeforeAnyReceive(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.o.DeviceName = "Hayes SmartModem 9600"
		d := r.start()
		if got, want := d.info(), (plugin.SecurityInfo{DeviceName: "Hayes SmartModem 9600"}); got != want {
			t.Errorf("GetInfo = %+v", got)
		}
		rc := d.receive(10, 0)
		if got := d.info(); got.LastError != plugin.Pending || got.BytesReceived != 0 {
			t.Errorf("while pending: %+v", got)
		}
		r.line.typed("abc")
		rc.text()
		if got := d.info(); got.LastError != plugin.NoError || got.BytesReceived != 3 {
			t.Errorf("when done: %+v", got)
		}
		d.end()
	})
}

func TestG2_AnyTimeBetweenBeginAndClose(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		var info plugin.SecurityInfo
		r.p.onBegin = func(b plugin.Begin) plugin.Code { return b.Host.DialogGetInfo(b.HPort, &info) }
		r.p.onEnd = func(h plugin.HPORT) plugin.Code { return r.host.DialogGetInfo(h, &info) } // NoError: deferred
		d := r.start()
		d.complete(plugin.Failure, 0, "eric")
		synctest.Wait()
		if c := r.host.DialogGetInfo(d.b.HPort, &info); c != plugin.NoError || d.over() {
			t.Errorf("during the deferral: %v", c)
		}
		d.complete(plugin.Failure, 0, "eric")
		d.wait()
		if c := r.host.DialogGetInfo(d.b.HPort, &info); c != plugin.ErrorInvalidPortHandle {
			t.Errorf("afterwards: %v", c)
		}
	})
}

func TestG3_NilBuffer(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		if c := r.host.DialogGetInfo(d.b.HPort, nil); c != plugin.ErrorInvalidParameter {
			t.Errorf("GetInfo = %v", c)
		}
		d.end()
	})
}

func TestG4_DeviceNameIsCut(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.o.Call.DeviceName = strings.Repeat("m", 300) // used when Options.DeviceName is empty
		d := r.start()
		if got := len(d.info().DeviceName); got != 128 {
			t.Errorf("a name of %d bytes", got)
		}
		d.end()
	})
}

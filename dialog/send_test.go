package dialog

import (
	"bytes"
	"io"
	"testing"
	"testing/synctest"

	"rashost/plugin"
)

func TestT1_BytesAreCopiedAndSentInOrder(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		r.line.block(true)
		for _, s := range []string{"Username: \x00", "\r\nDomain: \x00", "\xff\r\n"} {
			n := copy(d.b.SendBuf, s)
			if c := r.host.DialogSend(d.b.HPort, d.b.SendBuf[:n]); c != plugin.Pending {
				t.Errorf("Send = %v", c)
			}
			clear(d.b.SendBuf)
		}
		r.line.block(false)
		d.end()
		if got, want := r.line.output(), "Username: \x00\r\nDomain: \x00\xff\r\n"; got != want {
			t.Errorf("sent %q, want %q", got, want)
		}
	})
}

func TestT2_Lengths(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		for _, c := range []struct {
			buf  []byte
			want plugin.Code
		}{
			{nil, plugin.ErrorBufferInvalid},
			{make([]byte, 1501), plugin.ErrorBufferInvalid},
			{[]byte{}, plugin.Pending},
			{[]byte("not the lent buffer"), plugin.Pending},
			{bytes.Repeat([]byte("x"), 1500), plugin.Pending},
		} {
			if got := r.host.DialogSend(d.b.HPort, c.buf); got != c.want {
				t.Errorf("Send of %d bytes = %v, want %v", len(c.buf), got, c.want)
			}
		}
		d.end()
		if got := len(r.line.output()); got != 1519 {
			t.Errorf("%d bytes sent, want 1519", got)
		}
	})
}

func TestT3_AfterADropAndUnknown(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		r.p.onEnd = defers
		d := r.start()
		r.line.hangUp(io.EOF)
		d.wait()
		if c := r.host.DialogSend(d.b.HPort, []byte("x")); c != plugin.ErrorPortDisconnected {
			t.Errorf("Send after a drop = %v", c)
		}
		synctest.Wait()
		d.complete(plugin.Error, 0, "")
		synctest.Wait()
		for _, h := range []plugin.HPORT{d.b.HPort, 0, 99} {
			if c := r.host.DialogSend(h, []byte("x")); c != plugin.ErrorInvalidPortHandle {
				t.Errorf("Send on HPORT %d = %v", h, c)
			}
		}
	})
}

func TestT3_QueueLimit(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		r.line.block(true)
		buf := make([]byte, 1024)
		for i := range 16 {
			if c := r.host.DialogSend(d.b.HPort, buf); c != plugin.Pending {
				t.Fatalf("Send %d = %v", i, c)
			}
			synctest.Wait() // the writer has taken what there is: it counts until the line has it
		}
		if c := r.host.DialogSend(d.b.HPort, []byte("x")); c != plugin.ErrorOutOfBuffers {
			t.Errorf("Send over 16 KiB = %v", c)
		}
		r.line.block(false)
		synctest.Wait()
		if c := r.host.DialogSend(d.b.HPort, []byte("x")); c != plugin.Pending {
			t.Errorf("Send after the queue was drained = %v", c)
		}
		d.end()
		if got := len(r.line.output()); got != 16<<10+1 {
			t.Errorf("%d bytes sent", got)
		}
	})
}

func TestWriteErrorIsADrop(t *testing.T) {
	in(t, func(t *testing.T, r *rig) {
		d := r.start()
		r.line.mu.Lock()
		r.line.lost = io.ErrUnexpectedEOF // without waking the reader
		r.line.mu.Unlock()
		mustPend(t, r.host.DialogSend(d.b.HPort, []byte("x")))
		check(t, d.wait(), Dropped, 0, plugin.ErrorPortDisconnected, 0)
	})
}

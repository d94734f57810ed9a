package dialog

import (
	"context"
	"io"
	"net"
	"sync"
	"testing"

	"rashost/plugin"
)

// TestDropAgainstComplete lets a drop and a Success race in real time: either may win, but never both.
func TestDropAgainstComplete(t *testing.T) {
	h, p := New(nil), newPlugin()
	for i := range 300 {
		caller, line := net.Pipe()
		d := &dialog{r: &rig{t: t, host: h, p: p, log: &logText{}}, out: make(chan Outcome, 1)}
		go func() { d.out <- h.Run(t.Context(), line, p, Options{}) }()
		d.b = <-p.begun
		var both sync.WaitGroup
		both.Go(func() { _ = caller.Close() })
		both.Go(func() { d.complete(plugin.Success, 0, "eric") })
		both.Wait()
		o := <-d.out
		if !o.Granted() && (o.Ended != Dropped || o.Verdict != 0 || o.User != "") {
			t.Fatalf("try %d: %+v", i, o)
		}
		_ = line.Close()
	}
	if err := h.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	for hport, n := range p.ends {
		if n != 1 {
			t.Errorf("HPORT %d: End was called %d times", hport, n)
		}
	}
}

// TestDropAgainstReceive lets a drop, a time-out and a byte race for one Receive: its event is set once.
func TestDropAgainstReceive(t *testing.T) {
	h, p := New(nil), newPlugin()
	p.onEnd = func(plugin.HPORT) plugin.Code { return plugin.NoError }
	for range 100 {
		caller, line := net.Pipe()
		out := make(chan Outcome, 1)
		go func() { out <- h.Run(t.Context(), line, p, Options{}) }()
		b := <-p.begun
		ev, n := plugin.NewEvent(false), uint16(4)
		mustPend(t, h.DialogReceive(b.HPort, b.RecvBuf, &n, 0, ev))
		go func() { _, _ = caller.Write([]byte("x")); _ = caller.Close() }()
		if err := ev.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
		if n > 1 || n == 1 && b.RecvBuf[0] != 'x' || n == 0 && b.RecvBuf[0] != 0 {
			t.Fatalf("*n = %d, %q", n, b.RecvBuf[0])
		}
		<-out
		for b.Host.DialogSend(b.HPort, nil) != plugin.ErrorInvalidPortHandle { // until the Complete that End owes has come after End
			b.Complete(plugin.NewMessage(b.HPort, plugin.Error, 0, "", ""))
		}
		_ = line.Close()
	}
}

// FuzzMessage gives the host any message: a Success that it makes of it is fit for a service.
func FuzzMessage(f *testing.F) {
	f.Add(uint32(1), uint32(0), "eric\x00", "ACME\x00")
	f.Add(uint32(2), uint32(0), "", "")
	f.Add(uint32(3), uint32(5), "\x00", "\x00")
	f.Add(uint32(9), uint32(0), "-o\x1b", "\r\n")
	f.Fuzz(func(t *testing.T, id, code uint32, user, domain string) {
		m := &plugin.SecurityMessage{MsgID: plugin.Verdict(id), Error: plugin.Code(code)}
		copy(m.UserName[:], user)
		copy(m.Domain[:], domain)
		o := judge(m).outcome()
		switch o.Verdict {
		case plugin.Success:
			if !plugin.ValidUserName(o.User) || !validDomain(o.Domain) || o.Code != 0 || o.Event != 0 {
				t.Errorf("%+v", o)
			}
		case plugin.Failure:
			if o.Code != 0 || o.Event != plugin.EventSecurityFailure {
				t.Errorf("%+v", o)
			}
		case plugin.Error:
			if o.Code == 0 || o.Event != plugin.EventSecurityInternal {
				t.Errorf("%+v", o)
			}
		default:
			t.Errorf("verdict %d", o.Verdict)
		}
		if o.Granted() != (o.Verdict == plugin.Success) {
			t.Errorf("Granted() = %v with %v", o.Granted(), o.Verdict)
		}
	})
}

// BenchmarkDialog is one whole transaction: prompt, one answer, Success.
func BenchmarkDialog(b *testing.B) {
	h := New(nil)
	b.ReportAllocs()
	b.RunParallel(func(pb *testing.PB) {
		buf := make([]byte, 64)
		for pb.Next() {
			caller, line := net.Pipe()
			out := make(chan Outcome, 1)
			go func() { out <- h.Run(b.Context(), line, asking{}, Options{}) }()
			if _, err := io.ReadFull(caller, buf[:6]); err != nil {
				b.Error(err)
			}
			if _, err := caller.Write([]byte("eric")); err != nil {
				b.Error(err)
			}
			if o := <-out; !o.Granted() {
				b.Errorf("%+v", o)
			}
			_ = caller.Close()
			_ = line.Close()
		}
	})
}

// asking is a plugin that asks for a name and lets it in.
type asking struct{}

func (asking) SecurityDialogBegin(b plugin.Begin) plugin.Code {
	if !b.Host.Go(b.HPort, func(ctx context.Context) {
		ev, n := plugin.NewEvent(false), uint16(4)
		_ = b.Host.DialogSend(b.HPort, []byte("Name: "))
		_ = b.Host.DialogReceive(b.HPort, b.RecvBuf, &n, 30, ev)
		if ev.Wait(ctx) == nil {
			b.Complete(plugin.NewMessage(b.HPort, plugin.Success, 0, string(b.RecvBuf[:n]), ""))
		}
	}) {
		return plugin.ErrorUnknown
	}
	return plugin.NoError
}

func (asking) SecurityDialogEnd(plugin.HPORT) plugin.Code { return plugin.ErrorPortDisconnected }

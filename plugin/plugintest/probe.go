package plugintest

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"rashost/plugin"
)

// probe stands between the host and the plugin: it passes every call on and keeps count.
type probe struct {
	run   *run
	inner plugin.Plugin

	mu  sync.Mutex
	txs map[plugin.HPORT]*tx
}

// tx is what the probe has seen of one transaction. probe.mu guards it.
type tx struct {
	x         *exchange
	hport     plugin.HPORT
	host      plugin.Host // the real one
	begins    int
	begin     plugin.Code
	beginTook time.Duration
	returned  bool // Begin has returned
	ends      []plugin.Code
	ending    bool // End has been called
	closed    bool // End returned nonzero, or its deferral was completed
	before    []plugin.SecurityMessage
	after     []plugin.SecurityMessage
	lateGrant bool // a Success came after the line was cut
	calls     int  // Sends, Receives and GetInfos
	late      int  // of them those that got ErrorInvalidPortHandle
	workers   int
}

var _ plugin.Host = (*probe)(nil)

// tx returns the record of a transaction, nil for a handle that Begin never gave out.
func (p *probe) tx(hport plugin.HPORT) *tx {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.txs[hport]
}

// with runs f under the lock.
func (p *probe) with(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
}

// SecurityDialogBegin implements plugin.Plugin.
func (p *probe) SecurityDialogBegin(b plugin.Begin) plugin.Code {
	x := p.run.exchange(b.Call.ID)
	t := &tx{x: x, hport: b.HPort, host: b.Host, begins: 1}
	p.with(func() {
		if x.tx != nil {
			t.begins = x.tx.begins + 1
		}
		p.txs[b.HPort], x.tx = t, t
	})
	b.Host, b.Complete = p, p.DialogComplete
	start := time.Now()
	code := p.inner.SecurityDialogBegin(b)
	took := time.Since(start)
	p.with(func() { t.begin, t.beginTook, t.returned = code, took, true })
	x.trace("Begin(%d) = %s", b.HPort, code.String())
	p.run.look(x)
	return code
}

// SecurityDialogEnd implements plugin.Plugin.
func (p *probe) SecurityDialogEnd(hport plugin.HPORT) plugin.Code {
	t := p.tx(hport)
	p.with(func() { t.ending = true })
	code := p.inner.SecurityDialogEnd(hport)
	p.with(func() {
		t.ends = append(t.ends, code)
		t.closed = t.closed || code != plugin.NoError || len(t.after) > 0
	})
	t.x.trace("End(%d) = %s", hport, code.String())
	p.run.look(t.x)
	return code
}

// lookedAt is how many calls of a transaction are looked at one by one; of those after them, only a few are.
const lookedAt = 64

// called notes a Send, Receive or GetInfo, and looks whose goroutine makes the call; the format, if any, is for the trace.
func (p *probe) called(hport plugin.HPORT, code plugin.Code, format string, args ...any) plugin.Code {
	t := p.tx(hport)
	if t == nil {
		return code
	}
	n := 0
	p.with(func() {
		t.calls++
		n = t.calls
		if code == plugin.ErrorInvalidPortHandle {
			t.late++
		}
	})
	if n <= lookedAt || n%1024 == 0 {
		p.whose(t)
		if format != "" {
			t.x.trace("%s = %s", fmt.Sprintf(format, args...), code.String())
		}
	}
	return code
}

// whose blames the goroutine that calls the host, when neither host nor suite has started it.
func (p *probe) whose(t *tx) {
	g := parseStack(stack(false))
	if g.foreign(p.run.subject.Goroutines) {
		p.run.fault(t.x, "goroutines", "a goroutine that was not started with Host.Go calls the host: created by %s", g.owner)
	}
}

// DialogSend implements plugin.Host.
func (p *probe) DialogSend(hport plugin.HPORT, buf []byte) plugin.Code {
	t := p.tx(hport)
	if t == nil {
		return plugin.ErrorInvalidPortHandle
	}
	return p.called(hport, t.host.DialogSend(hport, buf), "Send(%d, %d bytes)", hport, len(buf))
}

// DialogReceive implements plugin.Host.
func (p *probe) DialogReceive(hport plugin.HPORT, buf []byte, n *uint16, timeout uint32, event *plugin.Event) plugin.Code {
	t := p.tx(hport)
	if t == nil {
		return plugin.ErrorInvalidPortHandle
	}
	size := "nil"
	if n != nil {
		size = strconv.Itoa(int(*n))
	}
	return p.called(hport, t.host.DialogReceive(hport, buf, n, timeout, event), "Receive(%d, %s bytes, %d s)", hport, size, timeout)
}

// DialogGetInfo implements plugin.Host.
func (p *probe) DialogGetInfo(hport plugin.HPORT, info *plugin.SecurityInfo) plugin.Code {
	t := p.tx(hport)
	if t == nil {
		return plugin.ErrorInvalidPortHandle
	}
	return p.called(hport, t.host.DialogGetInfo(hport, info), "")
}

// DialogComplete implements plugin.Host.
func (p *probe) DialogComplete(msg *plugin.SecurityMessage) {
	if msg == nil {
		p.run.fault(nil, "C1", "Complete was called without a message")
		return
	}
	t := p.tx(msg.HPort)
	if t == nil {
		p.run.fault(nil, "C1", "Complete was called for the unknown HPORT %d", msg.HPort)
		return
	}
	t.x.trace("Complete(%d, %v, user %s, %s)", msg.HPort, msg.MsgID, quote(t.x.redact(name(msg.UserName[:]))), msg.Error.String())
	p.whose(t)
	p.with(func() {
		t.lateGrant = t.lateGrant || msg.MsgID == plugin.Success && t.x.cutShort()
		if t.ending {
			t.after = append(t.after, *msg)
			t.closed = t.closed || len(t.ends) > 0
		} else {
			t.before = append(t.before, *msg)
		}
	})
	t.host.DialogComplete(msg)
}

// Go implements plugin.Host.
func (p *probe) Go(hport plugin.HPORT, work func(ctx context.Context)) bool {
	t := p.tx(hport)
	if t == nil {
		return false
	}
	p.with(func() { t.workers++ })
	ok := t.host.Go(hport, func(ctx context.Context) {
		defer p.with(func() { t.workers-- })
		work(ctx)
	})
	if !ok {
		p.with(func() { t.workers-- })
	}
	t.x.trace("Go(%d) = %v", hport, ok)
	return ok
}

// name returns a field up to its NUL.
func name(field []byte) string {
	for i, c := range field {
		if c == 0 {
			return string(field[:i])
		}
	}
	return string(field)
}

// quote makes a text of the line safe and short.
func quote(s string) string {
	const most = 60
	if len(s) > most {
		return strconv.Quote(s[:most]) + fmt.Sprintf("... (%d bytes)", len(s))
	}
	return strconv.Quote(s)
}

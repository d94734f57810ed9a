package plugintest_test

import (
	"context"
	"strings"
	"sync"
	"time"

	"rashost/plugin"
)

// fault is what a gate does wrong.
type fault int

const (
	sound fault = iota
	defersEnd
	forgetsComplete
	completesTwice
	ownGoroutine
	ownTimer
	leaksWorker
	leaksGoroutine
	grantsAfterDrop
	blocksInBegin
	sleepsInBegin
	refusesBegin
	beginPending
	echoesSecret
	mixesCallers
	panicsOnNoise
	keepsLine
	grantsAnyone
	grantsNoise
	grantsSilence
	grantsOther
	errorForFailure
	failureUnnamed
	defersForever
	endBlocks
	callsLate
	flushesInput
	onceOnly
	grantsNobody
	reportsNonsense
	errorWithoutCode
	endlessName
	endlessDomain
)

// gate is a small correct plugin: name, password, verdict. With a fault, it is correct but for that.
type gate struct {
	fault fault
	life  context.Context // ended by Close, which ends whatever the faults have left behind
	end   context.CancelFunc

	mu     sync.Mutex
	open   map[plugin.HPORT]plugin.Begin
	last   map[plugin.HPORT]*plugin.SecurityMessage
	shared []byte // only for mixesCallers
	used   bool   // only for onceOnly
}

func newGate(f fault) *gate {
	life, end := context.WithCancel(context.Background())
	return &gate{fault: f, life: life, end: end, open: make(map[plugin.HPORT]plugin.Begin),
		last: make(map[plugin.HPORT]*plugin.SecurityMessage)}
}

func (g *gate) Close() error {
	g.end()
	return nil
}

func (g *gate) SecurityDialogBegin(b plugin.Begin) plugin.Code {
	g.mu.Lock()
	g.open[b.HPort] = b
	g.mu.Unlock()
	t := &talk{g: g, b: b, line: make([]byte, 0, 64)}
	switch g.fault { //nolint:exhaustive // only the faults that belong here
	case blocksInBegin:
		t.run(g.life)
		return plugin.NoError
	case sleepsInBegin:
		time.Sleep(time.Second)
	case refusesBegin:
		return plugin.ErrorPortNotOpen
	case beginPending:
		return plugin.Pending
	case ownGoroutine:
		go t.run(g.life)
		return plugin.NoError
	case ownTimer:
		time.AfterFunc(time.Millisecond, func() { t.run(g.life) })
		return plugin.NoError
	case leaksGoroutine:
		go func() { <-g.life.Done() }()
	}
	b.Host.Go(b.HPort, t.run)
	return plugin.NoError
}

func (g *gate) SecurityDialogEnd(hport plugin.HPORT) plugin.Code {
	g.mu.Lock()
	b := g.open[hport]
	last := g.last[hport]
	delete(g.open, hport)
	delete(g.last, hport)
	g.mu.Unlock()
	switch g.fault { //nolint:exhaustive // only the faults that belong here
	case defersEnd:
		b.Host.Go(hport, func(context.Context) {
			if last == nil {
				last = plugin.NewMessage(hport, plugin.Error, plugin.ErrorPortDisconnected, "", "")
			}
			b.Complete(last)
		})
		return plugin.NoError
	case defersForever:
		return plugin.NoError
	case endBlocks:
		<-g.life.Done()
	}
	return plugin.ErrorPortDisconnected
}

// talk is the worker of one transaction.
type talk struct {
	g    *gate
	b    plugin.Begin
	line []byte
}

func (t *talk) run(ctx context.Context) {
	g := t.g
	user, ok := t.ask(ctx, "Username: ", false)
	if !ok {
		t.gone(ctx)
		return
	}
	password, ok := t.ask(ctx, "\r\nPassword: ", true)
	if !ok {
		t.gone(ctx)
		return
	}
	verdict := plugin.Failure
	if password == "opensesame" || g.fault == grantsAnyone {
		verdict = plugin.Success
	}
	t.report(verdict, user)
	switch g.fault { //nolint:exhaustive // only the faults that belong here
	case completesTwice:
		t.b.Complete(plugin.NewMessage(t.b.HPort, verdict, plugin.NoError, user, ""))
	case leaksWorker:
		<-g.life.Done()
	case callsLate:
		<-ctx.Done()
		for range 100 {
			t.send("x")
		}
	}
}

// report gives the verdict, with the faults that belong there.
func (t *talk) report(verdict plugin.Verdict, user string) {
	code := plugin.NoError
	switch t.g.fault { //nolint:exhaustive // only the faults that belong here
	case forgetsComplete:
		return
	case grantsOther:
		user = "root"
	case errorForFailure:
		if verdict == plugin.Failure {
			verdict, code = plugin.Error, plugin.ErrorAuthenticationFailure
		}
	case grantsNobody:
		user = ""
	case reportsNonsense:
		verdict = 7
	case errorWithoutCode:
		verdict = plugin.Error
	case endlessName:
		user = strings.Repeat("x", plugin.UserNameSize)
	case failureUnnamed:
		if verdict == plugin.Failure {
			user = ""
		}
	case onceOnly:
		t.g.mu.Lock()
		if t.g.used {
			verdict = plugin.Failure
		}
		t.g.used = true
		t.g.mu.Unlock()
	}
	msg := plugin.NewMessage(t.b.HPort, verdict, code, user, "")
	if t.g.fault == endlessDomain {
		copy(msg.Domain[:], strings.Repeat("x", len(msg.Domain)))
	}
	t.g.mu.Lock()
	if _, open := t.g.open[t.b.HPort]; open {
		t.g.last[t.b.HPort] = msg
	}
	t.g.mu.Unlock()
	t.b.Complete(msg)
}

// gone is for a caller who has hung up or fallen silent.
func (t *talk) gone(ctx context.Context) {
	switch t.g.fault { //nolint:exhaustive // only the faults that belong here
	case grantsAfterDrop, grantsSilence:
		t.b.Complete(plugin.NewMessage(t.b.HPort, plugin.Success, plugin.NoError, "errrr", ""))
	case callsLate:
		<-ctx.Done()
		for range 100 {
			t.send("x")
		}
	case leaksWorker:
		<-t.g.life.Done()
	}
}

// ask sends a prompt and reads a line.
func (t *talk) ask(ctx context.Context, prompt string, secret bool) (string, bool) {
	if t.g.fault == flushesInput {
		t.flush(ctx)
	}
	t.send(prompt)
	line := t.line[:0]
	if t.g.fault == mixesCallers {
		t.g.mu.Lock()
		t.g.shared = t.g.shared[:0]
		t.g.mu.Unlock()
	}
	for {
		c, ok := t.key(ctx, t.patience())
		switch {
		case !ok:
			return "", false
		case t.g.fault == panicsOnNoise && c >= 0x80:
			panic("noise")
		case t.g.fault == grantsNoise && c >= 0x80:
			t.report(plugin.Success, "user0")
			return "", false
		case c == '\r' && t.g.fault == mixesCallers:
			t.g.mu.Lock()
			defer t.g.mu.Unlock()
			return string(t.g.shared), true
		case c == '\r':
			return string(line), true
		case t.g.fault == mixesCallers:
			t.g.mu.Lock()
			t.g.shared = append(t.g.shared, c)
			t.g.mu.Unlock()
		case t.g.fault == keepsLine || len(line) < cap(t.line):
			line = append(line, c)
		}
		if secret && t.g.fault == echoesSecret {
			t.send(string(c))
		}
	}
}

// patience is how long a key may take, in seconds.
func (t *talk) patience() uint32 {
	if t.g.fault == grantsSilence {
		return 60
	}
	return 0
}

// flush throws away what the caller has typed ahead.
func (t *talk) flush(ctx context.Context) {
	for {
		if _, ok := t.key(ctx, 1); !ok {
			return
		}
	}
}

// key receives one byte; timeout is in seconds, 0 is for ever.
func (t *talk) key(ctx context.Context, timeout uint32) (byte, bool) {
	n := uint16(1)
	ev := plugin.NewEvent(false)
	defer ev.Close()
	if t.b.Host.DialogReceive(t.b.HPort, t.b.RecvBuf, &n, timeout, ev) != plugin.Pending || ev.Wait(ctx) != nil {
		return 0, false
	}
	var info plugin.SecurityInfo
	if t.b.Host.DialogGetInfo(t.b.HPort, &info) != plugin.NoError || info.LastError != plugin.NoError || info.BytesReceived == 0 {
		return 0, false
	}
	return t.b.RecvBuf[0], true
}

func (t *talk) send(text string) {
	_ = t.b.Host.DialogSend(t.b.HPort, t.b.SendBuf[:copy(t.b.SendBuf, text)])
}

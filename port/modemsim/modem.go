// Package modemsim is a virtual Hayes modem. Its DTE side speaks AT commands on any io.ReadWriteCloser, usually the master of a pty;
// its telephone side is driven from Go: Dial rings it and gives the caller's end of the connection. `sim:` devices, the demo, the
// benchmark and the tests use it.
package modemsim

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"
)

// The errors of the telephone side.
var (
	// ErrOff: the modem is not running.
	ErrOff = errors.New("modemsim: the modem is switched off")
	// ErrBusy: the modem is off the hook or ringing already.
	ErrBusy = errors.New("modemsim: busy")
	// ErrNoAnswer: the caller gave up, or the modem did.
	ErrNoAnswer = errors.New("modemsim: no answer")
	// ErrRunning: Run was called twice.
	ErrRunning = errors.New("modemsim: the modem is running already")
)

// Timing holds the modem's delays. Zero is none: everything happens at once, as tests and benchmarks want it.
type Timing struct {
	// Ring is the time from one RING to the next. With 0 all of a call's rings come at once.
	Ring time.Duration
	// CallerID is the time from the first RING to the caller id, at most Ring.
	CallerID time.Duration
	// Connect is the time from ATA, or the answer of the far end, to CONNECT. A byte from the host meanwhile ends the attempt.
	Connect time.Duration
	// Command is the time from a command's CR to its result.
	Command time.Duration
	// DTR is how long DTR must be low, or the pty closed, to be noticed (S25).
	DTR time.Duration
	// Chunk is kept between two writes to the host.
	Chunk time.Duration
}

// Real returns delays as those of a real modem, shortened where they would only bore.
func Real() Timing {
	return Timing{
		Ring: 6 * time.Second, CallerID: 2500 * time.Millisecond, Connect: 3 * time.Second,
		Command: 20 * time.Millisecond, DTR: 50 * time.Millisecond,
	}
}

// Options describe a virtual modem. The zero value is a modem without delays, that knows the V.250 commands and caller id.
type Options struct {
	Timing Timing
	// Connect is the text after CONNECT for calls that name none. "" is 28800/ARQ/V34/LAPM/V42BIS; "-" a bare CONNECT.
	Connect string
	// Split is the most that is written to the host at once, in bytes; 0 is no limit.
	Split int
	// Identity holds the answers to I0 to I9 and +GMI, +GMM, +GMR, +FMI, +FMM and +FMR, by that name. Those not given have defaults.
	Identity map[string]string
	// Stored are commands that the modem has stored as its own defaults (what &W does), such as "E0Q1". "" is factory settings.
	Stored string
	// OnDial answers dial-out. It gets the number and the far end, runs on a goroutine of its own, and returns the result line:
	// "CONNECT", with a text or without, or BUSY, NO ANSWER and so on. The far end belongs to it. nil: NO DIALTONE. It must
	// return when call.Done is closed: the host gave up.
	OnDial func(number string, call *FarCall) string
	// OnSignals is told each change of the control signals, in order. It must not call the modem and must not block.
	OnSignals func(Signals)
	// OnCommand is told each command line before it is executed, with its AT. It must not block; it may call SetFaults.
	OnCommand func(line string)
	// Faults are the faults at the start.
	Faults Faults

	family *family // what Personality read; nil takes everything customary
}

// Faults are the ways in which a modem misbehaves. The zero value is none.
type Faults struct {
	// Wedged: it takes bytes and does nothing with them, sends nothing and hears no DTR, until SetFaults frees it.
	Wedged bool
	// Mute: commands are executed, but no result and no RING is said any more.
	Mute bool
	// MuteAfter: so many more commands are answered, then Mute sets in; 0 is never.
	MuteAfter int
	// LoseOK: so many OK results are not sent.
	LoseOK int
	// Numeric: results are numbers whatever V says.
	Numeric bool
	// Noise comes before every result.
	Noise []byte
	// RingInCommand: so many commands get a RING before their result.
	RingInCommand int
	// Reject names the commands that get ERROR, such as "X4" or "+MR=1".
	Reject []string
	// OKBeforeConnect: ATA gets OK before CONNECT.
	OKBeforeConnect bool
	// SilentHangup: the loss of the far end is shown by DCD alone, without NO CARRIER. With StuckDCD not even so.
	SilentHangup bool
	// StuckDCD: DCD never drops.
	StuckDCD bool
	// DeafToDTR: neither DTR nor a closed pty is noticed.
	DeafToDTR bool
	// DeafToRTS: it sends although RTS is off.
	DeafToRTS bool
	// Off: switched off. As Wedged, with DSR, CTS and DCD low.
	Off bool
	// HoldCTS: CTS is low. A host that obeys it cannot send.
	HoldCTS bool
	// Slow is added to the time of each command.
	Slow time.Duration
	// Babble is sent unasked, again and again, and so are Burst random bytes as a bad line makes them, Every so often; 0 is 10 ms.
	Babble []byte
	Burst  int
	Every  time.Duration
	// Echo: every byte from the host comes back, and nothing else is done with it; as a terminal or another getty would.
	Echo bool
	// TIES: +++AT and a carriage return in data are obeyed without silence around them, unless S2 is over 127.
	TIES bool
	// DieAnswering and DieConnected: it wedges behind ATA, or behind CONNECT. Only SetFaults and Plug free it.
	DieAnswering, DieConnected bool
}

// mode is what bytes from the host mean.
type mode int

const (
	commandMode mode = iota
	handshakeMode
	dataMode
)

// Modem is one virtual modem. Make it with New, start it with Run. Its methods may be called from any goroutine. Without a call it
// keeps no goroutine but the one in Run, blocked in Read, and no timer.
type Modem struct {
	opts Options

	mu     sync.Mutex
	cond   sync.Cond // everything that changes below
	rw     io.ReadWriteCloser
	ctx    context.Context
	faults Faults
	dte    dte
	out    output

	mode    mode
	call    *FarCall // connected, or in the handshake
	ring    *FarCall // ringing
	carrier bool     // the far end is heard
	signals Signals
	dead    bool        // wedged by DieAnswering or DieConnected
	absent  bool        // unplugged
	dtrLow  bool        // DTR is off
	rtsLow  bool        // RTS is off
	closed  bool        // the host has the pty closed
	dtr     *time.Timer // DTR is low, not yet noticed
	shake   *time.Timer // until CONNECT
	esc     escape
	ties    ties
	babble  *time.Timer // until the next babble
	noise   *rand.Rand

	deafUntil time.Time // after a reset
	speedLost bool      // after a reset, until an A is heard: what is said is not understood
	lastLink  link      // of the last call
	lastCause string    // why it ended, "" when nothing is known: dtr, carrier, command
}

// New returns a modem that is switched off: Run switches it on.
func New(o Options) *Modem {
	m := &Modem{opts: o, faults: o.Faults}
	m.cond.L = &m.mu
	m.dte.family = o.family
	m.dte.reset(o.Stored)
	m.signals = m.signalsNow()
	return m
}

// SetFaults replaces the faults.
func (m *Modem) SetFaults(f Faults) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.faults, m.dead = f, false
	m.signal()
	m.startBabble()
	if m.dtrLow && m.dtr == nil {
		m.dtrDropped() // it sees now what it did not see before
	}
	m.cond.Broadcast()
}

// stuck says that the modem does nothing at all.
func (m *Modem) stuck() bool { return m.faults.Wedged || m.faults.Off || m.dead }

// Direct says that this is no modem but a cable, or a radio: it understands no command, and carrier alone makes a call.
func (m *Modem) Direct() bool { return m.direct() }

// direct is Direct for the package itself.
func (m *Modem) direct() bool { return m.opts.family != nil && m.opts.family.Direct }

// hangUp ends the call from our side. What the far end sent and the host has not got is lost; result follows if there was a call.
func (m *Modem) hangUp(result string) {
	c := m.call
	if c == nil {
		return
	}
	m.over(c)
	m.out.discard(m.rw)
	m.result(result)
}

// over ends a call for both sides.
func (m *Modem) over(c *FarCall) {
	if c.state == callOver {
		return
	}
	c.state = callOver
	close(c.done)
	if m.ring == c {
		m.ring = nil
		m.ringing(false)
	}
	if m.call == c {
		m.call, m.mode = nil, commandMode
		m.dte.line = m.dte.line[:0]
		m.esc.stop()
		m.ties.stop()
		if m.shake != nil {
			m.shake.Stop()
			m.shake = nil
		}
		m.carrier = false
		m.signal()
	}
	m.dte.s[1] = 0
	m.cond.Broadcast()
}

// idleBuffer is enough for commands; a call gets a bigger one.
const (
	idleBuffer = 128
	callBuffer = 16 << 10
)

// Run is the modem's power: it serves the DTE side until rw ends or ctx does, and closes rw. It returns nil for both, otherwise
// Read's error. When rw has a method HungUp() bool (PTY), a closed pty is DTR low, and Run waits for it to be opened again; what is
// said meanwhile is lost.
func (m *Modem) Run(ctx context.Context, rw io.ReadWriteCloser) error {
	m.mu.Lock()
	if m.rw != nil || m.absent {
		defer m.mu.Unlock()
		if m.absent {
			return ErrOff
		}
		return ErrRunning
	}
	m.rw, m.ctx = rw, ctx
	m.startBabble()
	m.mu.Unlock()
	stop := context.AfterFunc(ctx, func() { _ = rw.Close() })
	defer stop()
	err := m.read(ctx, rw)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, c := range []*FarCall{m.call, m.ring} {
		if c != nil {
			m.over(c)
		}
	}
	m.setDTRTimerOff()
	m.stopBabble()
	m.out.discard(rw)
	m.rw = nil
	m.cond.Broadcast()
	_ = rw.Close()
	if ctx.Err() != nil || m.absent || errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}

// read is the one goroutine of an idle modem.
func (m *Modem) read(ctx context.Context, rw io.ReadWriteCloser) error {
	hung, canHang := rw.(interface{ HungUp() bool })
	buf := make([]byte, idleBuffer)
	for {
		n, err := rw.Read(buf)
		if n > 0 {
			m.fromHost(buf[:n])
		}
		if err != nil {
			if !canHang || ctx.Err() != nil || !errors.Is(err, syscall.EIO) {
				return err
			}
			if hung.HungUp() { // otherwise it is open again already, and nobody noticed
				m.hostClosed(true)
				waitOpen(ctx, hung.HungUp)
				m.hostClosed(false)
			}
		}
		if n == len(buf) && n == idleBuffer {
			buf = make([]byte, callBuffer)
		} else if len(buf) == callBuffer && !m.inCall() {
			buf = make([]byte, idleBuffer)
		}
	}
}

func (m *Modem) inCall() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.call != nil
}

func (m *Modem) hostClosed(closed bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.closed = closed
	if closed {
		m.out.discard(m.rw)
		for m.out.writing {
			m.cond.Wait()
		}
		if f, ok := m.rw.(interface{ Flush() }); ok {
			f.Flush() // a closed tty keeps nothing of what was received
		}
	}
	m.setDTR(!closed)
}

// fromHost takes bytes from the host; it blocks while the far end of a call does not read.
func (m *Modem) fromHost(b []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(b) > 0 {
		switch {
		case m.stuck():
			return
		case m.faults.Echo:
			m.out.echo(m, b)
			return
		case m.direct() && m.mode != dataMode:
			return
		case m.mode == dataMode:
			m.watchEscape(b)
			m.call.deliver(b)
			m.watchTIES(b)
			return
		case m.mode == handshakeMode && b[0] != '\n':
			m.hangUp("NO CARRIER")
			return
		}
		m.key(b[0])
		b = b[1:]
	}
}

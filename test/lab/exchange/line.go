package exchange

import (
	"context"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"rashost/port/modemsim"
)

// Line is one line of the exchange.
type Line struct {
	Number string
	// Modem is nil on a wire.
	Modem *modemsim.Modem

	x               *Exchange
	modem, computer *os.File // the two ends; the computer's stays open, so that the modem sees no hang-up but DTR's
	at              int64    // of its record
	last            DTE      // look's

	sent, received atomic.Int64 // bytes to and from the computer

	mu  sync.Mutex
	far *modemsim.FarCall // the last call that another line made to this one
}

// DTE is what the computer does with the line.
type DTE struct {
	DTR, RTS bool
	// Drops counts how often DTR fell, Breaks the breaks that came.
	Drops, Breaks uint32
	// Frame is speed and frame, such as "1200 7E1".
	Frame string
}

// Computer is the end for QEMU's "-chardev serial". It belongs to the exchange.
func (l *Line) Computer() *os.File { return l.computer }

// DTE returns what the computer does with the line now.
func (l *Line) DTE() DTE {
	bits := l.read(fieldDTE)
	return DTE{bits&unix.TIOCM_DTR != 0, bits&unix.TIOCM_RTS != 0, l.read(fieldDrops), l.read(fieldBreaks), frame(l.read(fieldFrame))}
}

// Set sets the control signals of a wire.
func (l *Line) Set(s modemsim.Signals) { l.set(s) }

// Read reads what the computer sends on a wire.
func (l *Line) Read(p []byte) (int, error) { return l.modem.Read(p) }

// Write sends to the computer on a wire.
func (l *Line) Write(p []byte) (int, error) { return l.modem.Write(p) }

// SetReadDeadline limits Read on a wire.
func (l *Line) SetReadDeadline(t time.Time) error { return l.modem.SetReadDeadline(t) }

// Dial calls the line's modem from outside.
func (l *Line) Dial(ctx context.Context, o modemsim.DialOptions) (*modemsim.FarCall, error) {
	return l.Modem.Dial(ctx, o)
}

// Cut breaks the connection of a call that another line made to this one: both modems lose their carrier.
func (l *Line) Cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.far != nil {
		_ = l.far.Close()
	}
}

// Unplug is what the modem sees when the adapter between it and the computer is pulled out: DTR falls.
func (l *Line) Unplug() { l.write(fieldDTE, 0) }

// look tells the modem and the log what changed.
func (l *Line) look() {
	now := l.DTE()
	if now == l.last {
		return
	}
	if l.Modem != nil && now.DTR != l.last.DTR {
		l.Modem.SetDTR(now.DTR)
	}
	l.x.log("%s the computer: %+v", l.Number, now)
	l.last = now
}

func (l *Line) set(s modemsim.Signals) {
	var bits uint32
	for bit, on := range map[uint32]bool{unix.TIOCM_CTS: s.CTS, unix.TIOCM_DSR: s.DSR, unix.TIOCM_CAR: s.DCD, unix.TIOCM_RNG: s.RI} {
		if on {
			bits |= bit
		}
	}
	l.write(fieldDCE, bits)
	l.x.log("%s the line: %+v; %d bytes to the computer, %d from it", l.Number, s, l.sent.Load(), l.received.Load())
}

func (l *Line) read(field int64) uint32 {
	var b [4]byte
	if _, err := l.x.shared.ReadAt(b[:], l.at+field); err != nil {
		return 0
	}
	return order.Uint32(b[:])
}

func (l *Line) write(field int64, v uint32) {
	var b [4]byte
	order.PutUint32(b[:], v)
	_, _ = l.x.shared.WriteAt(b[:], l.at+field) // it is memory
}

// modemEnd is the line as a modem has it: what is sent while the computer has closed its port is lost, as without a UART's listener.
type modemEnd struct{ l *Line }

func (e modemEnd) Close() error                       { return e.l.modem.Close() }
func (e modemEnd) SetWriteDeadline(t time.Time) error { return e.l.modem.SetWriteDeadline(t) }
func (e modemEnd) Read(p []byte) (int, error) {
	n, err := e.l.modem.Read(p)
	e.l.received.Add(int64(n))
	e.l.x.trace("%s %6d from the computer: %q", e.l.Number, n, p[:n])
	return n, err
}
func (e modemEnd) Write(p []byte) (int, error) {
	if e.l.read(fieldDTE) == 0 {
		return len(p), nil
	}
	n, err := e.l.modem.Write(p)
	e.l.sent.Add(int64(n))
	e.l.x.trace("%s %6d to the computer: %q", e.l.Number, n, p[:n])
	return n, err
}

// speeds are the bits of c_cflag that stand for a speed.
var speeds = map[uint32]int{
	unix.B50: 50, unix.B75: 75, unix.B110: 110, unix.B134: 134, unix.B150: 150, unix.B200: 200, unix.B300: 300, unix.B600: 600,
	unix.B1200: 1200, unix.B1800: 1800, unix.B2400: 2400, unix.B4800: 4800, unix.B9600: 9600, unix.B19200: 19200, unix.B38400: 38400,
	unix.B57600: 57600, unix.B115200: 115200, unix.B230400: 230400,
}

// frame says speed, bits, parity and stop bits of c_cflag; "" before it was set.
func frame(c uint32) string {
	if c == 0 {
		return ""
	}
	parity, stop := "N", 1
	switch {
	case c&unix.PARENB != 0 && c&unix.PARODD != 0:
		parity = "O"
	case c&unix.PARENB != 0:
		parity = "E"
	}
	if c&unix.CSTOPB != 0 {
		stop = 2
	}
	bits := map[uint32]int{unix.CS5: 5, unix.CS6: 6, unix.CS7: 7, unix.CS8: 8}[c&unix.CSIZE]
	return fmt.Sprintf("%d %d%s%d", speeds[c&(unix.CBAUD|unix.CBAUDEX)], bits, parity, stop)
}

// Package exchange is the telephone exchange of the laboratory: virtual modems on sockets whose control signals are real for QEMU, which
// signals.so lets see them, and numbers that they can call each other by. A line may also be a bare wire, for direct lines.
package exchange

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"rashost/port/modemsim"
)

// The shared memory has a record for each line, of these uint32 fields in the machine's order; signals.c has the same.
const (
	fieldInode = iota * 4
	fieldDCE
	fieldDTE
	fieldBreaks
	fieldFrame
	fieldDrops
	recordSize = 32
	records    = 256
)

// look is how often the exchange looks at DTR. QEMU's UART looks at our signals every 10 ms.
const look = 5 * time.Millisecond

// Exchange holds lines. Close ends it.
type Exchange struct {
	shared *os.File
	log    func(format string, args ...any)
	trace  func(format string, args ...any)
	ctx    context.Context
	cancel context.CancelFunc
	tasks  sync.WaitGroup

	mu    sync.Mutex
	lines map[string]*Line
}

// New returns an exchange without lines. log is told what happens on them, and must not block; nil is nobody. With LAB_TRACE in the
// environment it is told every byte, too.
func New(log func(format string, args ...any)) (*Exchange, error) {
	fd, err := unix.MemfdCreate("control signals", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	shared := os.NewFile(uintptr(fd), "control signals")
	if err := shared.Truncate(records * recordSize); err != nil {
		shared.Close()
		return nil, err
	}
	if log == nil {
		log = func(string, ...any) {}
	}
	x := &Exchange{shared: shared, log: log, trace: func(string, ...any) {}, lines: map[string]*Line{}}
	if os.Getenv("LAB_TRACE") != "" {
		x.trace = log
	}
	x.ctx, x.cancel = context.WithCancel(context.Background())
	x.tasks.Go(x.watch)
	return x, nil
}

// Signals is the memory that QEMU shares. It belongs to the exchange.
func (x *Exchange) Signals() *os.File { return x.shared }

// Close switches every modem off.
func (x *Exchange) Close() error {
	x.cancel()
	x.mu.Lock()
	for _, l := range x.lines {
		l.modem.Close()
		l.computer.Close()
	}
	x.mu.Unlock()
	x.tasks.Wait()
	return x.shared.Close()
}

// Modem adds a line with a modem, which has that number and calls the others by theirs.
func (x *Exchange) Modem(number string, o modemsim.Options) (*Line, error) {
	l, err := x.line(number)
	if err != nil {
		return nil, err
	}
	o.OnSignals = l.set
	o.OnCommand = func(line string) { x.log("%s %s", number, line) }
	o.OnDial = func(to string, call *modemsim.FarCall) string { return x.dial(number, to, call) }
	l.Modem = modemsim.New(o)
	l.Modem.SetDTR(false)
	l.set(l.Modem.Signals())
	x.tasks.Go(func() {
		if err := l.Modem.Run(x.ctx, modemEnd{l}); err != nil && x.ctx.Err() == nil {
			x.log("%s the modem ended: %v", number, err)
		}
	})
	return l, nil
}

// Wire adds a line without a modem: who calls Set, Read and Write is the far end.
func (x *Exchange) Wire(name string) (*Line, error) {
	l, err := x.line(name)
	if err == nil {
		l.Set(modemsim.Signals{CTS: true})
	}
	return l, err
}

// Line returns the line of that number, nil when there is none.
func (x *Exchange) Line(number string) *Line {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.lines[number]
}

// line makes a line with its record.
func (x *Exchange) line(number string) (*Line, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if len(x.lines) >= records {
		return nil, fmt.Errorf("%s: more than %d lines", number, records)
	}
	l := &Line{Number: number, x: x, at: int64(len(x.lines)) * recordSize}
	var inode uint32
	var err error
	if l.modem, l.computer, inode, err = wire(); err != nil {
		return nil, err
	}
	l.write(fieldInode, inode)
	x.lines[number] = l
	return l, nil
}

// buffer is about what is under way in one direction of a line, in bytes with what the kernel needs for each piece.
const buffer = 16 << 10

// wire returns the two ends of a line, and the inode of the computer's. They are sockets, not a pty, because nobody else can open a
// socket. A pty has a name, which was perhaps another's just now: a host that still waits for that device would talk to our modem.
func wire() (modem, computer *os.File, inode uint32, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return nil, nil, 0, os.NewSyscallError("socketpair", err)
	}
	for _, fd := range fds {
		_ = unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_SNDBUF, buffer) // it only bounds what is lost
	}
	modem, computer = os.NewFile(uintptr(fds[0]), "modem"), os.NewFile(uintptr(fds[1]), "computer")
	var stat unix.Stat_t
	if err := unix.Fstat(fds[1], &stat); err != nil {
		modem.Close()
		computer.Close()
		return nil, nil, 0, os.NewSyscallError("fstat", err)
	}
	return modem, computer, uint32(stat.Ino), nil
}

// watch tells each modem its DTR.
func (x *Exchange) watch() {
	tick := time.NewTicker(look)
	defer tick.Stop()
	for {
		select {
		case <-x.ctx.Done():
			return
		case <-tick.C:
		}
		x.mu.Lock()
		for _, l := range x.lines {
			l.look()
		}
		x.mu.Unlock()
	}
}

// dial connects a call from one line to another and returns what the caller's modem says.
func (x *Exchange) dial(from, to string, caller *modemsim.FarCall) string {
	called := x.Line(to)
	if called == nil || called.Modem == nil || from == to {
		return "NO CARRIER"
	}
	ctx, cancel := context.WithCancel(x.ctx)
	defer cancel()
	go func() {
		select {
		case <-caller.Done():
			cancel()
		case <-ctx.Done():
		}
	}()
	answerer, err := called.Modem.Dial(ctx, modemsim.DialOptions{Number: from, Called: to})
	switch {
	case errors.Is(err, modemsim.ErrBusy):
		return "BUSY"
	case err != nil:
		return "NO ANSWER"
	}
	x.log("%s is connected with %s", from, to)
	x.join(caller, answerer)
	called.mu.Lock()
	called.far = answerer
	called.mu.Unlock()
	return "CONNECT 33600"
}

// join carries a call until one side hangs up, or the exchange ends.
func (x *Exchange) join(a, b *modemsim.FarCall) {
	carry := func(to, from *modemsim.FarCall) {
		stop := context.AfterFunc(x.ctx, func() { _ = from.Close() })
		defer stop()
		_, _ = io.Copy(to, from)
		_ = to.Close()
	}
	x.tasks.Go(func() { carry(a, b) })
	x.tasks.Go(func() { carry(b, a) })
}

// order is the byte order of the shared memory.
var order = binary.NativeEndian

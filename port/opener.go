package port

import (
	"context"
	"strings"
	"time"

	"rashost/port/modemsim"
)

// NewOpener returns the opener for a device as configuration writes it: "sim:NAME" is a virtual modem that nobody calls
// (NewSimOpener has one that can be called), "pty:PATH" a new pty whose other end is linked at PATH, anything else the path of a
// tty. Nothing is opened yet.
func NewOpener(device string, s Settings, lock ...LockOptions) Opener {
	var o LockOptions
	if len(lock) > 0 {
		o = lock[0]
	}
	locks := newLocker(o)
	if path, ok := strings.CutPrefix(device, "pty:"); ok {
		return &ptyOpener{path: path, settings: s, log: locks.log}
	}
	if name, ok := strings.CutPrefix(device, "sim:"); ok {
		return NewSimOpener(device, modemsim.New(modemsim.Named(name, modemsim.Real())), s, o.Log)
	}
	return &ttyOpener{path: device, settings: s, locks: locks}
}

// Opens in a manager wait for each other, so that a thousand lines that start together do not take a thread each: an open is a
// blocking call. A wedged port keeps its place, so that nobody waits long.
const (
	openAtOnce   = 4
	openPatience = time.Second
)

// inTurn is an Opener that takes a place first.
type inTurn struct {
	Opener
	places chan struct{} // holds openAtOnce
}

// Open implements Opener.
func (o inTurn) Open(ctx context.Context) (Device, error) {
	patience := time.NewTimer(openPatience)
	defer patience.Stop()
	select {
	case o.places <- struct{}{}:
		defer func() { <-o.places }()
	case <-patience.C:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	return o.Opener.Open(ctx)
}

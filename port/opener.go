package port

import (
	"strings"

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
	if strings.HasPrefix(device, "sim:") {
		return NewSimOpener(device, modemsim.New(modemsim.Options{Timing: modemsim.Real()}), s, o.Log)
	}
	return &ttyOpener{path: device, settings: s, locks: locks}
}

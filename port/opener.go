package port

import "strings"

// NewOpener returns the opener for a device as configuration writes it: "sim:NAME" is a virtual modem, "pty:PATH" a new pty whose
// other end is linked at PATH, anything else the path of a tty. Nothing is opened yet.
func NewOpener(device string, s Settings, lock ...LockOptions) Opener {
	var o LockOptions
	if len(lock) > 0 {
		o = lock[0]
	}
	locks := newLocker(o)
	if path, ok := strings.CutPrefix(device, "pty:"); ok {
		return &ptyOpener{path: path, settings: s, log: locks.log}
	}
	return &ttyOpener{path: device, settings: s, locks: locks}
}

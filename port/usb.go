package port

// fitsUSB says that the USB device may be switched off and on.
func (l *line) fitsUSB() bool { return false }

// openAfterUSB switches the USB device off and on while the line's device is closed.
func (l *line) openAfterUSB() { l.openAgain() }

package port

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Bounds of the last step of the ladder.
const (
	usbOff = time.Second    // the device stays off
	usbDay = 24 * time.Hour // LineConfig.USBReset counts in it
)

// usbMemory is what a manager remembers of the USB device of one line's device, also when a reload makes the line anew.
type usbMemory struct {
	tried   []time.Time // in the last day
	useless bool        // the last time did not help: an operator has to act
}

// usbOf lets use see the memory for a device, with what is over a day old forgotten. A line that ends and the one that replaces it share it.
func (m *Manager) usbOf(device string, use func(u *usbMemory)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.usb == nil {
		m.usb = make(map[string]*usbMemory)
	}
	u := m.usb[device]
	if u == nil {
		u = new(usbMemory)
		m.usb[device] = u
	}
	for len(u.tried) > 0 && time.Since(u.tried[0]) > usbDay {
		u.tried = u.tried[1:]
	}
	use(u)
}

// fitsUSB says that the USB device may be switched off and on: the configuration allows it, not too often, and not again when it did
// not help.
func (l *line) fitsUSB() bool {
	if l.cfg.USBReset <= 0 {
		return false
	}
	why := ""
	l.mgr.usbOf(l.cfg.Device, func(u *usbMemory) {
		switch {
		case u.useless:
			why = "not tried again, as it did not help: replug the device, then rashost reset"
		case len(u.tried) >= l.cfg.USBReset:
			why = fmt.Sprintf("not tried: usb_reset allows %d in 24 hours", l.cfg.USBReset)
		}
	})
	if why != "" {
		l.event(EventLadder, "USB device off and on", why)
	}
	return why == ""
}

// openAfterUSB closes the device, switches its USB device off and on, and opens it when it is back.
func (l *line) openAfterUSB() {
	place, err := usbDevice(l.mgr.sysfs, l.cfg.Device)
	if err == nil && l.tty.opening {
		err = errors.New("the last open of the device has not returned")
	}
	if err != nil {
		l.rungOver(err)
		return
	}
	l.mgr.usbOf(l.cfg.Device, func(u *usbMemory) {
		u.tried, u.useless = append(u.tried, time.Now()), true // until it has helped
	})
	l.tty.before = func(ctx context.Context) error { return usbOffAndOn(ctx, place) }
	l.usbWaits = true
	l.openAgain()
}

// usbHelped notes that the line listens after its USB device was switched off and on.
func (l *line) usbHelped() {
	if l.usbWaits {
		l.usbWaits = false
		l.mgr.usbOf(l.cfg.Device, func(u *usbMemory) { u.useless = false })
	}
}

// usbForget lets the step be tried again, because an operator acted.
func (l *line) usbForget() {
	if l.cfg.USBReset > 0 {
		l.mgr.usbOf(l.cfg.Device, func(u *usbMemory) { u.useless = false })
	}
}

// usbDevice finds the folder of the USB device behind a tty in sysfs, mounted at root. It is never a hub.
func usbDevice(root, device string) (string, error) {
	node, err := filepath.EvalSymlinks(device)
	if err != nil {
		return "", err
	}
	place, err := filepath.EvalSymlinks(filepath.Join(root, "class", "tty", filepath.Base(node), "device"))
	if err != nil {
		return "", fmt.Errorf("%s is no USB device: remove usb_reset: %w", device, err)
	}
	top, err := filepath.EvalSymlinks(root)
	if err != nil {
		return "", err
	}
	for ; len(place) > len(top); place = filepath.Dir(place) {
		if _, err := os.Stat(filepath.Join(place, "idVendor")); err != nil {
			continue // an interface, or a port
		}
		class, err := os.ReadFile(filepath.Join(place, "bDeviceClass"))
		if err != nil {
			return "", err
		}
		const hub = "09"
		if strings.TrimSpace(string(class)) == hub || strings.HasPrefix(filepath.Base(place), "usb") {
			return "", fmt.Errorf("%s is a hub: it is never switched off: remove usb_reset", place)
		}
		return place, nil
	}
	return "", fmt.Errorf("%s is no USB device: remove usb_reset", device)
}

// usbOffAndOn takes the authorisation of a USB device away and gives it back. The device is never left without it by us.
func usbOffAndOn(ctx context.Context, place string) error {
	file := filepath.Join(place, "authorized")
	if err := writeSysfs(file, "0"); err != nil {
		return err
	}
	wait := sleepFor(ctx, usbOff)
	return errors.Join(writeSysfs(file, "1"), wait)
}

func writeSysfs(file, text string) error {
	f, err := os.OpenFile(file, os.O_WRONLY, 0)
	if err != nil {
		return sysfsDenied(file, err)
	}
	_, err = f.WriteString(text)
	return errors.Join(err, f.Close())
}

// sysfsDenied adds to an error of missing rights what to do about it.
func sysfsDenied(file string, err error) error {
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, unix.EROFS) {
		return fmt.Errorf("%s may not be written: give the daemon's user that right (docs/operations.md, usb_reset), or remove usb_reset: %w", file, err)
	}
	return err
}

package lab

import (
	"strings"
	"testing"

	"rashost/test/lab/agent"
)

// brltty is what its rules do, in short: an adapter is taken for a braille display by its USB numbers, and the program for it is started,
// by systemd or by udev itself. Not for "add" alone, because udev's database shows what came last, "bind".
const brltty = `ACTION!="remove", SUBSYSTEM=="usb", ENV{DEVTYPE}=="usb_device", ATTR{idVendor}=="0403", ATTR{serial}=="MODEM8", \
  ENV{BRLTTY_BRAILLE_DRIVER}="al", TAG+="systemd", ENV{SYSTEMD_WANTS}+="brltty-device@lab.service", RUN+="/bin/touch ` + brlttyRan + `"
`

const (
	brlttyRules = "/etc/udev/rules.d/85-brltty.rules"
	brlttyRan   = "/tmp/brltty-ran"
	ourRules    = "/etc/udev/rules.d/99-rashost.rules"
)

// Debian's udev reads the two files of hardware/udev: ModemManager is told to keep off an adapter, and brltty does not get it. Without
// the second file it would.
func udevRules(t *testing.T, d *daemon) {
	m := d.m
	must(t, m.call("Write", agent.File{Path: brlttyRules, Data: []byte(brltty)}, new(struct{})))
	replug := func() (tty, usb, ran string) {
		t.Helper()
		_, err := m.Do("udevadm", "control", "--reload")
		must(t, err)
		pull(t, m, 8)
		device := plug(t, m, 8)
		_, err = m.Do("udevadm", "settle", "--timeout=60")
		must(t, err)
		tty, err = m.Do("udevadm", "info", "--query=property", "--name="+device)
		must(t, err)
		usb, err = m.Do("sh", "-c", "udevadm info --query=property --path=$(realpath /sys/class/tty/${0##*/}/device/../..)", device)
		must(t, err)
		ran, err = m.Do("sh", "-c", "ls "+brlttyRan+" 2>/dev/null; rm -f "+brlttyRan)
		must(t, err)
		return tty, usb, ran
	}
	has := func(properties, want string) bool { return strings.Contains("\n"+properties, "\n"+want) }

	tty, usb, ran := replug()
	for what, properties := range map[string]string{"tty": tty, "USB device": usb} {
		if !has(properties, "ID_MM_DEVICE_IGNORE=1\n") || what == "tty" && !has(properties, "ID_MM_PORT_IGNORE=1\n") {
			t.Errorf("ModemManager may open the %s:\n%s", what, properties)
		}
	}
	if has(usb, "SYSTEMD_WANTS=brltty") || has(usb, "BRLTTY_BRAILLE_DRIVER=al") || ran != "" {
		t.Errorf("brltty takes the adapter; it ran: %q\n%s", ran, usb)
	}

	_, err := m.Do("mv", ourRules, "/tmp/")
	must(t, err)
	if _, usb, ran := replug(); !has(usb, "SYSTEMD_WANTS=brltty") || !has(usb, "BRLTTY_BRAILLE_DRIVER=al") || ran == "" {
		t.Errorf("without our rules brltty does not take the adapter, so this proves nothing; it ran: %q\n%s", ran, usb)
	}
	_, err = m.Do("mv", "/tmp/99-rashost.rules", ourRules)
	must(t, err)
	must(t, m.call("Write", agent.File{Path: brlttyRules}, new(struct{})))
	_, err = m.Do("udevadm", "control", "--reload")
	must(t, err)
}

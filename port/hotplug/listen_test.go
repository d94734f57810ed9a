package hotplug

import (
	"errors"
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// The kernel is asked to say once more that a tty exists; its own words come to us.
func TestListen(t *testing.T) {
	l, err := Listen()
	if err != nil {
		t.Skip("NOT POSSIBLE HERE: ", err)
	}
	events, ended := make(chan Event, 1), make(chan error, 1)
	go func() {
		ended <- l.Run(func(e Event) {
			if e.Device == "/dev/tty0" {
				select {
				case events <- e:
				default:
				}
			}
		})
	}()
	if err := os.WriteFile("/sys/class/tty/tty0/uevent", []byte("change"), 0); err != nil {
		_ = l.Close()
		t.Skip("NOT POSSIBLE HERE: no uevent of tty0 can be asked for: ", err)
	}
	select {
	case e := <-events:
		if e.Action != "change" || e.Path != "/devices/virtual/tty/tty0" {
			t.Errorf("%+v", e)
		}
	case <-time.After(time.Minute):
		t.Fatal("no event")
	}
	if err := l.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("after Close: %v", err)
	}
	if err := l.Close(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("a second Close: %v", err)
	}
	if err := l.Run(func(Event) {}); err != nil {
		t.Errorf("Run after Close: %v", err)
	}
}

// Events that a process sends count only when it is root and sends them where udev does.
func TestForgedEvents(t *testing.T) {
	l, err := Listen()
	if err != nil {
		t.Skip("NOT POSSIBLE HERE: ", err)
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = unix.Close(fd) }()
	forged := []string{"ACTION=remove", "DEVPATH=/devices/x", "SUBSYSTEM=tty", "DEVNAME=ttyFORGED"}
	if err := unix.Sendto(fd, kernelEvent(forged...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: kernelGroup}); err != nil {
		_ = l.Close()
		t.Skip("NOT POSSIBLE HERE: only root with CAP_NET_ADMIN can forge an event at all: ", err)
	}
	real := append([]string{"ACTION=add"}, forged[1:]...)
	if err := unix.Sendto(fd, udevEvent(40, 0, real...), 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: udevGroup}); err != nil {
		t.Fatal(err)
	}
	var first Event
	if err := l.Run(func(e Event) {
		if e.Device == "/dev/ttyFORGED" && first == (Event{}) {
			first = e
			_ = l.Close()
		}
	}); err != nil {
		t.Fatal(err)
	}
	if first.Action != Add || !first.Settled {
		t.Errorf("%+v: what came first must be the one that root sent as udev", first)
	}
}

func TestTrusted(t *testing.T) {
	credentials := func(uid uint32) []byte { return unix.UnixCredentials(&unix.Ucred{Pid: 1, Uid: uid}) }
	kernel, udev := &unix.SockaddrNetlink{Groups: kernelGroup}, &unix.SockaddrNetlink{Groups: udevGroup, Pid: 77}
	for _, c := range []struct {
		name    string
		control []byte
		from    unix.Sockaddr
		want    bool
	}{
		{"the kernel", credentials(0), kernel, true},
		{"udev", credentials(0), udev, true},
		{"a process that plays the kernel", credentials(0), &unix.SockaddrNetlink{Groups: kernelGroup, Pid: 77}, false},
		{"another user", credentials(1000), udev, false},
		{"nobody knows who", nil, udev, false},
		{"no netlink address", credentials(0), &unix.SockaddrUnix{}, false},
	} {
		if got := trusted(c.control, c.from); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}

package port

import (
	"os"
	"strings"
	"time"

	"rashost/port/hotplug"
)

// Devices tells when serial devices come and go; it is *hotplug.Listener.
type Devices interface {
	// Run hands each event to tell until Close, then it returns nil. An error means that nothing more will be told.
	Run(tell func(hotplug.Event)) error
	Close() error
}

// watchDevices begins to listen.
func (m *Manager) watchDevices(d Devices) {
	if d == nil {
		return
	}
	m.devices, m.deaf = d, make(chan struct{})
	m.told.Store(true)
	go func() {
		defer close(m.deaf)
		err := d.Run(m.deviceEvent)
		m.told.Store(false)
		if err != nil {
			m.log.Warn("nothing more is heard of devices that come: absent ones are looked for every few seconds", "error", err.Error())
			m.deviceEvent(hotplug.Event{Action: hotplug.Lost})
		}
	}()
}

// ignoreDevices ends what watchDevices began.
func (m *Manager) ignoreDevices() {
	if m.devices == nil {
		return
	}
	_ = m.devices.Close() // a second one is no fault
	<-m.deaf
}

// deviceEvent wakes the absent lines whose device is there now. That one goes needs no event: the kernel hangs it up, and the reader
// hears of it.
func (m *Manager) deviceEvent(e hotplug.Event) {
	if e.Action == hotplug.Remove {
		return
	}
	m.mu.Lock()
	lines := m.lines
	m.mu.Unlock()
	for _, l := range lines {
		if !l.hardware() || l.snap.Load().State != Absent {
			continue
		}
		if _, err := os.Stat(l.given.Device); err != nil && e.Action != hotplug.Lost {
			continue
		}
		m.log.Debug("a device came", "line", l.given.Name, "device", e.Device, "settled", e.Settled)
		go l.tell(evCame, "the device came")
	}
}

// hardware says that the kernel tells when the line's device comes.
func (l *line) hardware() bool {
	name, ok := strings.CutPrefix(l.given.Device, l.mgr.dev)
	return ok && !strings.HasPrefix(name, "pts/") && !strings.HasPrefix(name, "shm/")
}

// absentTime is how long an absent line waits before it looks again by itself.
func (l *line) absentTime() time.Duration {
	if l.mgr.told.Load() && l.hardware() {
		return backoff(l.tries, absentFirst, absentTold)
	}
	return backoff(l.tries, absentFirst, l.cfg.waitMost(absentMost))
}

// whereIsIt tells that a device is back, and where: adapters come back under other names.
func (l *line) whereIsIt() {
	t, node := &l.tty, ""
	if d, ok := t.dev.(interface{ Node() string }); ok {
		node = d.Node()
	}
	what, where := "", "as "+node
	switch {
	case t.node != "" && node != t.node:
		what, where = "moved", where+", before as "+t.node
	case t.absent && l.began:
		what = "back"
	}
	if what != "" && node != "" {
		l.event(EventDevice, what, where)
	}
	t.absent, t.node = false, node
}

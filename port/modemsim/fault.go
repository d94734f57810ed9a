package modemsim

import (
	"math/rand/v2"
	"time"
)

// defaultEvery is how often babble and bursts come where Faults does not say.
const defaultEvery = 10 * time.Millisecond

// startBabble begins to send what nobody asked for, where the faults say so.
func (m *Modem) startBabble() {
	m.stopBabble()
	if len(m.faults.Babble)+m.faults.Burst == 0 || m.rw == nil {
		return
	}
	every := m.faults.Every
	if every <= 0 {
		every = defaultEvery
	}
	var t *time.Timer
	t = time.AfterFunc(every, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.babble == t {
			m.babbleOnce()
			t.Reset(every)
		}
	})
	m.babble = t
}

func (m *Modem) stopBabble() {
	if m.babble != nil {
		m.babble.Stop()
		m.babble = nil
	}
}

// maxBurst bounds one burst, in bytes.
const maxBurst = 1 << 10

func (m *Modem) babbleOnce() {
	m.say(string(m.faults.Babble))
	if m.faults.Burst <= 0 {
		return
	}
	if m.noise == nil {
		m.noise = rand.New(rand.NewPCG(1, 2)) // the same noise every time
	}
	burst := make([]byte, min(m.faults.Burst, maxBurst))
	for i := range burst {
		burst[i] = byte(m.noise.Uint32())
	}
	m.say(string(burst))
}

// Unplug takes the modem away, as pulling its plug does: whoever has it open sees a hang-up, a call ends, and Run returns. Until Plug
// it can't be switched on.
func (m *Modem) Unplug() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unplug()
}

func (m *Modem) unplug() {
	m.absent = true
	if m.rw != nil {
		_ = m.rw.Close()
	}
}

// Plug brings the modem back, as it is after power-on: a wedge that came in a call is gone, and so are settings that were not stored.
func (m *Modem) Plug() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.plug()
}

func (m *Modem) plug() {
	m.absent, m.dead, m.lastCause = false, false, ""
	m.dte.reset(m.opts.Stored)
	m.signal()
}

// Plugged says whether it can be switched on.
func (m *Modem) Plugged() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.absent
}

// Replug takes the modem away and brings it back after d, as one does that restarts by itself.
func (m *Modem) Replug(d time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.replugLocked(d)
}

func (m *Modem) replugLocked(d time.Duration) {
	m.unplug()
	time.AfterFunc(d, m.Plug)
}

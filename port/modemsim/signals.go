package modemsim

import (
	"context"
	"time"
)

// Signals are the control signals that the modem drives, true when on.
type Signals struct {
	CTS, DSR, DCD, RI bool
}

// Signals returns the control signals.
func (m *Modem) Signals() Signals {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.signals
}

// DCD returns the carrier signal.
func (m *Modem) DCD() bool { return m.Signals().DCD }

// SetDTR is the host's DTR. It drops the call, or resets the modem, as &D says. A modem starts with DTR on.
func (m *Modem) SetDTR(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.setDTR(on)
}

func (m *Modem) setDTR(on bool) {
	if on == !m.dtrLow {
		return
	}
	m.dtrLow = !on
	if m.dtr != nil {
		m.dtr.Stop()
		m.dtr = nil
	}
	switch {
	case on:
	case m.dtrTime() > 0:
		m.dtr = time.AfterFunc(m.dtrTime(), func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			if m.dtrLow {
				m.dtrDropped()
			}
		})
	default:
		m.dtrDropped()
	}
}

// dtrTime is how long DTR must be low to be noticed.
func (m *Modem) dtrTime() time.Duration {
	if f := m.opts.family; f != nil {
		return max(m.opts.Timing.DTR, f.DTRTime.Least)
	}
	return m.opts.Timing.DTR
}

func (m *Modem) dtrDropped() {
	if m.stuck() || m.faults.DeafToDTR || m.dte.dtr == 0 {
		return
	}
	if m.dte.dtr == 1 {
		if m.mode == dataMode {
			m.mode = commandMode
			m.result("OK")
		}
		return
	}
	if m.call != nil {
		m.lastCause = "dtr"
	}
	m.hangUp("NO CARRIER")
	if m.resetsOnDTR() {
		m.dte.reset(m.opts.Stored)
		m.signal()
		m.wasReset()
	}
}

// resetsOnDTR says that a drop of DTR also resets: &D3, or the family's own way to say so.
func (m *Modem) resetsOnDTR() bool {
	if f := m.opts.family; f != nil && f.DTRTime.ResetWhen != "" && m.dte.holds(f.DTRTime.ResetWhen, nil) {
		return true
	}
	return m.dte.dtr == 3
}

func (m *Modem) signalsNow() Signals {
	if m.faults.Off {
		return Signals{}
	}
	s := Signals{CTS: !m.faults.HoldCTS, DSR: true, RI: m.signals.RI, DCD: m.signals.DCD}
	if !m.stuck() { // a wedged modem leaves it as it is
		s.DCD = m.carrier || m.dte.dcd == 0 && !m.direct() || m.signals.DCD && m.faults.StuckDCD
	}
	return s
}

// signal sets the control signals as the carrier, &C and the faults want them.
func (m *Modem) signal() {
	now := m.signalsNow()
	if now == m.signals || m.absent { // nobody sees them
		return
	}
	m.signals = now
	m.cond.Broadcast()
	if m.opts.OnSignals != nil {
		m.opts.OnSignals(now)
	}
}

// ringing sets RI.
func (m *Modem) ringing(on bool) {
	if m.signals.RI == on || m.absent || on && m.faults.Off {
		return
	}
	m.signals.RI = on
	if m.opts.OnSignals != nil {
		m.opts.OnSignals(m.signals)
	}
}

// WaitCTS returns when CTS is on, or ctx ends.
func (m *Modem) WaitCTS(ctx context.Context) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	stop := context.AfterFunc(ctx, func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.cond.Broadcast()
	})
	defer stop()
	for !m.signals.CTS && ctx.Err() == nil {
		m.cond.Wait()
	}
	return context.Cause(ctx)
}

func (m *Modem) setDTRTimerOff() {
	if m.dtr != nil {
		m.dtr.Stop()
		m.dtr = nil
	}
	m.dtrLow, m.rtsLow, m.closed = false, false, false
}

package modemsim

import "strings"

// identify says what the modem is.
func (m *Modem) identify(name string) {
	text, ok := m.opts.Identity[name]
	if !ok {
		text = map[string]string{
			"I0": "250", "I3": "rashost virtual modem", "+GMI": "rashost", "+FMI": "rashost", "+GMM": "virtual modem", "+FMM": "virtual modem",
			"+GMR": "1.0", "+FMR": "1.0",
		}[name]
	}
	if text != "" {
		m.info(text)
	}
}

// drop hangs up without a result of its own.
func (m *Modem) drop() {
	if m.call != nil {
		m.lastCause = "command"
		m.over(m.call)
		m.out.discard(m.rw)
	}
}

// offHook is ATA. Without a ring there is nothing to answer.
func (m *Modem) offHook() string {
	if m.ring == nil {
		return "NO CARRIER"
	}
	m.answer()
	return ""
}

// online is ATO: back from command mode to the call.
func (m *Modem) online() string {
	if m.call == nil || m.call.state != callConnected {
		return "NO CARRIER"
	}
	m.result(m.connectText(m.call.o.Connect))
	m.mode = dataMode
	m.esc.begin()
	m.cond.Broadcast()
	return ""
}

// dial is ATD: OnDial decides what comes of it.
func (m *Modem) dial(number string) string {
	number = strings.TrimLeft(strings.TrimSuffix(number, ";"), "TPtp ")
	switch {
	case m.call != nil:
		return "ERROR"
	case m.ring != nil, m.opts.OnDial == nil:
		return "NO DIALTONE"
	}
	c := &FarCall{m: m, done: make(chan struct{})}
	m.call = c
	c.state, m.mode = callHandshake, handshakeMode
	go func() {
		result := m.opts.OnDial(number, c)
		m.mu.Lock()
		defer m.mu.Unlock()
		text, ok := strings.CutPrefix(result, "CONNECT")
		switch {
		case c.state != callHandshake:
		case !ok:
			m.over(c)
			m.result(result)
		default:
			if c.o.Connect = strings.TrimSpace(text); c.o.Connect == "" {
				c.o.Connect = "-"
			}
			m.handshake(c, func() { m.connected(c) })
		}
	}()
	return ""
}

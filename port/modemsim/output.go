package modemsim

import (
	"io"
	"time"
)

// maxOut is how much waits for the host, in bytes. The far end of a call waits beyond it; what the modem itself says is lost.
const maxOut = 32 << 10

// output is what waits to be written to the host. A goroutine drains it, and exists only while there is something to drain.
type output struct {
	buf     []byte
	pumping bool
	writing bool   // rw.Write is in progress
	kicked  bool   // and was stopped by a deadline
	gen     uint64 // counts discards
}

// discard drops what waits, also what is being written if rw has a write deadline.
func (o *output) discard(rw io.ReadWriteCloser) {
	o.buf = nil
	o.gen++
	if d, ok := rw.(interface{ SetWriteDeadline(time.Time) error }); ok && o.writing && !o.kicked {
		o.kicked = d.SetWriteDeadline(time.Unix(1, 0)) == nil
	}
}

// say queues text from the modem itself.
func (m *Modem) say(text string) {
	if m.rw == nil || m.closed || m.stuck() || len(m.out.buf)+len(text) > 2*maxOut {
		return
	}
	m.out.buf = append(m.out.buf, text...)
	if m.speedLost {
		garble(m.out.buf[len(m.out.buf)-len(text):])
	}
	m.pump()
}

// garble makes of text what a host hears at another speed: bytes that are no letters and no line ends.
func garble(b []byte) {
	for i := range b {
		b[i] = b[i]<<1&0x1e | 0xe0
	}
}

// echo queues data that the far end sends back; what finds no room is lost.
func (o *output) echo(m *Modem, b []byte) {
	if len(o.buf)+len(b) <= maxOut && !m.closed {
		o.buf = append(o.buf, b...)
		m.pump()
	}
}

func (m *Modem) pump() {
	if !m.out.pumping && !m.held() {
		m.out.pumping = true
		go m.drain()
	}
}

// drain writes until nothing waits.
func (m *Modem) drain() {
	var chunk []byte
	m.mu.Lock()
	defer m.mu.Unlock()
	o := &m.out
	for len(o.buf) > 0 && m.rw != nil && !m.held() {
		rw, gen := m.rw, o.gen
		n := min(len(o.buf), callBuffer)
		if m.opts.Split > 0 {
			n = min(n, m.opts.Split)
		}
		chunk = append(chunk[:0], o.buf[:n]...)
		o.buf = o.buf[n:]
		o.writing = true
		m.mu.Unlock()
		_, _ = rw.Write(chunk) // an error is a closed pty, which the reader sees too
		m.mu.Lock()
		o.writing = false
		if o.kicked {
			o.kicked = false
			if d, ok := rw.(interface{ SetWriteDeadline(time.Time) error }); ok {
				_ = d.SetWriteDeadline(time.Time{})
			}
		}
		m.cond.Broadcast()
		if d := m.opts.Timing.Chunk; d > 0 && o.gen == gen && len(o.buf) > 0 {
			m.mu.Unlock()
			time.Sleep(d)
			m.mu.Lock()
		}
	}
	o.pumping = false
	if len(o.buf) == 0 || m.rw == nil {
		o.buf = nil
	}
	m.cond.Broadcast()
}

// held says that the host's RTS keeps what waits.
func (m *Modem) held() bool { return m.rtsLow && !m.faults.DeafToRTS }

// SetRTS is the host's RTS: while it is off, nothing is sent. A modem starts with RTS on.
func (m *Modem) SetRTS(on bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.rtsLow = !on
	if len(m.out.buf) > 0 && !m.held() {
		m.pump()
	}
}

// codes are the numeric forms of the results.
var codes = map[string]string{
	"OK": "0", "CONNECT": "1", "RING": "2", "NO CARRIER": "3", "ERROR": "4", "NO DIALTONE": "6", "BUSY": "7", "NO ANSWER": "8",
}

// result says one result code, in the form that V, Q and X ask for, and with the faults that are set.
func (m *Modem) result(text string) {
	f := &m.faults
	if m.dte.quiet || f.Mute || m.direct() {
		return
	}
	if text == "OK" && f.LoseOK > 0 {
		f.LoseOK--
		return
	}
	m.say(string(f.Noise))
	cr, lf := string(m.dte.s[3]), string(m.dte.s[4])
	word := text
	if len(text) > 7 && text[:7] == "CONNECT" {
		word = "CONNECT"
	}
	if m.dte.x == 0 {
		text = word
	}
	if m.dte.numeric || f.Numeric {
		code, ok := m.opts.family.code(text)
		if !ok {
			code, ok = codes[word]
		}
		if ok {
			m.say(code + cr)
			return
		}
	}
	m.say(cr + lf + text + cr + lf)
}

// info says a line of information.
func (m *Modem) info(text string) {
	if m.faults.Mute || m.direct() {
		return
	}
	cr, lf := string(m.dte.s[3]), string(m.dte.s[4])
	if m.dte.numeric {
		m.say(text + cr + lf)
		return
	}
	m.say(cr + lf + text + cr + lf)
}

package modemsim

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// idPosition says when the caller id comes: before the first ring, between the first two, before every ring, or with every ring.
func (m *Modem) idPosition(c *FarCall) string {
	f := m.opts.family
	switch {
	case c.o.IDFirst:
		return "before"
	case f == nil || f.CallerID.Position == "":
		return "between"
	case f.CallerID.BeforeWhen != "" && m.dte.holds(f.CallerID.BeforeWhen, nil):
		return "before"
	}
	return f.CallerID.Position
}

// ringText is what is said for RING.
func (m *Modem) ringText(c *FarCall) string {
	if c.o.RingText != "" {
		return c.o.RingText
	}
	if f := m.opts.family; f != nil {
		if text, ok := m.dte.phrase(f.Ring, m.caller(c)); ok {
			return text
		}
		return "RING"
	}
	if c.o.Ring != "" {
		return "RING " + c.o.Ring
	}
	return "RING"
}

// sayCadence reports how the telephone rang, where the host asked for it.
func (m *Modem) sayCadence(c *FarCall) {
	f := m.opts.family
	if f == nil && !m.dte.on("+VDR") {
		return
	}
	for i, d := range c.o.Cadence {
		part, length := "on", strconv.Itoa(int(d/(100*time.Millisecond)))
		if i%2 == 1 {
			part = "off"
		}
		if f == nil {
			m.info(map[string]string{"on": "DRON=", "off": "DROF="}[part] + length)
			continue
		}
		for _, l := range m.dte.phrases(f.CallerID.Cadence, map[string]string{part: length}) {
			m.info(l)
		}
	}
}

// sayCallerID sends the caller id where it was asked for.
func (m *Modem) sayCallerID(c *FarCall) {
	f := m.opts.family
	if m.stuck() || f == nil && m.dte.callerID == 0 {
		return
	}
	lines := c.o.Lines
	switch {
	case lines != nil || c.o.Number+c.o.Name+c.o.Called == "":
	case f != nil:
		lines = m.dte.phrases(f.CallerID.Lines, m.caller(c))
	case m.dte.callerID == 2:
		lines = []string{"MESG = " + mdmf(c.o, c.o.when())}
	default:
		lines = append(lines, "DATE = "+c.o.when().Format("0102"), "TIME = "+c.o.when().Format("1504"))
		for _, f := range [][2]string{{"NMBR", c.o.Number}, {"NAME", c.o.Name}, {"DDN_NMBR", c.o.Called}} {
			if f[1] != "" {
				lines = append(lines, f[0]+" = "+f[1])
			}
		}
	}
	for _, l := range lines {
		m.info(l)
	}
}

func (o DialOptions) when() time.Time {
	if o.When.IsZero() {
		return time.Now()
	}
	return o.When
}

// caller are the placeholders that a call fills. withheld and out_of_area are 1 when the number is.
func (m *Modem) caller(c *FarCall) map[string]string {
	o, id, when := c.o, m.opts.family.CallerID, c.o.when()
	v := map[string]string{
		"number": o.Number, "name": o.Name, "called": o.Called, "ring": o.Ring, "date": when.Format("0102"), "time": when.Format("1504"),
		"date_dash": when.Format("01-02"), "time_colon": when.Format("15:04"),
		"mdmf": mdmf(o, when), "sdmf": sdmf(o, when), "type": "129", "count": strconv.Itoa(int(m.dte.s[1]) + 1),
	}
	if strings.HasPrefix(o.Number, "+") {
		v["type"] = "145"
	}
	for _, r := range []struct{ mark, key, own string }{{Withheld, "withheld", id.Withheld}, {OutOfArea, "out_of_area", id.OutOfArea}} {
		for _, what := range []string{"number", "name"} {
			if v[what] != r.mark {
				continue
			}
			if what == "number" {
				v[r.key] = "1"
			}
			switch r.own {
			case "":
			case "-":
				v[what] = ""
			default:
				v[what] = r.own
			}
		}
	}
	return v
}

// mdmf is the frame of the telephone network with number and name, in hexadecimal.
func mdmf(o DialOptions, when time.Time) string {
	var body []byte
	add := func(kind byte, data string) {
		data = data[:min(len(data), 64)]
		body = append(append(body, kind, byte(len(data))), data...)
	}
	add(1, when.Format("01021504"))
	switch o.Number {
	case "":
	case Withheld, OutOfArea:
		add(4, o.Number)
	default:
		add(2, o.Number)
	}
	if o.Called != "" {
		add(3, o.Called)
	}
	if o.Name != "" {
		add(7, o.Name)
	}
	return frame(0x80, body)
}

// sdmf is the older frame, with the number alone.
func sdmf(o DialOptions, when time.Time) string {
	return frame(4, []byte(when.Format("01021504")+o.Number[:min(len(o.Number), 64)]))
}

// frame is a type, a length, a body and a checksum that makes the sum of all bytes 0.
func frame(kind byte, body []byte) string {
	b := append([]byte{kind, byte(len(body))}, body...)
	var sum byte
	for _, c := range b {
		sum += c
	}
	return strings.ToUpper(fmt.Sprintf("%x", append(b, -sum)))
}

// connected makes the data connection: reports, carrier, CONNECT.
func (m *Modem) connected(c *FarCall) {
	f := m.opts.family
	if f != nil {
		m.lastLink = f.linkOf(c.o)
		m.lastCause = ""
		for _, l := range m.dte.phrases(f.Reports, f.values(m.lastLink)) {
			m.info(l)
		}
	} else {
		m.reports(c)
	}
	for _, l := range c.o.Before {
		m.info(l)
	}
	m.carrier = true
	m.signal()
	m.result(m.connectText(c.o.Connect))
	c.state, m.mode, c.reached = callConnected, dataMode, true
	m.dead = m.dead || m.faults.DieConnected
	m.esc.begin()
	m.cond.Broadcast()
}

// reports are the lines before CONNECT of a modem that takes everything customary.
func (m *Modem) reports(c *FarCall) {
	for _, r := range []struct {
		on            bool
		label, report string
	}{
		{m.dte.on("+MR"), "+MCR: ", c.o.Modulation}, {m.dte.on("+MR"), "+MRR: ", c.o.Rate}, {m.dte.on("+ILRR"), "+ILRR: ", c.o.DTERate},
		{m.dte.on("+ER"), "+ER: ", c.o.Protocol}, {m.dte.on("+DR"), "+DR: ", c.o.Compression},
	} {
		if r.on && r.report != "" {
			m.info(r.label + r.report)
		}
	}
}

// connectText is the CONNECT line. text is what the call wants behind the word: "" for what the modem says by itself, "-" nothing.
func (m *Modem) connectText(text string) string {
	f := m.opts.family
	if text == "" && f != nil && m.call != nil {
		own, ok := m.dte.phrase(f.Connect, f.values(f.linkOf(m.call.o)))
		if !ok || own == "" {
			return "CONNECT"
		}
		return "CONNECT " + own
	}
	if text == "" {
		text = m.opts.Connect
	}
	switch text {
	case "":
		text = "28800/ARQ/V34/LAPM/V42BIS"
	case "-":
		return "CONNECT"
	}
	return "CONNECT " + text
}

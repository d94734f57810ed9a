package modem

import (
	"strconv"
	"strings"
)

// Connect is what a modem says of the connection it made. Rates are in bit/s, 0 is unknown.
type Connect struct {
	// Text is what followed CONNECT, at most 64 bytes; "" for a bare CONNECT or a direct line.
	Text string
	// Rate is the rate on the telephone line (the slower direction when they differ), TxRate and RxRate from our modem's view.
	Rate, TxRate, RxRate int
	// DTERate is the rate between modem and host, when the modem said so.
	DTERate int
	// Modulation is such as V34, Protocol such as LAPM or NONE, Compression such as V42BIS or NONE: upper case, without dots.
	Modulation, Protocol, Compression string
}

// maxText is the most that is kept of one text, in bytes.
const maxText = 64

// maxRate is the highest rate believed, in bit/s.
const maxRate = 1_000_000_000

// dteOnly are rates that exist only between modem and host.
var dteOnly = map[int]bool{38400: true, 57600: true, 76800: true, 115200: true, 230400: true, 460800: true, 921600: true}

// ParseConnect understands what followed the word CONNECT: rates, modulation, protocol and compression, in any order.
func ParseConnect(text string) Connect {
	text = capText(strings.TrimLeft(strings.TrimSpace(text), " /:"))
	c := Connect{Text: text}
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return strings.ContainsRune(" /,()", r) }) {
		c.word(word)
	}
	c.settle()
	return c
}

func (c *Connect) word(w string) {
	w = plain(w)
	for _, d := range []struct {
		suffix string
		rate   *int
	}{{":TX", &c.TxRate}, {":RX", &c.RxRate}, {"TX", &c.TxRate}, {"RX", &c.RxRate}} {
		if s, ok := strings.CutSuffix(w, d.suffix); ok {
			if n := rate(s); n > 0 {
				*d.rate = n
				return
			}
		}
	}
	if n := rate(w); n > 0 {
		c.number(n)
		return
	}
	c.name(w)
}

// number places a rate that says nothing of itself: host rates are known by their value, the others are line rates, ours first.
func (c *Connect) number(n int) {
	switch {
	case dteOnly[n] && c.DTERate == 0:
		c.DTERate = n
	case c.TxRate == 0:
		c.TxRate = n
	case c.RxRate == 0:
		c.RxRate = n
	}
}

func (c *Connect) name(w string) {
	switch w {
	case "V42BIS", "V42B", "V44", "MNP5", "CLASS5":
		c.Compression = map[string]string{"V42B": "V42BIS", "CLASS5": "MNP5"}[w]
		if c.Compression == "" {
			c.Compression = w
		}
	case "LAPM", "V42", "RLP", "HDLC", "V120", "X75", "T70", "MNP", "MNP1", "MNP2", "MNP3", "MNP4", "MNP10", "ALT", "NONE", "SYNC", "NORMAL", "DIRECT":
		c.Protocol = w
	case "NOEC":
		c.Protocol = "NONE"
	case "ARQ", "REL", "EC": // error control of a kind not said
		if c.Protocol == "" {
			c.Protocol = w
		}
	default:
		if modulation(w) {
			c.Modulation = w
		}
	}
}

func modulation(w string) bool {
	switch w {
	case "HST", "X2", "K56", "K56FLEX", "K56PLUS", "VFC", "VFAST", "PEP", "BELL103", "BELL212", "BELL212A", "B103", "B212", "B212A", "V23C":
		return true
	}
	rest, ok := strings.CutPrefix(w, "V")
	if !ok || len(rest) < 2 || len(rest) > 6 || !digit(rest[0]) || !digit(rest[1]) {
		return false
	}
	switch rest[2:] {
	case "", "BIS", "B", "S", "TER", "T", "+", "C", "H":
		return true
	}
	return false
}

// settle fills what follows from the rest.
func (c *Connect) settle() {
	switch {
	case c.TxRate > 0 && c.RxRate > 0:
		c.Rate = min(c.TxRate, c.RxRate)
	case c.TxRate > 0:
		c.Rate, c.RxRate = c.TxRate, c.TxRate
	case c.RxRate > 0:
		c.Rate, c.TxRate = c.RxRate, c.RxRate
	}
}

// ConnectCollector gathers what a modem says of a connection in lines of their own before CONNECT. The zero value is ready to use.
type ConnectCollector struct{ c Connect }

// Line takes one line and says whether it was about the connection.
func (k *ConnectCollector) Line(line string) bool {
	upper := strings.ToUpper(strings.TrimSpace(line))
	if rest, ok := strings.CutPrefix(upper, "CARRIER "); ok {
		k.rates(rest)
		return true
	}
	key, value, ok := strings.Cut(upper, ":")
	if !ok {
		return false
	}
	value = plain(capText(strings.TrimSpace(value)))
	switch key {
	case "+MRR":
		k.rates(value)
	case "+ILRR":
		first, _, _ := strings.Cut(value, ",")
		k.c.DTERate = rate(strings.TrimSpace(first))
	case "+MCR":
		k.c.Modulation = symbol(value)
	case "MODULATION":
		k.c.Modulation = symbol(value)
	case "+ER", "PROTOCOL":
		k.c.Protocol = symbol(value)
	case "+DR", "COMPRESSION":
		value = symbol(value)
		switch value {
		case "V42B":
			value = "V42BIS"
		case "CLASS5":
			value = "MNP5"
		}
		k.c.Compression = value
	default:
		return false
	}
	return true
}

// rates takes "28800", "28800,31200" or "28800/31200", ours first; a modulation may follow.
func (k *ConnectCollector) rates(text string) {
	c := Connect{}
	for _, w := range strings.FieldsFunc(capText(text), func(r rune) bool { return strings.ContainsRune(" ,/", r) }) {
		if n := rate(w); n > 0 && c.TxRate == 0 {
			c.TxRate = n
		} else if n > 0 && c.RxRate == 0 {
			c.RxRate = n
		} else if w = plain(w); modulation(w) {
			k.c.Modulation = w
		}
	}
	c.settle()
	k.c.Rate, k.c.TxRate, k.c.RxRate = c.Rate, c.TxRate, c.RxRate
}

// Connect joins c, from the CONNECT line, with what was gathered. The number after CONNECT is the host's rate when the line's was
// said before. Then the collector is empty again.
func (k *ConnectCollector) Connect(c Connect) Connect {
	g := k.c
	k.c = Connect{}
	if g.Rate > 0 {
		if c.DTERate == 0 && c.Rate > 0 && c.Rate != g.Rate {
			c.DTERate = c.Rate
		}
		c.Rate, c.TxRate, c.RxRate = g.Rate, g.TxRate, g.RxRate
	}
	if g.DTERate > 0 {
		c.DTERate = g.DTERate
	}
	for _, f := range []struct {
		to   *string
		from string
	}{{&c.Modulation, g.Modulation}, {&c.Protocol, g.Protocol}, {&c.Compression, g.Compression}} {
		if f.from != "" {
			*f.to = f.from
		}
	}
	return c
}

// plain is upper case without the dots and dashes that makers put into names: V.42bis, LAP-M.
func plain(w string) string {
	return strings.NewReplacer(".", "", "-", "").Replace(strings.ToUpper(w))
}

// symbol is the first word of a value, joined with what belongs to it (CLASS 5, V.42 bis).
func symbol(v string) string {
	words := strings.FieldsFunc(v, func(r rune) bool { return r == ' ' || r == ',' })
	switch {
	case len(words) == 0:
		return ""
	case len(words) > 1 && (words[1] == "BIS" || len(words[1]) == 1 && digit(words[1][0])):
		return words[0] + words[1]
	}
	return words[0]
}

// rate reads a rate in bit/s, 0 when s is none. 50 bit/s is the slowest that exists.
func rate(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil || n < 50 || n > maxRate || s[0] == '+' {
		return 0
	}
	return n
}

// capText bounds a text that came over the line and drops what is not printable ASCII.
func capText(s string) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return -1
		}
		return r
	}, s)
	return s[:min(len(s), maxText)]
}

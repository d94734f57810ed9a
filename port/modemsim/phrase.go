package modemsim

import (
	"strconv"
	"strings"
)

// holds says whether a condition is met: terms such as &A=3, W!=0, +MR=1|2 or S95.2=1, all of them.
// A name in braces is a placeholder's value.
func (d *dte) holds(when string, values map[string]string) bool {
	for term := range strings.FieldsSeq(when) {
		name, want, _ := strings.Cut(term, "=")
		name, not := strings.CutSuffix(name, "!")
		have, met := "", false
		if placeholder, ok := strings.CutPrefix(name, "{"); ok {
			have = values[strings.TrimSuffix(placeholder, "}")]
		} else {
			have = d.value(name)
		}
		for w := range strings.SplitSeq(want, "|") {
			met = met || have == w
		}
		if met == not {
			return false
		}
	}
	return true
}

// value is a setting by the name of its command: &A, +MR, S95, S95.2.
func (d *dte) value(name string) string {
	if v, ok := d.params[name]; ok {
		return v
	}
	if reg, bit, bits := strings.Cut(strings.TrimPrefix(name, "S"), "."); len(name) > 1 && name[0] == 'S' && digits(name[1:]) > 0 {
		r := argument(reg)
		if r < 0 {
			return ""
		}
		v := int(d.s[r])
		if bits {
			v = v >> argument(bit) & 1
		}
		return strconv.Itoa(v)
	}
	return strconv.Itoa(d.basic[name])
}

// say fills a phrase; ok is false when one of its placeholders stands for nothing.
func say(text string, values map[string]string) (string, bool) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "{")
		b.WriteString(before)
		if !found {
			return b.String(), true
		}
		name, after, _ := strings.Cut(rest, "}")
		v := values[name]
		if v == "" {
			return "", false
		}
		b.WriteString(v)
		text = after
	}
}

// phrases fills those whose condition holds, in order.
func (d *dte) phrases(from []phraseFact, values map[string]string) []string {
	var all []string
	for _, p := range from {
		if d.holds(p.When, values) {
			if text, ok := say(p.Text, values); ok {
				all = append(all, text)
			}
		}
	}
	return all
}

// phrase is the first of them, "" for none.
func (d *dte) phrase(from []phraseFact, values map[string]string) (string, bool) {
	all := d.phrases(from, values)
	if len(all) == 0 {
		return "", false
	}
	return all[0], true
}

// linkOf is what a call negotiated: what its options say, otherwise what is usual for the family.
func (f *family) linkOf(o DialOptions) link {
	l := f.Link
	for _, s := range []struct {
		to   *string
		from string
	}{{&l.Modulation, o.Modulation}, {&l.Protocol, o.Protocol}, {&l.Compression, o.Compression}} {
		if s.from != "" {
			*s.to = s.from
		}
	}
	if o.Rate != "" {
		tx, rx, _ := strings.Cut(o.Rate, ",")
		l.Tx, _ = strconv.Atoi(tx)
		if l.Rx, _ = strconv.Atoi(rx); l.Rx == 0 {
			l.Rx = l.Tx
		}
	}
	if n, err := strconv.Atoi(o.DTERate); err == nil {
		l.DTE = n
	}
	return l
}

// values are the placeholders that a link fills.
func (f *family) values(l link) map[string]string {
	word := func(w string) string {
		if own, ok := f.words[w]; ok {
			return own
		}
		return w
	}
	v := map[string]string{
		"modulation": word(l.Modulation), "protocol": word(l.Protocol), "compression": word(l.Compression),
	}
	for name, n := range map[string]int{"rate": l.Rx, "tx": l.Tx, "rx": l.Rx, "dte": l.DTE} {
		if n > 0 {
			v[name] = strconv.Itoa(n)
		}
	}
	return v
}

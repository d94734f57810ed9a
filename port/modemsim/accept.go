package modemsim

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// numbers are the numbers that a command takes, as ranges; bare says that only none is taken.
type numbers struct {
	spans [][2]int
	bare  bool
}

// parseNumbers reads "0-3,5"; "" is bare.
func parseNumbers(s string) (numbers, error) {
	if s == "" {
		return numbers{bare: true}, nil
	}
	var n numbers
	for part := range strings.SplitSeq(s, ",") {
		from, to, ranged := strings.Cut(part, "-")
		lo, err := strconv.Atoi(from)
		hi := lo
		if err == nil && ranged {
			hi, err = strconv.Atoi(to)
		}
		if err != nil || hi < lo {
			return n, fmt.Errorf("%q is no range of numbers", part)
		}
		n.spans = append(n.spans, [2]int{lo, hi})
	}
	return n, nil
}

func (n numbers) has(v int) bool {
	return slices.ContainsFunc(n.spans, func(s [2]int) bool { return v >= s[0] && v <= s[1] })
}

// takes says whether a basic command takes what follows its name.
func (n numbers) takes(arg string) bool {
	if n.bare {
		return arg == ""
	}
	v, err := strconv.Atoi("0" + arg)
	return err == nil && n.has(v)
}

var commandToken = regexp.MustCompile(`^([^0-9]+)([0-9][0-9,-]*)?$`)

// prepare checks a family and builds its indices.
func (f *family) prepare() error {
	f.basic = map[string]numbers{}
	for _, c := range f.Commands {
		for token := range strings.FieldsSeq(c.Accept) {
			m := commandToken.FindStringSubmatch(token)
			if m == nil {
				return fmt.Errorf("commands: %q", token)
			}
			n, err := parseNumbers(m[2])
			if err != nil {
				return fmt.Errorf("commands: %s: %w", token, err)
			}
			if old, ok := f.basic[m[1]]; ok {
				n = numbers{spans: append(old.spans, n.spans...)}
			}
			f.basic[m[1]] = n
		}
	}
	for i := range f.Parameters {
		p := &f.Parameters[i]
		if err := p.re.compile(p.Values); err != nil {
			return fmt.Errorf("parameters: %s: %w", p.Name, err)
		}
	}
	for i := range f.Registers {
		r := &f.Registers[i]
		var err error
		if r.n, err = parseNumbers(strings.Join(strings.Fields(r.Accept), ",")); err != nil {
			return fmt.Errorf("registers: %w", err)
		}
	}
	f.names()
	return nil
}

// names builds the lookup tables.
func (f *family) names() {
	all := map[string]bool{}
	for name := range f.basic {
		all[name] = true
	}
	for _, p := range f.Parameters {
		all[p.Name] = true
	}
	for _, a := range slices.Concat(f.Identity, f.Diagnostics) {
		if extended(a.Ask) {
			all[a.Ask] = true
		}
	}
	for name := range all {
		f.index = append(f.index, name)
	}
	slices.SortFunc(f.index, func(a, b string) int {
		if len(a) != len(b) {
			return len(b) - len(a)
		}
		return strings.Compare(a, b)
	})
	f.words, f.cause, f.codes, f.keeps = map[string]string{}, map[string]string{}, map[string]int{}, map[string]bool{}
	for to, from := range map[*map[string]string][]wordsFact{&f.words: f.Words, &f.cause: f.Causes} {
		for _, w := range from {
			for k, v := range w.Words {
				(*to)[k] = v
			}
		}
	}
	for _, r := range f.Results {
		for code, text := range r.Codes {
			f.codes[text] = code
		}
	}
	for _, n := range f.NotStored {
		for _, name := range n.Names {
			f.keeps[name] = true
		}
	}
}

// extended says that a question is an extended command: not a letter or an ampersand with a number behind it.
func extended(ask string) bool {
	return strings.Trim(ask, "0123456789") == ask && len(ask) > 2 || strings.HasPrefix(ask, "+")
}

// next cuts the first command off a line; ok is false for one that the family does not know.
func (f *family) next(line string) (cmd, rest string, ok bool) {
	upperLine := strings.ToUpper(line)
	for _, name := range f.index {
		if !strings.HasPrefix(upperLine, name) {
			continue
		}
		if f.parameter(name) != nil || f.answer(name) != nil && extended(name) {
			cmd, rest, _ = strings.Cut(line, ";")
			if tail := cmd[len(name):]; tail != "" && tail[0] != '=' && tail[0] != '?' {
				continue
			}
			return cmd, rest, true
		}
		n := len(name) + digits(line[len(name):])
		return line[:n], line[n:], true
	}
	return "", line, false
}

// split is a basic command's name and number.
func (f *family) split(cmd string) (name, arg string) {
	name = strings.TrimRight(strings.ToUpper(cmd), "0123456789")
	return name, cmd[len(name):]
}

func (f *family) parameter(name string) *parameterFact {
	for i := range f.Parameters {
		if f.Parameters[i].Name == name {
			return &f.Parameters[i]
		}
	}
	return nil
}

func (f *family) answer(ask string) *answerFact {
	for _, list := range [][]answerFact{f.Identity, f.Diagnostics} {
		for i := range list {
			if list[i].Ask == ask {
				return &list[i]
			}
		}
	}
	return nil
}

// register returns what is known of S-register n; nil when the modem has none of that number.
func (f *family) register(n int) *registerFact {
	for i := range f.Registers {
		if f.Registers[i].n.has(n) {
			return &f.Registers[i]
		}
	}
	return nil
}

// matcher is a regular expression for the whole of a value; the zero value matches nothing.
type matcher struct{ re *regexp.Regexp }

func (m *matcher) compile(expr string) (err error) {
	if expr != "" {
		m.re, err = regexp.Compile("^(?i:" + expr + ")$")
	}
	return err
}

func (m matcher) match(v string) bool { return m.re != nil && m.re.MatchString(v) }

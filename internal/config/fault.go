package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Fault is one thing wrong in the file.
type Fault struct {
	File         string // as it was named to Load
	Line, Column int    // from 1; 0 when the fault has no place in the file
	Path         string // such as lines[0].baud; "" for the file as a whole
	Text         string // what is wrong, and what is allowed
	Err          error  // the cause, when it is an error of the system
}

// Error returns "file:line:column: path: text".
func (f Fault) Error() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
	}
	b.WriteString(": ")
	if f.Path != "" {
		b.WriteString(f.Path)
		b.WriteString(": ")
	}
	b.WriteString(f.Text)
	return b.String()
}

// Unwrap returns the cause, nil when there is none.
func (f Fault) Unwrap() error { return f.Err }

// Faults are all faults of a file, sorted by place.
type Faults []Fault

// Error returns one fault a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the faults one by one.
func (f Faults) Unwrap() []error {
	errs := make([]error, len(f))
	for i := range f {
		errs[i] = f[i]
	}
	return errs
}

// Sorted sorts f by place, in place, and returns it.
func (f Faults) Sorted() Faults {
	slices.SortStableFunc(f, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	return f
}

// places are where the values of a file stand, by path.
type places map[string]place

// nearest returns the place of path, or of what is nearest around it in the file.
func (p places) nearest(path string) place {
	for {
		if at, ok := p[path]; ok {
			return at
		}
		i := strings.LastIndexAny(path, ".[")
		if i < 0 {
			return p[""]
		}
		path = path[:i]
	}
}

// Fault is what others find wrong with the value at path, such as services.shell.command: it gets the value's place in the file, or
// that of what is nearest around it.
func (c *Config) Fault(path, text string, err error) Fault {
	at := c.places.nearest(path)
	return Fault{File: c.named, Line: at.line, Column: at.column, Path: path, Text: text, Err: err}
}

// Faulty tells whether Inspect has found a fault in the value at path, in a part of it or in what it is part of. What is wrong there
// beyond that may be its consequence.
func (c *Config) Faulty(path string) bool {
	for bad := range c.bad {
		if within(path, bad) || within(bad, path) {
			return true
		}
	}
	return false
}

// within tells whether the value at path is the one at outer or a part of it.
func within(path, outer string) bool {
	rest, ok := strings.CutPrefix(path, outer)
	return ok && (outer == "" || rest == "" || rest[0] == '.' || rest[0] == '[')
}

// DropPlaces gives the memory of all places back, when everything that could be wrong has been said. Faults made afterwards name the
// file alone.
func (c *Config) DropPlaces() { c.places, c.bad = nil, nil }

// bounded keeps a text of the file short enough for a message.
func bounded(s string) string {
	const most = 60
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "..."
	}
	return s
}

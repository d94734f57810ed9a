package config

import (
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

// place is where a value stands in the file.
type place struct{ line, column int }

// walker checks the shape of a document against Go types: keys, types, ranges. It notes the place of every value, so that the
// rules between values can name theirs, and empties the nodes that are wrong, so that the rest can be decoded and checked too.
type walker struct {
	file   string
	keys   map[string]*key // nil for the options of plugins
	faults Faults
	more   int                 // faults that were not kept
	places places              // of each value that is set
	bad    map[string]bool     // paths that have a fault already
	open   []*yaml.Node        // anchors being expanded, against cycles
	budget int                 // nodes still allowed, against alias bombs
	spent  bool                // the budget was exceeded, and that was reported
	told   map[*yaml.Node]bool // unknown keys that were reported
}

// Bounds of what is looked at. The YAML library compares each key of a mapping with every other.
const (
	maxNodes  = 200_000
	maxKeys   = 10_000 // of one mapping
	maxFaults = 100
)

func newWalker(file string, keys map[string]*key) *walker {
	return &walker{file: file, keys: keys, places: places{}, bad: map[string]bool{}, told: map[*yaml.Node]bool{}, budget: maxNodes}
}

// all returns the faults in order, nil when there are none.
func (w *walker) all() Faults {
	faults := w.faults.Sorted()
	if w.more > 0 {
		last := faults[len(faults)-1]
		faults = append(faults, Fault{File: w.file, Line: last.Line, Column: last.Column, Text: fmt.Sprintf("and %d more faults", w.more)})
	}
	return faults
}

// spot is a value's path as shown and as it stands in the table of keys.
type spot struct{ path, key string }

func (s spot) field(name string) spot { return spot{join(s.path, name), join(s.key, name)} }
func (s spot) entry(name string) spot { return spot{join(s.path, name), join(s.key, "*")} }
func (s spot) index(i int) spot       { return spot{s.path + "[" + strconv.Itoa(i) + "]", s.key + "[]"} }

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func (w *walker) fault(at place, path, text string) {
	if len(w.faults) >= maxFaults {
		w.more++
		return
	}
	w.bad[path] = true
	w.faults = append(w.faults, Fault{File: w.file, Line: at.line, Column: at.column, Path: path, Text: text})
}

func at(n *yaml.Node) place { return place{n.Line, n.Column} }

func isNull(n *yaml.Node) bool { return n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null" }

var (
	durationType = reflect.TypeFor[Duration]()
	optionsType  = reflect.TypeFor[Options]()
	yamlType     = reflect.TypeFor[yaml.Unmarshaler]()
)

// value checks n, which stands at where, against t. from is the place to name when n itself is empty.
func (w *walker) value(n *yaml.Node, t reflect.Type, s spot, from place) {
	if w.budget--; w.overspent(from, s) {
		return
	}
	if n.Kind == yaml.AliasNode {
		if slices.Contains(w.open, n.Alias) {
			w.fault(at(n), s.path, "the alias *"+n.Value+" contains itself")
			empty(n, t)
			return
		}
		w.value(n.Alias, t, s, at(n))
		return
	}
	if n.Anchor != "" {
		w.open = append(w.open, n)
		defer func() { w.open = w.open[:len(w.open)-1] }()
	}
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case isNull(n):
		if w.null(t, s, from) {
			empty(n, t)
		}
		return
	case t == optionsType:
		w.places[s.path] = at(n)
		if n.Kind != yaml.MappingNode {
			w.fault(at(n), s.path, "must be a mapping: key: value")
			empty(n, t)
		}
		return
	case w.leaf(t):
		w.scalar(n, t, s)
		return
	}
	w.places[s.path] = at(n)
	switch t.Kind() {
	case reflect.Struct:
		w.structure(n, t, s, from)
	case reflect.Map:
		w.mapping(n, t, s)
	case reflect.Slice:
		w.list(n, t, s)
	default: // leaves, done above
	}
}

// overspent says, and reports once, that the file has grown beyond bounds.
func (w *walker) overspent(from place, s spot) bool {
	if w.budget >= 0 {
		return false
	}
	if !w.spent {
		w.spent = true
		w.faults = append(w.faults, Fault{File: w.file, Line: from.line, Column: from.column, Path: s.path,
			Text: "too many aliases: the file grows beyond bounds when they are expanded"})
	}
	return true
}

// leaf tells whether t is checked as one value by decoding it.
func (w *walker) leaf(t reflect.Type) bool {
	if t == durationType || reflect.PointerTo(t).Implements(yamlType) {
		return true
	}
	switch t.Kind() {
	case reflect.Struct, reflect.Slice:
		return false
	case reflect.Map:
		return t.Key().Kind() != reflect.String
	default:
		return true
	}
}

// empty makes n an empty value of type t.
func empty(n *yaml.Node, t reflect.Type) {
	kind, tag := yaml.ScalarNode, "!!null"
	switch t.Kind() {
	case reflect.Struct, reflect.Map:
		kind, tag = yaml.MappingNode, "!!map"
	case reflect.Slice:
		kind, tag = yaml.SequenceNode, "!!seq"
	default:
	}
	*n = yaml.Node{Kind: kind, Tag: tag, Line: n.Line, Column: n.Column}
}

// null treats a key without a value as if it were not there, where that makes sense, and tells whether it was a fault.
func (w *walker) null(t reflect.Type, s spot, from place) bool {
	text := ""
	switch {
	case t == optionsType || t.Kind() == reflect.Map:
	case t.Kind() == reflect.Slice:
		text = "is empty: give a list, [] for an empty one, or remove the key"
	case t.Kind() == reflect.Struct && !w.leaf(t):
		if missing := w.requiredIn(s.key); len(missing) > 0 {
			text = "is empty: it needs " + strings.Join(missing, ", ")
		}
	case strings.HasSuffix(s.path, "]"):
		text = "is empty: give " + kindName(t) + ", \"\" for an empty one"
	}
	if text != "" {
		w.fault(from, s.path, text)
	}
	return text != ""
}

func (w *walker) requiredIn(parent string) []string {
	var names []string
	for i := range keys {
		if name, ok := childOf(keys[i].path, parent); ok && keys[i].required && w.keys != nil {
			names = append(names, name)
		}
	}
	return names
}

// childOf returns the last part of path when its parent is parent.
func childOf(path, parent string) (string, bool) {
	if parent != "" {
		rest, ok := strings.CutPrefix(path, parent+".")
		if !ok {
			return "", false
		}
		path = rest
	}
	return path, !strings.ContainsAny(path, ".[")
}

// entry is one key of a mapping, merges included.
type entry struct{ key, value *yaml.Node }

// entries lists the keys of a mapping and of what it merges with <<, each once, and reports keys that stand twice.
func (w *walker) entries(n *yaml.Node, s spot) []entry {
	if len(n.Content) > 2*maxKeys {
		w.fault(at(n), s.path, fmt.Sprintf("has %d keys: at most %d are allowed", len(n.Content)/2, maxKeys))
		n.Content = nil
		return nil
	}
	if w.budget -= len(n.Content) / 2; w.overspent(at(n), s) {
		n.Content = nil
		return nil
	}
	var own, merged []entry
	var kept []*yaml.Node
	defer func() { n.Content = kept }()
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		if k.Kind == yaml.ScalarNode && k.Value == "<<" && (k.Tag == "" || k.ShortTag() == "!!merge") {
			before := len(w.faults)
			merged = append(merged, w.merged(v, s)...)
			if len(w.faults) == before {
				kept = append(kept, k, v)
			}
			continue
		}
		if k.Kind != yaml.ScalarNode {
			w.fault(at(k), s.path, "a key must be a plain word")
			continue
		}
		if seen[k.Value] {
			w.fault(at(k), join(s.path, shownKey(k.Value)), "stands here a second time: remove one of the two")
			continue
		}
		seen[k.Value] = true
		kept = append(kept, k, v)
		own = append(own, entry{k, v})
	}
	for _, e := range merged {
		if !seen[e.key.Value] {
			seen[e.key.Value] = true
			own = append(own, e)
		}
	}
	return own
}

func (w *walker) merged(v *yaml.Node, s spot) []entry {
	w.budget--
	switch v.Kind {
	case yaml.AliasNode:
		if slices.Contains(w.open, v.Alias) {
			w.fault(at(v), s.path, "the alias *"+v.Value+" contains itself")
			return nil
		}
		w.open = append(w.open, v.Alias)
		defer func() { w.open = w.open[:len(w.open)-1] }()
		if v.Alias.Kind == yaml.MappingNode {
			return w.entries(v.Alias, s)
		}
	case yaml.MappingNode:
		return w.entries(v, s)
	case yaml.SequenceNode:
		var all []entry
		for _, n := range v.Content {
			all = append(all, w.merged(n, s)...)
		}
		return all
	default:
	}
	w.fault(at(v), s.path, "<< must name a mapping, such as <<: *name")
	return nil
}

func (w *walker) structure(n *yaml.Node, t reflect.Type, s spot, from place) {
	if n.Kind != yaml.MappingNode {
		w.fault(at(n), s.path, "must be a mapping: key: value")
		empty(n, t)
		return
	}
	fields := fieldsOf(t)
	set := map[string]bool{}
	for _, e := range w.entries(n, s) {
		ft, known := fields[e.key.Value]
		if !known {
			w.unknown(e.key, s, fields)
			continue
		}
		set[e.key.Value] = !isNull(e.value)
		w.value(e.value, ft, s.field(e.key.Value), at(e.key))
	}
	for _, name := range w.requiredIn(s.key) {
		if f := s.field(name); !set[name] {
			w.fault(from, f.path, "is missing: give "+w.keys[f.key].allows(false))
		}
	}
}

// unknown says once that a key is unknown, however often aliases and merges bring it along.
func (w *walker) unknown(k *yaml.Node, s spot, fields map[string]reflect.Type) {
	if w.told[k] || len(w.faults) >= maxFaults {
		w.more++
		return
	}
	w.told[k] = true
	w.fault(at(k), join(s.path, shownKey(k.Value)), unknownKey(k.Value, s, fields))
}

func (w *walker) mapping(n *yaml.Node, t reflect.Type, s spot) {
	if n.Kind != yaml.MappingNode {
		w.fault(at(n), s.path, "must be a mapping: name: value")
		empty(n, t)
		return
	}
	for _, e := range w.entries(n, s) {
		child := s.entry(e.key.Value)
		if w.keys != nil && !namePattern.MatchString(e.key.Value) {
			w.fault(at(e.key), join(s.path, shownKey(e.key.Value)), "is not a name: allowed is "+nameForm)
			continue
		}
		w.value(e.value, t.Elem(), child, at(e.key))
		if !isNull(e.value) && e.value.Kind != yaml.ScalarNode {
			w.places[child.path] = at(e.key)
		}
	}
}

func (w *walker) list(n *yaml.Node, t reflect.Type, s spot) {
	if n.Kind != yaml.SequenceNode {
		w.fault(at(n), s.path, "must be a list: [one, two], or lines that begin with -")
		empty(n, t)
		return
	}
	for i, item := range n.Content {
		w.value(item, t.Elem(), s.index(i), at(item))
	}
}

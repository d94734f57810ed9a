package config

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// scalar checks one value by decoding it.
func (w *walker) scalar(n *yaml.Node, t reflect.Type, s spot) {
	w.places[s.path] = at(n)
	v := reflect.New(t)
	if n.Kind != yaml.ScalarNode && (t.Kind() == reflect.String || t == durationType) {
		w.fault(at(n), s.path, "must be "+w.wanted(t, s))
		empty(n, t)
		return
	}
	if t == durationType {
		d, err := ParseDuration(n.Value)
		if err != nil {
			w.fault(at(n), s.path, err.Error()+w.allowedSuffix(t, s))
			empty(n, t)
			return
		}
		v.Elem().SetInt(int64(d))
	} else if err := n.Decode(v.Interface()); err != nil {
		w.fault(at(n), s.path, w.wrongType(n, t, s, err))
		empty(n, t)
		return
	}
	if k := w.keys[s.key]; k != nil {
		if text := k.check(v.Elem()); text != "" {
			w.fault(at(n), s.path, text)
			empty(n, t)
		}
	}
}

func (w *walker) wrongType(n *yaml.Node, t reflect.Type, s spot, err error) string {
	if reflect.PointerTo(t).Implements(yamlType) {
		text := strings.TrimPrefix(err.Error(), "yaml: ")
		if many, ok := errors.AsType[*yaml.TypeError](err); ok && len(many.Errors) > 0 {
			text = many.Errors[0]
		}
		return yamlLine.FindStringSubmatch(text)[2] // the line is said already
	}
	if n.Kind != yaml.ScalarNode {
		return "must be " + w.wanted(t, s)
	}
	return fmt.Sprintf("%q must be %s", bounded(n.Value), w.wanted(t, s))
}

// wanted says what a value of type t at s may be.
func (w *walker) wanted(t reflect.Type, s spot) string {
	kind := kindName(t)
	if k := w.keys[s.key]; k != nil && k.allows(t == durationType) != "" {
		return kind + ": " + k.allows(t == durationType)
	}
	return kind
}

func (w *walker) allowedSuffix(t reflect.Type, s spot) string {
	if k := w.keys[s.key]; k != nil && k.most > 0 {
		return ", " + k.allows(t == durationType)
	}
	return ""
}

// kindName names a type in the file's words.
func kindName(t reflect.Type) string {
	if t == durationType || t == reflect.TypeFor[timeDuration]() {
		return durationForm
	}
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.String:
		return "a text"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return "a whole number, not negative"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.Slice:
		return "a list"
	default:
		return "a mapping"
	}
}

// check returns what is wrong with a value of the right type, "" for nothing.
func (k *key) check(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Int, reflect.Int64:
		return k.checkRange(v.Int(), v.Type() == durationType)
	case reflect.String:
		s := v.String()
		if len(k.enum) > 0 && !slices.Contains(k.enum, s) {
			return fmt.Sprintf("%q is unknown: allowed is %s%s", bounded(s), orList(k.enum), didYouMean(s, k.enum))
		}
		if k.pattern != nil && !k.pattern.MatchString(s) {
			return fmt.Sprintf("%q is not allowed here: give %s", bounded(s), k.allowed)
		}
	default:
	}
	return ""
}

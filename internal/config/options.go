package config

import (
	"errors"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// Options are a plugin's own settings. Only the plugin knows what they may hold: Decode reads them.
type Options struct {
	node *yaml.Node
	file string
	path string // dialogs.staff.options
}

// UnmarshalYAML keeps the settings as they stand.
func (o *Options) UnmarshalYAML(n *yaml.Node) error {
	o.node = n
	return nil
}

// Decode fills into, a pointer to a struct with yaml tags. Unknown keys, keys given twice and wrong types are Faults with their
// places. Without options into stays as it is.
func (o Options) Decode(into any) error {
	if o.node == nil || isNull(o.node) {
		return nil
	}
	t := reflect.TypeOf(into)
	if t == nil || t.Kind() != reflect.Pointer {
		return errors.New("config: options are decoded into a pointer to a struct")
	}
	w := newWalker(o.file, nil)
	w.value(o.node, t.Elem(), spot{path: o.path}, at(o.node))
	if len(w.faults) > 0 {
		return w.all()
	}
	if err := o.node.Decode(into); err != nil {
		return Faults{{File: o.file, Line: o.node.Line, Column: o.node.Column, Path: o.path,
			Text: strings.TrimPrefix(err.Error(), "yaml: "), Err: err}}
	}
	return nil
}

// text is what the settings say, whatever their place in the file.
func (o Options) text() string {
	if o.node == nil {
		return ""
	}
	b, err := yaml.Marshal(o.node)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// DecodeOptions fills into from the dialog's options; see Options.Decode.
func (d Dialog) DecodeOptions(into any) error { return d.Options.Decode(into) }

// Equal tells whether d and e say the same, so that a reload can keep what it has.
func (d Dialog) Equal(e Dialog) bool {
	same := d.Options.text() == e.Options.text()
	d.Options, e.Options = Options{}, Options{}
	return same && d == e
}

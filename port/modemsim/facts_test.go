package modemsim

import (
	"fmt"
	"reflect"
	"strings"
	"testing"
)

// TestFactsHaveSources: every fact of every personality says where it is known from, or that it is not.
func TestFactsHaveSources(t *testing.T) {
	for _, name := range Personalities() {
		o, err := Personality(name)
		if err != nil {
			t.Fatal(err)
		}
		facts := 0
		walk(reflect.ValueOf(o.family).Elem(), name, func(path string, k known) {
			facts++
			if (k.Source != "") == k.Unverified {
				t.Errorf("%s: give a source, or unverified: true, not both", path)
			}
		})
		if facts < 10 && !o.family.Direct {
			t.Errorf("%s: only %d facts", name, facts)
		}
	}
}

// walk calls found for every fact in v that is not empty.
func walk(v reflect.Value, path string, found func(path string, k known)) {
	switch v.Kind() { //nolint:exhaustive // facts are made of these
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i), found)
		}
	case reflect.Struct:
		if v.IsZero() {
			return
		}
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if f.Type == reflect.TypeFor[known]() {
				found(path, known{Source: v.Field(i).FieldByName("Source").String(), Unverified: v.Field(i).FieldByName("Unverified").Bool()})
				continue
			}
			if f.Tag.Get("yaml") != "" {
				walk(v.Field(i), path+"."+f.Tag.Get("yaml"), found)
			}
		}
	}
}

// TestFactsAgree: what a personality says is refused is refused, its factory settings are taken, and each question has an answer.
func TestFactsAgree(t *testing.T) {
	for _, name := range Personalities() {
		o, err := Personality(name)
		if err != nil {
			t.Fatal(err)
		}
		f := o.family
		fresh := func() *executor {
			d := &dte{family: f}
			d.factory(-1)
			return &executor{d: d}
		}
		for _, c := range f.Commands {
			for command := range strings.FieldsSeq(c.Refuse) {
				if err := fresh().settings(command); err == nil {
					t.Errorf("%s: AT%s is taken, and listed as refused", name, command)
				}
			}
		}
		for _, p := range f.Factory {
			if err := fresh().settings(p.Settings); err != nil {
				t.Errorf("%s: factory settings %d: %s: %v", name, p.Profile, p.Settings, err)
			}
		}
		for _, p := range f.Parameters {
			if p.Default != "" && !p.re.match(p.Default) {
				t.Errorf("%s: %s: the default %q is not among the values", name, p.Name, p.Default)
			}
		}
		for _, a := range append(append([]answerFact(nil), f.Identity...), f.Diagnostics...) {
			if err := fresh().settings(a.Ask); err != nil {
				t.Errorf("%s: AT%s is refused, and has an answer", name, a.Ask)
			}
		}
	}
}

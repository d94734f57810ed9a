package config

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

var update = flag.Bool("update", false, "rewrite docs/configuration.md")

const (
	sample    = "../../config.yaml"
	reference = "../../docs/configuration.md"
	begin     = "<!-- the tables below are made from internal/config/keys.go: `make golden` -->\n"
)

// structKeys lists every key of the structs, as paths of the table.
func structKeys(t reflect.Type, path string) map[string]reflect.Type {
	found := map[string]reflect.Type{}
	for name, ft := range fieldsOf(t) {
		p := join(path, name)
		found[p] = ft
		switch {
		case ft == optionsType:
		case ft.Kind() == reflect.Struct:
			addAll(found, structKeys(ft, p))
		case ft.Kind() == reflect.Map:
			addAll(found, structKeys(ft.Elem(), p+".*"))
		case ft.Kind() == reflect.Slice && ft.Elem().Kind() == reflect.Struct:
			addAll(found, structKeys(ft.Elem(), p+"[]"))
		}
	}
	return found
}

func addAll(to, from map[string]reflect.Type) {
	for k, v := range from {
		to[k] = v
	}
}

func TestTableNamesEveryKeyOnce(t *testing.T) {
	structs := structKeys(reflect.TypeFor[Config](), "")
	seen := map[string]bool{}
	for _, k := range keys {
		if seen[k.path] {
			t.Errorf("%s stands in the table twice", k.path)
		}
		seen[k.path] = true
		if structs[k.path] == nil {
			t.Errorf("the table has %s, the structs do not", k.path)
		}
		if k.text == "" {
			t.Errorf("%s is not described", k.path)
		}
	}
	for path := range structs {
		if !seen[path] {
			t.Errorf("the structs have %s, the table does not", path)
		}
	}
}

// The defaults that the table documents are those that the structs get.
func TestTableNamesTheRealDefaults(t *testing.T) {
	cfg, err := load(t, good, testEnv)
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range keys {
		v := reflect.ValueOf(*cfg)
		for part := range strings.SplitSeq(k.path, ".") {
			name, list := strings.CutSuffix(part, "[]")
			switch v.Kind() {
			case reflect.Map:
				v = v.MapIndex(v.MapKeys()[0])
			default:
				v = v.FieldByName(fieldNamed(v.Type(), name))
			}
			switch {
			case list && v.Len() == 0:
				v = reflect.Zero(v.Type().Elem())
			case list:
				v = v.Index(0)
			}
		}
		got := ""
		switch {
		case v.Type() == durationType:
			got = Duration(v.Int()).String()
		case v.Kind() == reflect.String:
			got = v.String()
		case v.Kind() == reflect.Int, v.Kind() == reflect.Bool:
			got = fmt.Sprint(v.Interface())
		case v.Kind() == reflect.Slice && v.Type().Elem().Kind() == reflect.String:
			got = fmt.Sprint(v.Interface())
		default:
			continue
		}
		want, _, _ := strings.Cut(k.def, " for type")
		if got == "[]" {
			got = ""
		}
		if !k.required && got != want && k.path != "services.*.command" {
			t.Errorf("%s: the table says default %q, the structs get %q", k.path, want, got)
		}
	}
}

func fieldNamed(t reflect.Type, key string) string {
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("yaml"), ","); name == key {
			return t.Field(i).Name
		}
	}
	return ""
}

// config.yaml of the distribution runs as it stands, for root and for others, with nothing to remark.
func TestSampleLoads(t *testing.T) {
	for _, root := range []bool{false, true} {
		env := testEnv
		env.Root = root
		cfg, err := Load(sample, env)
		if err != nil {
			t.Fatal(err)
		}
		if len(cfg.Warnings) > 0 {
			t.Errorf("root %v: %v", root, Faults(cfg.Warnings))
		}
	}
	data, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	if err := compiled(t).Validate(fromYAML(t, string(data))); err != nil {
		t.Errorf("the JSON schema refuses config.yaml: %v", err)
	}
}

// uncomment turns the optional parts of config.yaml, which are commented out as "# key:", into the real thing.
var uncomment = regexp.MustCompile(`(?m)^( *)# ( *(?:- )?[a-z_]+:)`)

func TestSampleNamesEveryKey(t *testing.T) {
	data, err := os.ReadFile(sample)
	if err != nil {
		t.Fatal(err)
	}
	text := uncomment.ReplaceAllString(string(data), "$1$2")
	var root yaml.Node
	if err := yaml.Unmarshal([]byte(text), &root); err != nil {
		t.Fatalf("config.yaml with its optional parts: %v", err)
	}
	w := newWalker(sample, keyIndex())
	w.value(root.Content[0], reflect.TypeFor[Config](), spot{}, place{})
	if len(w.faults) > 0 {
		t.Errorf("config.yaml with its optional parts:\n%v", w.faults)
	}
	named := map[string]bool{}
	for path := range w.places {
		path = regexp.MustCompile(`\[\d+\]`).ReplaceAllString(path, "[]")
		path = regexp.MustCompile(`^(dialogs|services)\.\w+`).ReplaceAllString(path, "$1.*")
		named[path] = true
	}
	for _, k := range keys {
		if !named[k.path] {
			t.Errorf("config.yaml does not show %s", k.path)
		}
	}
	for line := range strings.SplitSeq(text, "\n") {
		if len([]rune(line)) > 130 {
			t.Errorf("config.yaml has a line longer than 130 characters: %s", line)
		}
	}
}

// tables writes the reference: one table for each section.
func tables() string {
	sections := []struct{ prefix, title string }{
		{"", "Top level"}, {"log.", "log"}, {"lines[].", "lines"}, {"dialogs.*.", "dialogs"}, {"services.*.", "services"}, {"records.", "records"},
	}
	structs := structKeys(reflect.TypeFor[Config](), "")
	var b strings.Builder
	for _, s := range sections {
		fmt.Fprintf(&b, "\n## %s\n\n| key | what it is | allowed | default |\n|---|---|---|---|\n", s.title)
		for _, k := range keys {
			name, ok := strings.CutPrefix(k.path, s.prefix)
			if !ok || (s.prefix == "" && strings.ContainsAny(name, ".[")) {
				continue
			}
			def := k.def
			if def != "" {
				def = "`" + def + "`"
			}
			if k.required {
				def = "**required**"
			}
			allowed := k.allows(structs[k.path] == durationType)
			if allowed == "" && structs[k.path].Kind() == reflect.Bool {
				allowed = "true or false"
			}
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", name, k.text, allowed, def)
		}
	}
	return b.String()
}

func TestGoldenReference(t *testing.T) {
	data, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	head, tail, ok := strings.Cut(string(data), begin)
	if !ok {
		t.Fatalf("%s has no line %s", reference, begin)
	}
	if *update {
		if err := os.WriteFile(reference, []byte(head+begin+tables()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if tail != tables() {
		t.Errorf("%s does not fit the table of keys: run `make golden`", reference)
	}
}

// Other programs' words are proposals for keys that exist.
func TestOtherNamesAreKeys(t *testing.T) {
	var known []string
	for path := range structKeys(reflect.TypeFor[Config](), "") {
		known = append(known, path[strings.LastIndex(path, ".")+1:])
	}
	for word, meant := range otherNames {
		if !slices.Contains(known, meant) {
			t.Errorf("%s proposes %s, which is no key", word, meant)
		}
	}
}

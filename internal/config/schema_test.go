package config

import (
	"bytes"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"gopkg.in/yaml.v3"
)

func compiled(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(Schema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("config.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("config.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func fromYAML(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// The schema takes what Load takes, and refuses what Load refuses for its shape.
func TestSchema(t *testing.T) {
	s := compiled(t)
	if err := s.Validate(fromYAML(t, good)); err != nil {
		t.Errorf("a good file: %v", err)
	}
	for _, text := range []string{
		strings.Replace(good, "password}", "password, timeout: 90s, end_grace: 1h30m, lockout: {denials: 0}}", 1),
		strings.Replace(good, "password}", "password, options: {file: [x]}, limits: {cpu: 0, memory: 64}}", 1),
		strings.Replace(good, "name: a,", "name: a, idle_probe: 0, rings: 20,", 1),
	} {
		if err := s.Validate(fromYAML(t, text)); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, text := range []string{
		"lines: {}", "{}", strings.Replace(good, "name: a,", "", 1), strings.Replace(good, "name: a,", "name: a/b,", 1),
		strings.Replace(good, "name: a,", "name: a, rings: 0,", 1), strings.Replace(good, "name: a,", "name: a, baud: fast,", 1),
		strings.Replace(good, "name: a,", "name: a, carrier: maybe,", 1), strings.Replace(good, "name: a,", "name: a, bauds: 1,", 1),
		strings.Replace(good, "password}", "password, timeout: 120}", 1), strings.Replace(good, "password}", "password, lockout: {denials: -1}}", 1),
		strings.Replace(good, "type: command", "type: shell", 1), strings.Replace(good, "[/bin/true]", "/bin/true", 1),
		strings.Replace(good, "staff: {plugin", "-staff: {plugin", 1), "zzz: 1" + good,
	} {
		if s.Validate(fromYAML(t, text)) == nil {
			t.Errorf("the schema takes %s", text)
		}
		if _, err := load(t, text, testEnv); err == nil {
			t.Errorf("Load takes %s", text)
		}
	}
}

package config

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

func profileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(ProfileSchema()))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("profile.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("profile.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// stringKeys makes the numbers that are keys of result_codes text, as JSON has them.
func stringKeys(v any) any {
	switch v := v.(type) {
	case map[any]any:
		m := map[string]any{}
		for k, e := range v {
			m[fmt.Sprint(k)] = stringKeys(e)
		}
		return m
	case map[string]any:
		for k, e := range v {
			v[k] = stringKeys(e)
		}
	case []any:
		for i, e := range v {
			v[i] = stringKeys(e)
		}
	}
	return v
}

// Every profile that comes with the program fits the schema.
func TestProfileSchemaTakesEveryBuiltin(t *testing.T) {
	s := profileSchema(t)
	files, err := filepath.Glob("../../hardware/modems/*.yaml")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d profiles, %v", len(files), err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Validate(stringKeys(fromYAML(t, string(data)))); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// The schema refuses what hardware.Parse refuses for its shape.
func TestProfileSchemaRefuses(t *testing.T) {
	s := profileSchema(t)
	const ok = "name: x\nanswer: {command: ATA, source: s}\nhangup: {command: ATH, source: s}\n"
	if err := s.Validate(fromYAML(t, ok)); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"no name": strings.Replace(ok, "name: x\n", "", 1), "bad name": strings.Replace(ok, "name: x", "name: X Y", 1), "unknown key": ok + "bauds: 1\n",
		"bad dtr": ok + "dtr: up\n", "bad flow": ok + "flow: cts\n", "bad dialect": ok + "dialect: klingon\n", "bad format": ok + "caller_id: {format: x}\n",
		"time without unit": ok + "command_delay: 50\n", "no source": ok + "init: [{send: AT}]\n", "source and not": ok + "init: [{send: AT, source: s, unverified: true}]\n",
		"match without source": ok + "match: [{query: ATI3, pattern: x}]\n", "step is text": ok + "init: [AT]\n", "trap without source": ok + "traps: [{text: x}]\n",
		"trap is text": ok + "traps: [x]\n", "unknown nested": ok + "reset: {comand: ATZ, source: s}\n",
	} {
		if err := s.Validate(fromYAML(t, text)); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

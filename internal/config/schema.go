package config

import (
	"encoding/json"
	"reflect"

	"github.com/invopop/jsonschema"
)

// Schema returns a JSON schema (draft 2020-12) of config.yaml, for editors. It knows keys, types, words and ranges of numbers;
// Load knows more: ranges of times, and the rules between keys.
func Schema() []byte {
	r := jsonschema.Reflector{
		FieldNameTag: "yaml", Anonymous: true, DoNotReference: true, RequiredFromJSONSchemaTags: true,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			switch t {
			case durationType:
				return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
					{Type: "string", Pattern: `^(0|([0-9]+(\.[0-9]+)?(ms|s|m|h))+)$`}, {Const: 0},
				}}
			case optionsType:
				return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{{Type: "object"}, {Type: "null"}}}
			}
			return nil
		},
	}
	s := r.Reflect(&Config{})
	s.Title = "config.yaml of rashost"
	describe(s, "", keyIndex())
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic("config: the schema cannot be written as JSON: " + err.Error()) // a fault of the program, found by every test
	}
	return append(b, '\n')
}

// describe adds what the table of keys knows.
func describe(s *jsonschema.Schema, path string, index map[string]*key) {
	if k := index[path]; k != nil {
		s.Description = k.text
		for _, word := range k.enum {
			s.Enum = append(s.Enum, word)
		}
		if k.pattern != nil {
			s.Pattern = k.pattern.String()
		}
		if k.most > 0 && s.Type == "integer" {
			limit(s, k)
		}
	}
	if s.Items != nil {
		describe(s.Items, path+"[]", index)
	}
	if s.AdditionalProperties != nil && s.AdditionalProperties.Type == "object" {
		s.PropertyNames = &jsonschema.Schema{Pattern: namePattern.String()}
		describe(s.AdditionalProperties, join(path, "*"), index)
	}
	if s.Properties == nil {
		return
	}
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		child := join(path, p.Key)
		if k := index[child]; k != nil && k.required {
			s.Required = append(s.Required, p.Key)
		}
		describe(p.Value, child, index)
	}
}

func limit(s *jsonschema.Schema, k *key) {
	number := func(v int64) json.Number { b, _ := json.Marshal(v); return json.Number(b) }
	if !k.zero {
		s.Minimum, s.Maximum = number(k.least), number(k.most)
		return
	}
	s.AnyOf = []*jsonschema.Schema{{Const: 0}, {Minimum: number(k.least), Maximum: number(k.most)}}
}

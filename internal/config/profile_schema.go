package config

import (
	"encoding/json"
	"reflect"

	"github.com/invopop/jsonschema"

	"rashost/hardware"
)

// ProfileSchema returns a JSON schema (draft 2020-12) of a modem profile, for editors. hardware.Parse knows more: that a command has no
// control characters, that patterns are patterns, and the rules between keys.
func ProfileSchema() []byte {
	r := jsonschema.Reflector{
		FieldNameTag: "yaml", Anonymous: true, DoNotReference: true, RequiredFromJSONSchemaTags: true,
		Mapper: func(t reflect.Type) *jsonschema.Schema {
			if t == reflect.TypeFor[hardware.Duration]() {
				return &jsonschema.Schema{AnyOf: []*jsonschema.Schema{
					{Type: "string", Pattern: `^(0|([0-9]+(\.[0-9]+)?(ms|s|m|h))+)$`}, {Const: 0},
				}}
			}
			return nil
		},
	}
	s := r.Reflect(&hardware.Profile{})
	s.Title = "modem profile of rashost"
	s.Description = "docs/modem-profiles.md describes each key"
	s.Required = []string{"name"}
	sourced(s, "")
	for key, words := range map[string][]any{
		"dtr":     {hardware.DTRHangup, hardware.DTRReset, hardware.DTRIgnored},
		"carrier": {hardware.CarrierAuto, hardware.CarrierRequired, hardware.CarrierIgnore},
		"flow":    {hardware.FlowNone, hardware.FlowRTSCTS, hardware.FlowXONXOFF},
	} {
		property(s, key).Enum = words
	}
	for _, word := range hardware.CallerIDFormats() {
		format := property(property(s, "caller_id"), "format")
		format.Enum = append(format.Enum, word)
	}
	for _, name := range hardware.DialectNames() {
		dialect := property(s, "dialect")
		dialect.Enum = append(dialect.Enum, name)
	}
	property(s, "name").Pattern = `^[a-z0-9][a-z0-9-]{0,31}$`
	b, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		panic("config: the schema of a profile cannot be written as JSON: " + err.Error()) // a fault of the program, found by every test
	}
	return append(b, '\n')
}

// sourced demands, of everything that can have them, a source or unverified, and not both. A direct profile leaves answer and hangup
// without commands, so these two are hardware.Parse's.
func sourced(s *jsonschema.Schema, key string) {
	if s.Items != nil {
		sourced(s.Items, key)
	}
	if s.Properties == nil {
		return
	}
	if _, ok := s.Properties.Get("unverified"); ok && key != "answer" && key != "hangup" {
		s.OneOf = []*jsonschema.Schema{{Required: []string{"source"}}, {Required: []string{"unverified"}}}
	}
	for p := s.Properties.Oldest(); p != nil; p = p.Next() {
		sourced(p.Value, p.Key)
	}
}

func property(s *jsonschema.Schema, key string) *jsonschema.Schema {
	p, ok := s.Properties.Get(key)
	if !ok {
		panic("config: a profile has no key " + key) // a fault of the program, found by every test
	}
	return p
}

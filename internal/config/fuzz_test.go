package config

import (
	"os"
	"testing"
)

// FuzzLoad: whatever the file, Load ends, and either gives a configuration or says what is wrong, with a place inside the file.
func FuzzLoad(f *testing.F) {
	data, err := os.ReadFile(sample)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	for _, seed := range []string{
		good, "", "a: [", "\t", "a: &a [*a]", "? [a]: b", "lines:\n  - <<: *x\n", "--- a\n--- b\n", "x: !!binary ~", "x: \"\\xff\"", "%YAML 9.9\n---\n",
		"lines: !!int [1]", "<<: {lines: []}", "dialogs: {a: {options: {b: &c {<<: *c}}}}", "- - - - -", "\xef\xbb\xbflog: {level: info}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		cfg, faults := decode("c.yaml", "/c.yaml", data, testEnv)
		if len(faults) == 0 {
			if len(cfg.Lines) == 0 {
				t.Error("a configuration without lines was taken")
			}
			for _, l := range cfg.Lines {
				if _, ok := cfg.Dialogs[l.Dialog]; !ok {
					t.Errorf("line %q without a dialog was taken", l.Name)
				}
			}
			for _, d := range cfg.Dialogs {
				var any map[string]any
				_ = d.DecodeOptions(&any)
			}
			return
		}
		for _, fault := range faults {
			if fault.Line < 1 || fault.Column < 1 || fault.Text == "" {
				t.Errorf("a fault without a place or a text: %+v", fault)
			}
			if cfg != nil && !cfg.Faulty(fault.Path) {
				t.Errorf("%s has a fault and is not faulty", fault.Path)
			}
		}
	})
}

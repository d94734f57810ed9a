package modemsim_test

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	"rashost/port/modemsim"
)

func TestPersonalitiesLoad(t *testing.T) {
	names := modemsim.Personalities()
	if len(names) < 14 {
		t.Errorf("only %d personalities", len(names))
	}
	for _, name := range names {
		if _, err := modemsim.Personality(name); err != nil {
			t.Error(err)
		}
	}
}

// TestDocument: docs/simulator.md lists every personality and every fault.
func TestDocument(t *testing.T) {
	b, err := os.ReadFile("../../docs/simulator.md")
	if err != nil {
		t.Fatal(err)
	}
	doc := string(b)
	if count := fmt.Sprintf("There are %d.", len(modemsim.Personalities())); !strings.Contains(doc, count) {
		t.Errorf("it does not say %q", count)
	}
	for _, name := range modemsim.Personalities() {
		if row := fmt.Sprintf("| `%s` | %s |", name, modemsim.Describe(name)); !strings.Contains(doc, row) {
			t.Errorf("no row %q", row)
		}
	}
	for f := range reflect.TypeFor[modemsim.Faults]().Fields() {
		if !strings.Contains(doc, "`"+f.Name+"`") {
			t.Errorf("fault %s is not explained", f.Name)
		}
	}
}

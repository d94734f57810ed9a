package modemsim_test

import (
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

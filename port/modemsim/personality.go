package modemsim

import (
	"fmt"
	"slices"
	"strings"
)

// Personalities returns the names that Personality knows, sorted.
func Personalities() []string { return []string{"generic"} }

// Personality returns the options of a virtual modem that behaves as one family of real ones does, without delays. The error names
// those that there are.
func Personality(name string) (Options, error) {
	if !slices.Contains(Personalities(), name) {
		return Options{}, fmt.Errorf("no virtual modem is called %q: there are %s", name, strings.Join(Personalities(), ", "))
	}
	return Options{}, nil
}

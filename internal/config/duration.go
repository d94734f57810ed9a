package config

import (
	"fmt"
	"strings"
	"time"

	"gopkg.in/yaml.v3"
)

// Duration is a time in the file: "90s", "2m", "1h30m", "500ms", or a bare 0. What 0 means stands with each key.
type Duration time.Duration

const (
	millisecond = Duration(time.Millisecond)
	second      = Duration(time.Second)
	minute      = Duration(time.Minute)
	hour        = Duration(time.Hour)
)

const durationForm = `a time such as 90s, 2m or 1h30m`

// ParseDuration reads a Duration. A number without a unit is refused, except 0, and so is a negative one.
func ParseDuration(text string) (Duration, error) {
	d, err := time.ParseDuration(text)
	switch {
	case err != nil && isDigits(text):
		return 0, fmt.Errorf("%s has no unit: write %ss for seconds, or %sm for minutes", text, text, text)
	case err != nil:
		return 0, fmt.Errorf("%q is not %s", bounded(text), durationForm)
	case d < 0:
		return 0, fmt.Errorf("%s is negative: write %s", text, durationForm)
	}
	return Duration(d), nil
}

func isDigits(s string) bool {
	return s != "" && len(s) < 10 && strings.Trim(s, "0123456789") == ""
}

// UnmarshalYAML reads the text form.
func (d *Duration) UnmarshalYAML(decode func(any) error) error {
	var text string
	if err := decode(&text); err != nil {
		return err
	}
	v, err := ParseDuration(text)
	if err != nil {
		return &yaml.TypeError{Errors: []string{err.Error()}}
	}
	*d = v
	return nil
}

// MarshalYAML writes the text form.
func (d Duration) MarshalYAML() (any, error) { return d.String(), nil }

// String returns the short form: 2m instead of 2m0s.
func (d Duration) String() string {
	if d == 0 {
		return "0"
	}
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

package plugintest

import (
	"reflect"
	"strings"
	"testing"
)

const goodScript = `
# a login
good caller{n}
expect Name:
type  caller{n}
expect "Password: "
secret secret-{n}
send "\x03{n}"
bad
type x
`

func TestScript(t *testing.T) {
	s, err := ParseScript(strings.NewReader(goodScript))
	if err != nil {
		t.Fatal(err)
	}
	subject := s.Subject()
	want := Login{User: "caller7", Steps: []Step{
		Expect("Name:"), Send("caller7\r"), Expect("Password: "), SendSecret("secret-7\r"), Send("\x037"),
	}}
	if got := subject.Good(7); !reflect.DeepEqual(got, want) {
		t.Errorf("good is %+v, want %+v", got, want)
	}
	if got, want := subject.Bad(0), (Login{Steps: []Step{Send("x\r")}}); !reflect.DeepEqual(got, want) {
		t.Errorf("bad is %+v, want %+v", got, want)
	}
	if s, err = ParseScript(strings.NewReader("good x")); err != nil || s.Subject().Bad != nil || len(s.Subject().Good(0).Steps) != 0 {
		t.Errorf("a script without bad: %v", err)
	}
}

func TestFaultyScripts(t *testing.T) {
	for text, want := range map[string]string{
		"":                     "no good login",
		"bad x\ntype y":        "no good login",
		"good":                 "line 1: good needs the user",
		"\ntype x\n":           `line 2: "type" comes before`,
		"good x\ngood y":       "line 2: good comes twice",
		"good x\nbad\nbad":     "line 3: bad comes twice",
		"good x\nexpect":       "line 2: expect needs a text",
		"good x\nhello y":      `line 2: "hello" is none of`,
		"good x\nsend \"\\q\"": "is no Go string",
		"good x\nsend \"":      "is no Go string",
		"good " + strings.Repeat("x", scriptLine):            "line 1: ",
		"good x" + strings.Repeat("\ntype y", 1+scriptSteps): "256 steps at most",
	} {
		if _, err := ParseScript(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

func FuzzScript(f *testing.F) {
	f.Add(goodScript)
	f.Add("good \"a{n}\"\nbad\nsend \"\\u0000\"")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := ParseScript(strings.NewReader(text))
		if err != nil {
			return
		}
		subject := s.Subject()
		if l := subject.Good(3); l.User == "" || len(l.Steps) > scriptSteps {
			t.Errorf("%+v", l)
		}
	})
}

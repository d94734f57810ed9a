package hardware

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"gopkg.in/yaml.v3"
)

//go:embed modems/*.yaml
var modems embed.FS

// Fault is one thing wrong in a profile.
type Fault struct {
	File         string // as it was named to Parse
	Line, Column int    // from 1; 0 when the fault has no place in the file
	Path         string // such as init[2]; "" for the file as a whole
	Text         string // what is wrong, and what is allowed
}

// Error returns "file:line:column: path: text".
func (f Fault) Error() string {
	s := f.File
	if f.Line > 0 {
		s += fmt.Sprintf(":%d:%d", f.Line, f.Column)
	}
	if f.Path != "" {
		s += ": " + f.Path
	}
	return s + ": " + f.Text
}

// maxProfile is the largest profile file that is read, in bytes.
const maxProfile = 1 << 20

// Builtin returns the profiles that come with the program, sorted by name. An error is a fault of the build.
func Builtin() ([]Profile, error) {
	entries, err := modems.ReadDir("modems")
	if err != nil {
		return nil, err
	}
	var all []Profile
	for _, e := range entries {
		p, err := builtin(strings.TrimSuffix(e.Name(), ".yaml"))
		if err != nil {
			return nil, err
		}
		all = append(all, p)
	}
	return all, nil
}

// Load returns the profile of that name, or the one in the YAML file of that path (a name with a slash or ending in .yaml).
func Load(name string) (Profile, error) {
	if !strings.Contains(name, "/") && !strings.HasSuffix(name, ".yaml") {
		return builtin(name)
	}
	f, err := os.Open(name)
	if err != nil {
		return Profile{}, fmt.Errorf("modem profile: %w", err)
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxProfile+1))
	if err != nil {
		return Profile{}, fmt.Errorf("modem profile: %w", err)
	}
	if len(data) > maxProfile {
		return Profile{}, fmt.Errorf("%s: modem profile is larger than %d bytes", name, maxProfile)
	}
	return Parse(data, name)
}

func builtin(name string) (Profile, error) {
	file := "modems/" + name + ".yaml"
	data, err := modems.ReadFile(file)
	if err != nil {
		return Profile{}, fmt.Errorf("no modem profile %q: there are %s, or give the path of a YAML file", name, strings.Join(names(), ", "))
	}
	p, err := Parse(data, file)
	if err == nil && p.Name != name {
		err = fmt.Errorf("%s: name: %q does not match the file", file, p.Name)
	}
	return p, err
}

func names() []string {
	files, err := modems.ReadDir("modems")
	if err != nil {
		return nil
	}
	var all []string
	for _, f := range files {
		all = append(all, strings.TrimSuffix(path.Base(f.Name()), ".yaml"))
	}
	return all
}

// Parse reads one profile, starting from Defaults. Unknown and duplicate keys, a second document, and commands without a source are
// errors; each names filename and line, all of them are joined. Faults of the rules between values are of type Fault.
func Parse(data []byte, filename string) (Profile, error) {
	p := Defaults()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	if err := dec.Decode(&p); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the file is empty")
		}
		return Profile{}, place(filename, err)
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Profile{}, fmt.Errorf("%s: only one YAML document is allowed", filename)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return Profile{}, place(filename, err)
	}
	c := checker{file: filename, root: root.Content[0]}
	c.profile(&p)
	if err := errors.Join(c.faults...); err != nil {
		return Profile{}, err
	}
	return p, nil
}

var (
	typeFault = regexp.MustCompile(`^(?:yaml: )?line (\d+): (.*)$`)
	unknown   = regexp.MustCompile(`^field (\S+) not found in type \S+$`)
)

// place puts "file:line:" in front of each of yaml.v3's faults.
func place(filename string, err error) error {
	texts := []string{err.Error()}
	var te *yaml.TypeError
	if errors.As(err, &te) {
		texts = te.Errors
	}
	var all []error
	for _, t := range texts {
		m := typeFault.FindStringSubmatch(t)
		if m == nil {
			all = append(all, fmt.Errorf("%s: %s", filename, t))
			continue
		}
		what := m[2]
		if u := unknown.FindStringSubmatch(what); u != nil {
			what = "unknown key " + u[1]
		}
		all = append(all, fmt.Errorf("%s:%s: %s", filename, m[1], what))
	}
	return errors.Join(all...)
}

// checker finds the faults that the types do not.
type checker struct {
	file   string
	root   *yaml.Node
	faults []error
}

var nameRule = regexp.MustCompile(`^[a-z0-9][a-z0-9-]{0,31}$`)

func (c *checker) profile(p *Profile) {
	if !nameRule.MatchString(p.Name) {
		c.fault("name", "%q: use up to 32 lower case letters, digits and dashes", p.Name)
	}
	oneOf(c, "dtr", p.DTR, DTRHangup, DTRReset, DTRIgnored)
	oneOf(c, "carrier", p.Carrier, CarrierAuto, CarrierRequired, CarrierIgnore)
	oneOf(c, "flow", p.Flow, FlowNone, FlowRTSCTS, FlowXONXOFF)
	oneOf(c, "caller_id", p.CallerID.Format, "", "formatted", "raw", "ring", "fm-to", "clip")
	for _, m := range p.Match {
		if _, err := regexp.Compile(m.Pattern); err != nil || m.Query == "" || m.Pattern == "" {
			c.fault("match", "%q %q: needs a query and a valid pattern", m.Query, m.Pattern)
		}
	}
	if p.Direct {
		if len(p.Init)+len(p.Recover)+len(p.Diagnostics)+len(p.CallerID.Enable) > 0 || p.Reset.Command != "" {
			c.fault("direct", "a direct line takes no commands")
		}
		return
	}
	c.steps("init", p.Init)
	c.steps("recover", p.Recover)
	c.steps("diagnostics", p.Diagnostics)
	c.steps("caller_id", p.CallerID.Enable)
	c.known("answer", p.Answer.Command, p.Answer.Source, p.Answer.Unverified)
	c.known("hangup", p.Hangup.Command, p.Hangup.Source, p.Hangup.Unverified)
	if p.Reset.Command != "" {
		c.known("reset", p.Reset.Command, p.Reset.Source, p.Reset.Unverified)
	}
	if p.EscapeOff != "" && !slices.ContainsFunc(p.Init, func(s Step) bool { return s.Send == p.EscapeOff }) {
		c.fault("escape_off", "%q is not among init", p.EscapeOff)
	}
	if p.EscapeOff != "" && p.DTR == DTRIgnored {
		c.fault("escape_off", "with dtr: ignored the escape is the only way to hang up: leave %q out", p.EscapeOff)
	}
}

func (c *checker) steps(key string, steps []Step) {
	for i, s := range steps {
		key := fmt.Sprintf("%s[%d]", key, i)
		if !s.Raw && strings.ContainsFunc(s.Send, func(r rune) bool { return r < ' ' || r > '~' }) {
			c.fault(key, "%q: control characters need raw: true", s.Send)
		}
		if s.NoReply && s.Expect != "" {
			c.fault(key, "%q: no_reply and expect exclude each other", s.Send)
		}
		c.known(key, s.Send, s.Source, s.Unverified)
	}
}

// known demands that a command says where it is known from.
func (c *checker) known(key, send, source string, unverified bool) {
	if send == "" {
		c.fault(key, "a command is empty")
	} else if (source != "") == unverified {
		c.fault(key, "command %q: give its source, or unverified: true, not both", send)
	}
}

func oneOf[T ~string](c *checker, key string, v T, allowed ...T) {
	if !slices.Contains(allowed, v) {
		c.fault(key, "%q is unknown: allowed is one of %q", v, allowed)
	}
}

// fault notes a fault at a path such as hangup or init[2]: at its value, or at the document when it is absent.
func (c *checker) fault(path, format string, args ...any) {
	f := Fault{File: c.file, Line: c.root.Line, Column: c.root.Column, Path: path, Text: fmt.Sprintf(format, args...)}
	key, index, listed := strings.Cut(strings.TrimSuffix(path, "]"), "[")
	for i := 0; i+1 < len(c.root.Content); i += 2 {
		if c.root.Content[i].Value != key {
			continue
		}
		n := c.root.Content[i]
		if at, err := strconv.Atoi(index); listed && err == nil && at < len(c.root.Content[i+1].Content) {
			n = c.root.Content[i+1].Content[at]
		}
		f.Line, f.Column = n.Line, n.Column
	}
	c.faults = append(c.faults, f)
}

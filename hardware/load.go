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
	"time"

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
		return Profile{}, fmt.Errorf("no modem profile %.64q: there are %s, or give the path of a YAML file", name, strings.Join(Names(), ", "))
	}
	p, err := Parse(data, file)
	if err == nil && p.Name != name {
		err = fmt.Errorf("%s: name: %q does not match the file", file, p.Name)
	}
	return p, err
}

// Names returns the names of the profiles that come with the program, sorted.
func Names() []string {
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

// Parse reads one profile, starting from Defaults; an answer and a hangup that it leaves out are known from V.250. Unknown and duplicate keys, a
// second document, and commands without a source are errors; each names filename and line, all of them are joined. Faults of the rules between values
// are of type Fault. With an error comes what could be read, for those who look for more faults.
func Parse(data []byte, filename string) (Profile, error) {
	p := Defaults()
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true)
	var shape error
	if err := dec.Decode(&p); err != nil {
		if errors.Is(err, io.EOF) {
			err = errors.New("the file is empty")
		}
		shape = place(filename, err)
		if _, ok := errors.AsType[*yaml.TypeError](err); !ok {
			return Profile{}, shape
		}
	}
	if err := dec.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return Profile{}, fmt.Errorf("%s: only one YAML document is allowed", filename)
	}
	var root yaml.Node
	if err := yaml.Unmarshal(data, &root); err != nil {
		return Profile{}, place(filename, err)
	}
	c := checker{file: filename, root: root.Content[0]}
	if c.root.Kind != yaml.MappingNode {
		if shape == nil { // null fits everything
			shape = fmt.Errorf("%s:%d: a profile must be a mapping: keys with values", filename, c.root.Line)
		}
		return Profile{}, shape
	}
	if !c.has("answer") {
		p.Answer.Source = "ITU-T V.250, 6.3.5"
	}
	if !c.has("hangup") {
		p.Hangup.Source = "ITU-T V.250, 6.3.6, and the customary escape of Hayes"
	}
	c.profile(&p)
	return p, errors.Join(shape, errors.Join(c.faults...))
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

// CallerIDFormats returns the words of CallerID.Format.
func CallerIDFormats() []string {
	return []string{"formatted", "raw", "ring", "fm-to", "clip", "digits"}
}

func (c *checker) profile(p *Profile) {
	if !nameRule.MatchString(p.Name) {
		c.fault("name", "%q: use up to 32 lower case letters, digits and dashes", p.Name)
	}
	oneOf(c, "dtr", p.DTR, DTRHangup, DTRReset, DTRIgnored)
	oneOf(c, "carrier", p.Carrier, CarrierAuto, CarrierRequired, CarrierIgnore)
	oneOf(c, "flow", p.Flow, FlowNone, FlowRTSCTS, FlowXONXOFF)
	oneOf(c, "caller_id", p.CallerID.Format, append([]string{""}, CallerIDFormats()...)...)
	oneOf(c, "dialect", p.Dialect, append([]string{""}, dialectNames...)...)
	c.knowledge(p)
	if p.Direct {
		if len(p.Init)+len(p.Recover)+len(p.Diagnostics)+len(p.CallerID.Enable)+len(p.Match)+len(p.ReadBack) > 0 ||
			p.Reset.Command+p.OffHook.Send+p.DistinctiveRing.Send != "" {
			c.fault("direct", "a direct line takes no commands")
		}
		return
	}
	c.atMost("command_delay", "", p.CommandDelay, maxPause)
	c.atMost("command_timeout", "", p.CommandTimeout, maxCommand)
	c.atMost("reset", "delay", p.Reset.Delay, maxPause)
	c.atMost("hangup", "dtr_time", p.Hangup.DTRTime, maxPause)
	c.atMost("hangup", "guard", p.Hangup.Guard, maxPause)
	c.atMost("answer", "timeout", p.Answer.Timeout, maxAnswer)
	c.single("off_hook", p.OffHook)
	c.single("distinctive_ring", p.DistinctiveRing)
	c.steps("init", p.Init)
	c.steps("recover", p.Recover)
	c.steps("diagnostics", p.Diagnostics)
	c.steps("caller_id", p.CallerID.Enable)
	c.plain("answer", p.Answer.Command)
	c.plain("hangup", p.Hangup.Command)
	c.plain("reset", p.Reset.Command)
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

// knowledge checks what is known of the family, besides its commands.
func (c *checker) knowledge(p *Profile) {
	for i, m := range p.Match {
		key := fmt.Sprintf("match[%d]", i)
		c.question(key, m.Query, m.Pattern, m.Source, m.Unverified)
		if m.Weight < 0 || m.Weight > 100 {
			c.fault(key, "weight %d is out of range: 1 to 100", m.Weight)
		}
	}
	for i, r := range p.ReadBack {
		key := fmt.Sprintf("read_back[%d]", i)
		c.question(key, r.Query, r.Pattern, r.Source, r.Unverified)
		if r.Means == "" {
			c.fault(key, "%q: say in means what the answer shows", r.Query)
		}
	}
	for i, r := range p.Replies {
		c.known(fmt.Sprintf("replies[%d]", i), r.Text, r.Source, r.Unverified)
	}
	for i, t := range p.Traps {
		c.known(fmt.Sprintf("traps[%d]", i), t.Text, t.Source, t.Unverified)
	}
	if len(p.ResultCodes) > 0 && (p.ResultCodesSource != "") == p.ResultCodesUnverified {
		c.fault("result_codes", "give result_codes_source, or result_codes_unverified: true, not both")
	}
}

// question checks what is asked of a modem and the pattern of its answer.
func (c *checker) question(key, query, pattern, source string, unverified bool) {
	if _, err := regexp.Compile(pattern); err != nil || query == "" || pattern == "" {
		c.fault(key, "%q %q: needs a query and a valid pattern", query, pattern)
		return
	}
	c.plain(key, query)
	c.known(key, query, source, unverified)
}

// plain refuses control characters: a command with CR in it would be two.
func (c *checker) plain(key, command string) {
	if strings.ContainsFunc(command, func(r rune) bool { return r < ' ' || r > '~' }) {
		c.fault(key, "%q: control characters need raw: true", command)
	}
}

func (c *checker) steps(key string, steps []Step) {
	for i, s := range steps {
		c.step(fmt.Sprintf("%s[%d]", key, i), s)
	}
}

// single checks a step that may be left out.
func (c *checker) single(key string, s Step) {
	if s != (Step{}) {
		c.step(key, s)
	}
}

func (c *checker) step(key string, s Step) {
	if !s.Raw {
		c.plain(key, s.Send)
	}
	c.atMost(key, "delay_after", s.DelayAfter, maxPause)
	c.atMost(key, "timeout", s.Timeout, maxCommand)
	if s.NoReply && s.Expect != "" {
		c.fault(key, "%q: no_reply and expect exclude each other", s.Send)
	}
	c.known(key, s.Send, s.Source, s.Unverified)
}

// The longest times of a profile: a set-up has a minute for all its commands.
const (
	maxPause   = Duration(30 * time.Second)
	maxCommand = Duration(time.Minute)
	maxAnswer  = Duration(10 * time.Minute)
)

func (c *checker) atMost(key, part string, d, most Duration) {
	if d > most {
		c.fault(key, "%s is too long: at most %s is allowed", strings.TrimSpace(part+" "+d.String()), most)
	}
}

// known demands that a command says where it is known from.
func (c *checker) known(key, send, source string, unverified bool) {
	if send == "" {
		c.fault(key, "a command or a text is empty")
	} else if (source != "") == unverified {
		c.fault(key, "%q: give its source, or unverified: true, not both", send)
	}
}

func oneOf[T ~string](c *checker, key string, v T, allowed ...T) {
	if !slices.Contains(allowed, v) {
		c.fault(key, "%q is unknown: allowed is one of %q", v, allowed)
	}
}

// has says whether the document has a key.
func (c *checker) has(key string) bool {
	for i := 0; i+1 < len(c.root.Content); i += 2 {
		if c.root.Content[i].Value == key {
			return true
		}
	}
	return false
}

// fault notes a fault at a path such as hangup or init[2].
func (c *checker) fault(path, format string, args ...any) {
	c.faults = append(c.faults, placed(c.file, c.root, path, fmt.Sprintf(format, args...)))
}

// placed is a fault at the value of a path, or at the document when it is absent.
func placed(file string, root *yaml.Node, path, text string) Fault {
	f := Fault{File: file, Line: root.Line, Column: root.Column, Path: path, Text: text}
	key, index, listed := strings.Cut(strings.TrimSuffix(path, "]"), "[")
	if top, _, deeper := strings.Cut(key, "."); deeper {
		key, listed = top, false
	}
	for i := 0; i+1 < len(root.Content); i += 2 {
		if root.Content[i].Value != key {
			continue
		}
		n := root.Content[i]
		if at, err := strconv.Atoi(index); listed && err == nil && at < len(root.Content[i+1].Content) {
			n = root.Content[i+1].Content[at]
		}
		f.Line, f.Column = n.Line, n.Column
	}
	return f
}

package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"golang.org/x/term"

	"rashost/hardware"
	"rashost/internal/caller"
	"rashost/internal/dialout"
	"rashost/plugin/sasl/client"
	"rashost/port"
)

// The bounds of flags.
const (
	minCallTimeout, maxCallTimeout = time.Second, time.Hour
	maxRedial                      = 100
	maxCallScript                  = 64 << 10 // bytes
)

// prepareCall makes a call of the flags, or says what is wrong with them. Nothing is opened but the script.
func (a *app) prepareCall(f *callFlags) (*dialout.Call, error) {
	if in, ok := a.stdin.(*os.File); ok {
		f.stdinIsTerminal = term.IsTerminal(int(in.Fd()))
	}
	c := &dialout.Call{Stderr: a.stderr, Command: f.command, Target: dialout.Target{Device: f.device}}
	c.Stdin, _ = a.stdin.(*os.File)
	c.Stdout, _ = a.stdout.(*os.File)
	for _, step := range []func(*dialout.Call, *callFlags) error{a.callModem, a.callTarget, a.callLogin, a.callThen} {
		if err := step(c, f); err != nil {
			return nil, err
		}
	}
	say := func(text string) { fmt.Fprintln(a.stderr, onScreen(text)) }
	if !f.quiet {
		c.Progress = say
	}
	if f.verbose {
		c.Received = func(text string) { say("< " + text) }
	}
	return c, nil
}

// forbid names the flags of names that were given.
func (f *callFlags) forbid(why string, names ...string) error {
	if i := slices.IndexFunc(names, f.given); i >= 0 {
		return fmt.Errorf("--%s: %s", names[i], why)
	}
	return nil
}

// callModem finds the modem that dials.
func (a *app) callModem(c *dialout.Call, f *callFlags) error {
	if f.timeout < minCallTimeout || f.timeout > maxCallTimeout {
		return fmt.Errorf("--timeout %v: must be %v to %v", f.timeout, minCallTimeout, maxCallTimeout)
	}
	if !f.given("number") {
		if f.given("modem") && f.modem != "none" {
			return errors.New("--modem: there is no --number to dial; for a line without a modem leave it out, or say --modem none")
		}
		return f.forbid("there is no --number to dial", "redial", "redial-after")
	}
	if err := dialout.CheckNumber(f.number); err != nil {
		return fmt.Errorf("--number: %w", err)
	}
	name := f.modem
	if name == "" || name == "auto" {
		name = "generic"
	}
	p, err := hardware.Load(name)
	switch {
	case err != nil:
		return fmt.Errorf("--modem: %w", err)
	case p.Direct:
		return fmt.Errorf("--number: a direct line (--modem %s) has no modem that could dial", name)
	case f.redial < 0 || f.redial > maxRedial:
		return fmt.Errorf("--redial %d: must be 0 to %d", f.redial, maxRedial)
	case f.redialAfter < 0 || f.redialAfter > maxCallTimeout:
		return fmt.Errorf("--redial-after %v: must be 0 to %v", f.redialAfter, maxCallTimeout)
	}
	c.Modem = &dialout.Modem{Profile: p, Number: f.number, Timeout: f.timeout, Redial: f.redial, Pause: f.redialAfter}
	return nil
}

// callTarget finds the line.
func (a *app) callTarget(c *dialout.Call, f *callFlags) error {
	if name, ok := strings.CutPrefix(f.device, "sim:"); ok {
		if err := f.forbid("a virtual modem is called as a telephone is: leave it out", "number", "modem", "baud", "parity", "flow"); err != nil {
			return err
		}
		if name == "" || strings.ContainsAny(name, "/\x00") {
			return fmt.Errorf("%q is no name of a virtual modem", f.device)
		}
		at, err := a.places()
		if err != nil {
			return fmt.Errorf("%s: the state folder of the host is not known: %w", f.device, err)
		}
		c.Target.Telephone = filepath.Join(at.StateDir, "sim", name+".sock")
		return nil
	}
	if strings.HasPrefix(f.device, "pty:") {
		return fmt.Errorf("%s is how a host makes a pty: leave pty: out", f.device)
	}
	if f.device == dialout.OnStandardInput {
		return f.forbid("a line on standard input keeps its settings: set them where it was opened", "baud", "parity", "flow")
	}
	for _, word := range []struct {
		flag, is string
		allowed  []string
	}{{"parity", f.parity, []string{"none", "even", "odd", "mark", "space"}}, {"flow", f.flow, []string{"", "none", "rtscts", "xonxoff"}}} {
		if !slices.Contains(word.allowed, word.is) {
			return fmt.Errorf("--%s %q: allowed are %s", word.flag, word.is, strings.TrimPrefix(strings.Join(word.allowed, ", "), ", "))
		}
	}
	line := port.LineConfig{Baud: f.baud, Parity: f.parity, Flow: f.flow}
	if c.Modem != nil {
		line.Profile = &c.Modem.Profile
	}
	if f.baud < 1 {
		return fmt.Errorf("--baud %d: must be 1 to %d", f.baud, port.MaxBaud)
	}
	c.Target.Settings = line.Settings()
	c.Target.Lock.Log = a.callLog(f)
	if err := c.Target.Settings.Validate(); err != nil {
		return fmt.Errorf("--baud: %w", err)
	}
	return nil
}

// callLogin finds the login.
func (a *app) callLogin(c *dialout.Call, f *callFlags) error {
	byScript, bySASL := f.given("script"), f.given("sasl")
	if byScript && bySASL {
		return errors.New("--script and --sasl: only one of them can log in")
	}
	if !bySASL {
		if err := f.forbid("it is for --sasl", "user", "profile", "allow-plain", "verbose"); err != nil {
			return err
		}
	}
	if !byScript && !bySASL {
		return f.forbid("there is no login: say --script or --sasl", "secret-file", "secret-fd")
	}
	if err := a.checkSecretFlags(f); err != nil {
		return err
	}
	c.Login = &dialout.Login{Timeout: f.timeout}
	if byScript {
		script, err := a.readCallScript(f.script)
		c.Login.Script = script
		return err
	}
	mechanism := strings.ToUpper(f.sasl)
	switch {
	case !slices.Contains(client.Mechanisms(), mechanism):
		return fmt.Errorf("--sasl=%s: there are %s", f.sasl, strings.Join(client.Mechanisms(), ", "))
	case mechanism == client.PLAIN && !f.allowPlain:
		return errors.New("--sasl=PLAIN tells the far end your secret, whoever that is: say --allow-plain too if you want that")
	case f.user == "":
		return errors.New("--sasl: say with --user who logs in")
	}
	profiles := []client.Profile{client.Auto, client.POP3, client.SMTP}
	if !slices.Contains(profiles, client.Profile(f.profile)) {
		return fmt.Errorf("--profile %q: allowed are auto, pop3, smtp", f.profile)
	}
	c.Login.Mechanism, c.Login.User, c.Login.Profile = mechanism, f.user, client.Profile(f.profile)
	return nil
}

// readCallScript reads a login script.
func (a *app) readCallScript(path string) (*caller.Script, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("--script: %w", err)
	}
	defer file.Close()
	text, err := io.ReadAll(io.LimitReader(file, maxCallScript+1))
	if err != nil {
		return nil, fmt.Errorf("--script: %w", err)
	}
	script, err := caller.ParseScript(path, text)
	if err != nil {
		return nil, err
	}
	if slices.ContainsFunc(script.Steps, func(s caller.Step) bool { return s.Verb == caller.Secret && s.Text != "" }) {
		a.warnReadable(file, "the script holds a secret")
	}
	return &script, nil
}

// callThen finds what happens with the line.
func (a *app) callThen(c *dialout.Call, f *callFlags) error {
	then, onStdin := dialout.Then(f.then), f.device == dialout.OnStandardInput
	switch {
	case len(f.command) > 0 && f.given("then"):
		return errors.New("--then: a COMMAND says already what happens then")
	case len(f.command) > 0:
		if _, err := exec.LookPath(f.command[0]); err != nil {
			return fmt.Errorf("COMMAND: %w", err)
		}
		then = dialout.Command
	case !f.given("then") && onStdin:
		then = dialout.Exit
	case !f.given("then") && f.stdinIsTerminal:
		then = dialout.Terminal
	case !f.given("then"):
		return errors.New("standard input is no terminal: say --then exit, or a COMMAND behind --")
	case then == dialout.Terminal && onStdin:
		return errors.New("--then terminal: the line itself is on standard input")
	case then == dialout.Terminal && !f.stdinIsTerminal:
		return errors.New("--then terminal: standard input is no terminal")
	case then == dialout.Exit && c.Target.Telephone != "":
		return errors.New("--then exit: a call to a virtual modem ends with this program; give a COMMAND behind --")
	case then != dialout.Terminal && then != dialout.Exit:
		return fmt.Errorf("--then %q: allowed are terminal and exit", f.then)
	}
	if then == dialout.Terminal && f.secretFD == 0 {
		return errors.New("--secret-fd 0: standard input is your terminal")
	}
	c.Then = then
	c.Group = !onStdin && !hasTerminal()
	return nil
}

// hasTerminal says whether there is a controlling terminal, whose job control a process group of its own would put a COMMAND in the back of.
func hasTerminal() bool {
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR|unix.O_NOCTTY, 0)
	if err == nil {
		_ = tty.Close()
	}
	return err == nil
}

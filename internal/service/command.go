package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"rashost/port"
)

// DefaultGrace is how long a process gets between the hang-up and SIGKILL.
const DefaultGrace = 5 * time.Second

// CommandConfig is a program on a pty of its own.
type CommandConfig struct {
	// Command is the program, an absolute path or a name found in the standard folders, and its arguments. No shell is involved.
	Command []string
	// RunAs is the account that the program runs as. As root it must be given, and root itself be written out; otherwise it must
	// exist, and the program runs as ourselves.
	RunAs string
	// Env is added to the environment, "NAME=value"; it wins over what is there.
	Env []string
	// Term is the caller's terminal type; "" means vt100.
	Term string
	// Rows and Columns are the terminal's size; 0 means 24 and 80.
	Rows, Columns uint16
	// Grace is the time between the hang-up of the pty (SIGHUP) and SIGKILL; 0 means DefaultGrace.
	Grace time.Duration
	// State is the folder in which running programs are noted, for EndStrays; "": nowhere.
	State  string
	Limits Limits
	Log    *slog.Logger
}

type commandService struct {
	cfg     CommandConfig
	program string
	account account
}

// NewCommand returns a service that runs a program. The error names everything that is wrong with cfg.
func NewCommand(cfg CommandConfig) (Service, error) {
	s := &commandService{cfg: cfg}
	var faults []error
	fault := func(err error) {
		if err != nil {
			faults = append(faults, err)
		}
	}
	var err error
	if len(cfg.Command) == 0 {
		fault(Fault{"command", errors.New("is empty: give the program and its arguments")})
	} else {
		if s.program, err = findProgram(cfg.Command[0]); err != nil {
			fault(Fault{"command", err})
		}
	}
	s.account, err = findAccount(cfg.RunAs, os.Geteuid())
	fault(err)
	for _, v := range cfg.Env {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" || strings.ContainsRune(v, 0) {
			fault(Fault{"env", fmt.Errorf("%q must be NAME=value", v)})
		}
	}
	if cfg.Grace < 0 {
		fault(Fault{"grace", fmt.Errorf("%s can't be negative", cfg.Grace)})
	}
	fault(cfg.Limits.Validate())
	return s, errors.Join(faults...)
}

// findProgram looks a program up in the folders that its environment will name.
func findProgram(name string) (string, error) {
	if strings.Contains(name, "/") {
		if !filepath.IsAbs(name) {
			return "", fmt.Errorf("%q must be an absolute path or a name without a slash", name)
		}
		path, err := exec.LookPath(name)
		if err != nil {
			return "", fmt.Errorf("%q can't be run: give the absolute path of a program: %w", name, unwrapped(err))
		}
		return path, nil
	}
	for _, dir := range filepath.SplitList(searchPath) {
		if path, err := exec.LookPath(filepath.Join(dir, name)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%q is not in %s: give its absolute path", name, searchPath)
}

// unwrapped is err without the name that package exec puts in front once more.
func unwrapped(err error) error {
	if e, ok := errors.AsType[*exec.Error](err); ok {
		return e.Err
	}
	return err
}

// Run implements Service.
func (s *commandService) Run(ctx context.Context, c Conn, who Caller) Result {
	if err := CheckUser(who.User); err != nil {
		return refuse(err)
	}
	rows, columns := s.cfg.Rows, s.cfg.Columns
	if rows == 0 {
		rows = 24
	}
	if columns == 0 {
		columns = 80
	}
	p, err := start(program{
		path: s.program, args: s.cfg.Command, env: environment(s.cfg, s.account, who), dir: s.account.dir(), account: s.account,
		rows: rows, columns: columns,
	})
	if err != nil {
		apologise(c)
		return Result{Cause: port.ServiceUnavailable, Reason: "the command could not be started", Err: err}
	}
	log := logger(s.cfg.Log).With("line", who.Line, "call", who.CallID)
	defer forgetStray(noteStray(s.cfg.State, strayNote{PID: p.cmd.Process.Pid, Session: true, Line: who.Line, CallID: who.CallID}, log))
	res, end := p.session(ctx, c, who, s.cfg.Limits, s.cfg.Grace, log)
	if end.by == byPeer {
		if p.signalled() {
			res.Cause, res.Reason = port.LostService, "the command was killed: "+res.Exit
		} else {
			res.Cause, res.Reason = port.UserRequest, "the command ended with status "+res.Exit
		}
	}
	return res
}

// environment is all that the program gets to see.
func environment(cfg CommandConfig, a account, who Caller) []string {
	term := cfg.Term
	if term == "" {
		term = "vt100"
	}
	env := []string{
		"PATH=" + searchPath, "TERM=" + term, "LANG=C.UTF-8", "HOME=" + a.home, "USER=" + a.name, "LOGNAME=" + a.name, "SHELL=/bin/sh",
	}
	return append(append(env, callerEnv(who)...), cfg.Env...)
}

// callerEnv tells a program who is calling.
func callerEnv(who Caller) []string {
	return []string{
		"RASHOST_USER=" + who.User, "RASHOST_DOMAIN=" + tame(who.Domain), "RASHOST_LINE=" + tame(who.Line),
		"RASHOST_CALL=" + tame(who.CallID), "RASHOST_CALLER_ID=" + tame(who.CallerID), "RASHOST_CONNECT=" + tame(who.Connect),
	}
}

// tame makes text of the telephone network harmless for scripts: everything but letters, digits and a few signs becomes "_".
func tame(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' || strings.ContainsRune(" +*#.,:/_@-", r) {
			return r
		}
		return '_'
	}, s[:min(len(s), 128)])
}

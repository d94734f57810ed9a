package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"rashost/port"
)

// DefaultPPPD is where pppd is customarily installed.
const DefaultPPPD = "/usr/sbin/pppd"

// PPPConfig is pppd on a pty of its own.
type PPPConfig struct {
	// Path is pppd's; "" means DefaultPPPD.
	Path string
	// Options are given to pppd after "nodetach local nolock": the host itself watches the carrier and holds the lock.
	Options []string
	// Grace is the time between the hang-up of the pty and SIGKILL; 0 means DefaultGrace.
	Grace time.Duration
	// Limits of the session; no warning is given, the caller is a program.
	Limits Limits
	Log    *slog.Logger
}

type pppService struct {
	cfg    PPPConfig
	kernel func() error // says why the kernel can't do PPP
}

// NewPPP returns a service that runs pppd. The error names everything that is wrong with cfg.
func NewPPP(cfg PPPConfig) (Service, error) {
	if cfg.Path == "" {
		cfg.Path = DefaultPPPD
	}
	cfg.Limits.WarningBefore = 0
	path, err := findProgram(cfg.Path)
	cfg.Path = path
	if err != nil {
		err = Fault{"type", fmt.Errorf("ppp needs pppd (Debian package ppp): %w", err)}
	}
	var graceErr error
	if cfg.Grace < 0 {
		graceErr = Fault{"grace", fmt.Errorf("%s can't be negative", cfg.Grace)}
	}
	return &pppService{cfg: cfg, kernel: kernelPPP}, errors.Join(err, graceErr, cfg.Limits.Validate())
}

// kernelPPP says whether the kernel has PPP. pppd may be allowed what we are not: only what is not there counts.
func kernelPPP() error {
	f, err := os.OpenFile("/dev/ppp", os.O_RDWR, 0)
	if err == nil {
		f.Close()
		return nil
	}
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENXIO) || errors.Is(err, unix.ENODEV) {
		return fmt.Errorf("the kernel has no PPP (load the module ppp_generic): %w", err)
	}
	return nil
}

// Run implements Service.
func (s *pppService) Run(ctx context.Context, c Conn, who Caller) Result {
	if err := CheckUser(who.User); err != nil {
		return refuse(err)
	}
	if err := s.kernel(); err != nil {
		apologise(c)
		return Result{Cause: port.ServiceUnavailable, Reason: "the kernel of this machine has no PPP", Err: err}
	}
	args := slices.Concat([]string{s.cfg.Path, "nodetach", "local", "nolock"}, s.cfg.Options)
	env := append([]string{"PATH=" + searchPath, "LANG=C.UTF-8"}, callerEnv(who)...)
	p, err := start(program{path: s.cfg.Path, args: args, env: env, dir: "/", raw: true})
	if err != nil {
		apologise(c)
		return Result{Cause: port.ServiceUnavailable, Reason: "pppd could not be started", Err: err}
	}
	res, end := p.session(ctx, c, who, s.cfg.Limits, s.cfg.Grace, logger(s.cfg.Log).With("line", who.Line, "call", who.CallID))
	if end.by == byPeer {
		res.Cause, res.Reason = pppExit(p)
	}
	return res
}

// pppExits are pppd's exit codes (pppd(8), "EXIT STATUS") and what they mean for the record, as pppd's own RADIUS plugin maps them.
var pppExits = [...]struct {
	cause port.TerminateCause
	text  string
}{
	0:  {port.UserRequest, "PPP ended regularly"},
	1:  {port.NASError, "pppd met a fatal error"},
	2:  {port.NASError, "pppd does not accept its options"},
	3:  {port.NASError, "pppd is not allowed to run: it needs root"},
	4:  {port.NASError, "pppd says that the kernel has no PPP"},
	5:  {port.AdminReset, "pppd was ended by a signal"},
	6:  {port.PortError, "pppd could not lock the line"},
	7:  {port.PortError, "pppd could not open the line"},
	8:  {port.LostCarrier, "pppd's connect script failed"},
	9:  {port.PortError, "pppd could not run its pty command"},
	10: {port.ServiceUnavailable, "PPP could not be agreed on"},
	11: {port.ServiceUnavailable, "the caller failed to authenticate in PPP"},
	12: {port.IdleTimeout, "PPP was idle too long"},
	13: {port.SessionTimeout, "PPP lasted as long as it may"},
	14: {port.Callback, "the caller is to be called back"},
	15: {port.LostCarrier, "the caller does not answer any more"},
	16: {port.LostCarrier, "the line was hung up"},
	17: {port.NASError, "the line echoes what it is sent"},
	18: {port.PortError, "pppd's init script failed"},
	19: {port.ServiceUnavailable, "we failed to authenticate to the caller"},
	20: {port.NASRequest, "PPP has carried as many octets as it may"},
	21: {port.NASError, "the caller's number is not allowed"},
}

// pppExit translates how pppd ended.
func pppExit(p *process) (port.TerminateCause, string) {
	code := p.cmd.ProcessState.ExitCode()
	switch {
	case p.signalled():
		return port.NASError, "pppd was killed: " + p.exit()
	case code < 0 || code >= len(pppExits):
		return port.NASError, fmt.Sprintf("pppd ended with the unknown code %d", code)
	default:
		return pppExits[code].cause, fmt.Sprintf("%s (pppd exit %d)", pppExits[code].text, code)
	}
}

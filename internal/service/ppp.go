package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"rashost/internal/pppd"
	"rashost/plugin/users"
	"rashost/port"
)

// DefaultPPPD is where pppd is customarily installed.
const DefaultPPPD = "/usr/sbin/pppd"

// PPPConfig is pppd, on a pty of its own or straight on the caller's tty.
type PPPConfig struct {
	// Path is pppd's; "" means DefaultPPPD.
	Path string
	// Options are given to pppd before our own, which docs/ppp.md lists: the host itself watches the line and holds its locks.
	Options []string
	// Direct gives the caller's tty itself to pppd, where the line has one.
	Direct bool
	// PeerCheck: the name that the caller gives in PPP must be the one that the dialog let in, and pppd's ip-pre-up must ask for it. Without
	// it the name is written down only.
	PeerCheck bool
	// Links is where that hook finds the session; nil means none of its own, so that no hook can report.
	Links *PPPLinks
	// Control is the path of the control socket, for the hook. "": no hook is told of it.
	Control string
	// State is the folder in which running pppds are noted, for EndStrays; "": nowhere.
	State string
	// Dir is the folder of pppd's files; "" means pppd.Dir.
	Dir string
	// Grace is the time between the hang-up and SIGKILL; 0 means DefaultGrace.
	Grace time.Duration
	// Limits of the session; no warning is given, the caller is a program.
	Limits Limits
	Log    *slog.Logger
}

type pppService struct {
	cfg    PPPConfig
	noauth bool          // the options let a caller go without a name
	exit   time.Duration // exitTime
	kernel func() error  // says why the kernel can't do PPP
}

// NewPPP returns a service that runs pppd. The error names everything that is wrong with cfg.
func NewPPP(cfg PPPConfig) (Service, error) {
	if cfg.Path == "" {
		cfg.Path = DefaultPPPD
	}
	if cfg.Dir == "" {
		cfg.Dir = pppd.Dir
	}
	if cfg.Links == nil {
		cfg.Links = &PPPLinks{}
	}
	if cfg.Grace == 0 {
		cfg.Grace = DefaultGrace
	}
	cfg.Limits.WarningBefore = 0
	s := &pppService{cfg: cfg, noauth: pppd.NoAuth(pppd.Parse(cfg.Options)), exit: exitTime, kernel: kernelPPP}
	var faults []error
	path, err := findProgram(cfg.Path)
	if err != nil {
		faults = append(faults, Fault{"type", fmt.Errorf("ppp needs pppd (Debian package ppp): %w", err)})
	} else if err := s.hooked(); err != nil {
		faults = append(faults, Fault{"peer", err})
	}
	s.cfg.Path = path
	if cfg.Grace < 0 {
		faults = append(faults, Fault{"grace", fmt.Errorf("%s can't be negative", cfg.Grace)})
	}
	return s, errors.Join(append(faults, cfg.Limits.Validate())...)
}

// hooked says why the name in PPP can't be checked, though it must; nil when it can, or need not.
func (s *pppService) hooked() error {
	if !s.cfg.PeerCheck || s.noauth {
		return nil
	}
	if err := pppd.Hooked(s.cfg.Dir); err != nil {
		return fmt.Errorf("%w; or set peer: record, and the name in PPP is not compared", err)
	}
	return nil
}

// Remarks names what pppd's own files open more than the configuration shows.
func (s *pppService) Remarks() []Fault {
	var all []Fault
	file := s.cfg.Dir + "/options"
	list, err := pppd.ReadFile(file)
	if err != nil {
		return []Fault{{"options", fmt.Errorf("%s can't be read: what it says counts for this service, too: %w", file, err)}}
	}
	for _, o := range list {
		if does := openOption(o.Name); does != "" {
			all = append(all, Fault{"options", fmt.Errorf("%s has %s, which counts here, too: %s", file, o.Name, does)})
		}
	}
	return all
}

// openOption says what an option of pppd's own files leaves open; "" for nothing.
func openOption(name string) string {
	switch name {
	case "noauth":
		return "a caller need not say in PPP who they are"
	case "show-password":
		return "passwords are written to the system's log"
	case "persist", "demand", "multilink", "mp":
		return "a link is not over when the call is: remove it there"
	}
	return ""
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
	if err := s.hooked(); err != nil { // it was there when the host started
		apologise(c)
		return Result{Cause: port.ServiceUnavailable, Reason: "the name in PPP can't be checked", Err: err}
	}
	if s.cfg.Direct {
		if res, ok := s.runDirect(ctx, c, who); ok {
			return res
		}
	}
	return s.runRelay(ctx, c, who)
}

// runRelay runs pppd on a pty of its own.
func (s *pppService) runRelay(ctx context.Context, c Conn, who Caller) Result {
	link := s.newLink(who)
	p, err := link.start(program{args: s.arguments(who, nil), raw: true})
	if err != nil {
		apologise(c)
		return Result{Cause: port.ServiceUnavailable, Reason: "pppd could not be started", Err: err}
	}
	res, end := p.session(ctx, c, who, s.cfg.Limits, s.cfg.Grace, link.log)
	link.over()
	if end.by == byPeer && link.stoppedWithUs(ctx) {
		res.Reason, end.by = "the call ended", byContext
	}
	return link.result(p, res, end.by == byPeer)
}

// arguments are pppd's, with its name. tty is nil for a pty. Later words win: ours can't be undone by those of the configuration.
func (s *pppService) arguments(who Caller, tty *lentTTY) []string {
	args := []string{s.cfg.Path}
	if tty != nil {
		args = append(args, tty.node)
	}
	args = append(args, "lcp-echo-interval", "30", "lcp-echo-failure", "4") // a caller who has gone is noticed, unless the configuration knows better
	if s.cfg.Limits.Idle > 0 {
		args = append(args, "idle", seconds(s.cfg.Limits.Idle))
	}
	if s.cfg.Limits.Absolute > 0 {
		args = append(args, "maxconnect", seconds(s.cfg.Limits.Absolute))
	}
	args = append(args, s.cfg.Options...)
	args = append(args, "nodetach", "nopersist", "logfd", "2")
	switch {
	case tty == nil || !tty.carrier:
		args = append(args, "local")
	default:
		args = append(args, "modem")
	}
	if tty != nil && tty.xonxoff {
		args = append(args, "xonxoff")
	}
	if os.Geteuid() == 0 {
		args = append(args, "nolock") // others may not say so, and need not: pppd does not lock its standard input
	}
	if s.cfg.PeerCheck {
		args = append(args, "noipv6") // it would carry data before anybody asks for the name
		if !s.noauth {
			args = append(args, "auth")
		}
	}
	if s.cfg.Control != "" {
		args = append(args, "set", "RASHOST_CONTROL="+s.cfg.Control)
	}
	return append(args, "set", "RASHOST_CALL="+who.CallID, "set", "RASHOST_LINE="+who.Line, "set", "RASHOST_USER="+who.User)
}

func seconds(d time.Duration) string { return fmt.Sprint(int64((d + time.Second - 1) / time.Second)) }

// pppEnvironment is pppd's own; what its scripts get, pppd decides.
func pppEnvironment(who Caller) []string {
	return append([]string{"PATH=" + searchPath, "LANG=C.UTF-8"}, callerEnv(who)...)
}

// samePeer says whether the name that a caller gave in PPP is that of the dialog. MS-CHAP callers put DOMAIN\ before it.
func samePeer(peer string, who Caller) bool {
	domain, name, qualified := strings.Cut(peer, `\`)
	if !qualified {
		return users.Fold(peer) == users.Fold(who.User)
	}
	return who.Domain != "" && users.Fold(domain) == users.Fold(who.Domain) && users.Fold(name) == users.Fold(who.User)
}

package service

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"rashost/plugin"
	"rashost/port"
)

// pppLink is one running pppd: what its hook has asked, what it says, and what became of it.
type pppLink struct {
	s     *pppService
	who   Caller
	log   *slog.Logger
	tty   *lentTTY // nil: a pty
	p     *process
	said  chan struct{} // closed when pppd's words are at their end
	stray string        // the file that EndStrays would read

	mu       sync.Mutex
	asked    bool   // the hook has asked, and pppd may go on
	up       bool   // the link has carried data
	refusal  string // why the host ended it; "" when it did not
	event    plugin.EventID
	cause    port.TerminateCause // of refusal, or what pppd's last words mean
	counted  bool                // pppd has told the octets
	in, out  uint64
	complain string      // what else pppd said last
	overdue  *time.Timer // pppd has said that it ends
}

func (s *pppService) newLink(who Caller) *pppLink {
	return &pppLink{s: s, who: who, said: make(chan struct{}), log: logger(s.cfg.Log).With("line", who.Line, "call", who.CallID)}
}

// start starts pppd on a pty.
func (l *pppLink) start(prog program) (*process, error) {
	return l.begin(func(words *os.File) (*process, error) {
		prog.path, prog.env, prog.dir, prog.stderr = l.s.cfg.Path, pppEnvironment(l.who), "/", words
		return start(prog)
	})
}

// startOn starts pppd on the caller's tty: in a group of its own, but in our session, so that the tty is nobody's controlling terminal and
// survives pppd's end. If we are killed, pppd goes, too.
func (l *pppLink) startOn(tty *lentTTY) (*process, error) {
	l.tty = tty
	return l.begin(func(words *os.File) (*process, error) {
		return launch(&exec.Cmd{
			Path: l.s.cfg.Path, Args: l.s.arguments(l.who, tty), Env: pppEnvironment(l.who), Dir: "/",
			Stdin: tty.file, Stdout: words, Stderr: words,
			SysProcAttr: &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}, // of the thread that forks; Go keeps its threads
		})
	})
}

// begin starts pppd with its words on a pipe, and makes it known.
func (l *pppLink) begin(start func(words *os.File) (*process, error)) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	l.s.cfg.Links.starting.Lock() // a hook that is quicker than we waits until its pppd is known
	defer l.s.cfg.Links.starting.Unlock()
	l.p, err = start(w)
	w.Close()
	if err != nil {
		r.Close()
		return nil, err
	}
	l.s.cfg.Links.add(l)
	l.stray = noteStray(l.s.cfg.State, strayNote{PID: l.p.cmd.Process.Pid, Line: l.who.Line, CallID: l.who.CallID}, l.log)
	go func() {
		defer close(l.said)
		l.listen(r)
	}()
	go func() { // a script of pppd's may keep the pipe open
		<-l.p.exited
		l.s.cfg.Links.remove(l)
		_ = r.SetReadDeadline(time.Now().Add(lastWords))
		<-l.said
		r.Close()
	}()
	return l.p, nil
}

// Times of a pppd that comes to its end.
const (
	lastWords = 2 * time.Second  // for what it says after it has ended
	exitTime  = 15 * time.Second // between "Connection terminated." and its end: it waits 5 s for its scripts
)

// maxWord bounds a line of pppd's that is looked at.
const maxWord = 512

// listen reads what pppd says, line by line.
func (l *pppLink) listen(r io.Reader) {
	in := bufio.NewReaderSize(r, maxWord)
	for {
		line, long, err := in.ReadLine()
		if err != nil {
			return
		}
		l.hear(strings.TrimSpace(string(line)))
		for long && err == nil {
			_, long, err = in.ReadLine()
		}
	}
}

var octetsWord = regexp.MustCompile(`^Sent (\d{1,19}) bytes, received (\d{1,19}) bytes\.$`)

// lastWordsOf are what pppd says when it begins to end, and what that means. The first of them counts.
var lastWordsOf = []struct {
	begins string
	cause  port.TerminateCause
}{
	{"LCP terminated by peer", port.UserRequest},
	{"Modem hangup", port.LostCarrier},
	{"No response to ", port.LostCarrier},
	{"Terminating connection due to lack of activity", port.IdleTimeout},
	{"Connect time expired", port.SessionTimeout},
}

// hear takes one line of pppd's.
func (l *pppLink) hear(line string) {
	switch octets := octetsWord.FindStringSubmatch(line); {
	case octets != nil:
		l.count(octets[1], octets[2])
	case strings.HasPrefix(line, "local  IP address "), strings.HasPrefix(line, "local  LL address "):
		l.isUp(addressIn(line))
	case strings.HasPrefix(line, "remote IP address "):
		l.who.note("PPP: the caller's address is " + addressIn(line))
	case line == "Connection terminated.":
		l.terminated()
	case strings.HasPrefix(line, "sent ["), strings.HasPrefix(line, "rcvd ["): // option debug: passwords may be in it
	case line != "":
		l.mu.Lock()
		l.complain = line
		for _, w := range lastWordsOf {
			if l.cause == 0 && strings.HasPrefix(line, w.begins) {
				l.cause = w.cause
			}
		}
		l.mu.Unlock()
		l.log.Debug("pppd", "says", fmt.Sprintf("%.200q", line))
	}
}

func (l *pppLink) count(sent, received string) {
	out, outErr := strconv.ParseUint(sent, 10, 64)
	in, inErr := strconv.ParseUint(received, 10, 64)
	if outErr != nil || inErr != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.counted = true
	l.in, l.out = l.in+in, l.out+out
}

// addressIn is the address at the end of a line of pppd's.
func addressIn(line string) string {
	words := strings.Fields(line)
	text := words[len(words)-1]
	if a, err := netip.ParseAddr(text); err == nil {
		return a.String()
	}
	return fmt.Sprintf("%.100q", text)
}

// isUp looks whether pppd had to ask first. It asks before the link carries data, so an honest answer is here already.
func (l *pppLink) isUp(address string) {
	l.mu.Lock()
	first, asked := !l.up, l.asked
	l.up = true
	l.mu.Unlock()
	cfg := l.s.cfg
	switch {
	case asked:
	case cfg.PeerCheck && !l.s.noauth:
		l.refuse("pppd let packets through without asking rashost: its ip-pre-up does not run the hook", 0, port.NASError)
		return
	case !first:
	case l.s.noauth:
		l.who.note("the name in PPP was not checked: the service's options say noauth")
	default:
		l.who.note("the name in PPP is not known: pppd's ip-pre-up did not report it")
	}
	if first {
		l.who.note("PPP is up: our address is " + address)
	}
}

// terminated gives a pppd that says it is at its end a limit. It may hang in giving the terminal back while output is queued that the
// modem does not take (CTS low): nobody wants that output any more.
func (l *pppLink) terminated() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.overdue != nil {
		return
	}
	if l.tty != nil {
		go l.tty.flush()
	}
	l.overdue = time.AfterFunc(l.s.exit, func() {
		l.mu.Lock()
		if l.refusal == "" {
			l.refusal = "pppd did not end by itself after the connection"
		}
		l.mu.Unlock()
		l.kill()
	})
}

// kill ends pppd at once. It is not reaped before result, so that the number is its own.
func (l *pppLink) kill() {
	if err := l.p.cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		l.log.Error("pppd could not be killed", "pid", l.p.cmd.Process.Pid, "error", err.Error())
	}
}

// refuse ends pppd for a reason and waits until it is gone.
func (l *pppLink) refuse(why string, event plugin.EventID, cause port.TerminateCause) {
	l.mu.Lock()
	if l.refusal == "" {
		l.refusal, l.event, l.cause = why, event, cause
	}
	l.mu.Unlock()
	l.who.note("pppd is killed: " + why)
	l.kill()
	limit := time.NewTimer(killWait)
	defer limit.Stop()
	select {
	case <-l.p.exited:
	case <-limit.C:
	}
}

// over forgets the session: pppd has ended.
func (l *pppLink) over() {
	forgetStray(l.stray)
	<-l.said
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.overdue != nil {
		l.overdue.Stop()
	}
}

// stopTogether is how long after a pppd that was told to end we may be told, too.
const stopTogether = 500 * time.Millisecond

// stoppedWithUs says whether a pppd that a signal ended was stopped together with us: a service manager signals every process of a
// service, and pppd may be the quicker one.
func (l *pppLink) stoppedWithUs(ctx context.Context) bool {
	if l.p.exit() != "5" {
		return false
	}
	timer := time.NewTimer(stopTogether)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return true
	case <-timer.C:
		return false
	}
}

// result fills in how a session ended. pppdEnded: by pppd, not by the call.
func (l *pppLink) result(p *process, res Result, pppdEnded bool) Result {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.refusal != "":
		res.Cause, res.Reason, res.Event = l.cause, l.refusal, l.event
		if res.Cause == 0 {
			res.Cause = port.NASError
		}
	case l.cause == port.UserRequest: // that the line was hung up then is part of it
		res.Cause, res.Reason = l.cause, "the caller ended PPP"
		if pppdEnded {
			res.Reason += " (pppd exit " + p.exit() + ")"
		}
	case pppdEnded:
		res.Cause, res.Reason = pppExit(p)
	}
	if l.tty != nil {
		res.In, res.Out = l.in, l.out
		if l.counted {
			l.who.note(fmt.Sprintf("octets of the session, as pppd counted them inside PPP: %d from the caller, %d to the caller", l.in, l.out))
		} else {
			l.who.note("octets of the session: unknown, pppd did not tell")
		}
	}
	if code := p.exit(); pppdEnded && l.refusal == "" && l.complain != "" && wantsReason(code) {
		l.log.Warn("pppd failed", "exit", code, "says", fmt.Sprintf("%.200q", l.complain))
		l.who.note(fmt.Sprintf("pppd said last: %.200q", l.complain))
	}
	return res
}

// wantsReason says whether an exit code of pppd leaves an operator asking why.
func wantsReason(exit string) bool {
	switch exit {
	case "0", "5", "12", "13", "16":
		return false
	}
	return true
}

// ErrNotOurPPP: the process that reports was not started by a pppd of ours.
var ErrNotOurPPP = errors.New("no pppd of rashost has started this process")

// differentUser is the event of a session that ends because the names differ.
const differentUser = plugin.EventDifferentUser

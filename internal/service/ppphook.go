package service

import (
	"errors"
	"fmt"
	"strconv"
	"sync"

	"rashost/plugin"
	"rashost/port"
)

// PPPHook is what pppd's ip-pre-up reports.
type PPPHook struct {
	// PID is the process that reports, as the kernel knows it.
	PID int
	// Call is the call that it believes to belong to; "" says nothing.
	Call string
	// Peer is the name under which the caller was authenticated in PPP; "" when pppd authenticated nobody.
	Peer string
	// Interface is the network interface, Remote the caller's address on it.
	Interface, Remote string
}

// PPPLinks are the running PPP sessions of a host. The zero value is ready; all methods may be called from any goroutine.
type PPPLinks struct {
	starting sync.Mutex // held while a pppd is started and made known
	mu       sync.Mutex
	byPID    map[int]*pppLink
}

func (l *PPPLinks) add(link *pppLink) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.byPID == nil {
		l.byPID = map[int]*pppLink{}
	}
	l.byPID[link.p.cmd.Process.Pid] = link
}

func (l *PPPLinks) remove(link *pppLink) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.byPID, link.p.cmd.Process.Pid)
}

// PreUp answers pppd's ip-pre-up, which waits: nil lets the link come up. With any error it must not; when the session is known, pppd is
// dead by then. Errors: ErrNotOurPPP.
func (l *PPPLinks) PreUp(h PPPHook) error {
	link := l.find(h.PID)
	if link == nil {
		return fmt.Errorf("process %d: %w", h.PID, ErrNotOurPPP)
	}
	return link.preUp(h)
}

// find returns the session whose pppd is an ancestor of a process.
func (l *PPPLinks) find(pid int) *pppLink {
	l.starting.Lock()
	defer l.starting.Unlock()
	for range 32 {
		l.mu.Lock()
		link := l.byPID[pid]
		l.mu.Unlock()
		if link != nil {
			return link
		}
		var ok bool
		if pid, ok = parentOf(pid); !ok {
			return nil
		}
	}
	return nil
}

// parentOf reads who started a process.
func parentOf(pid int) (parent int, ok bool) {
	fields := statOf(pid)
	if len(fields) < 2 {
		return 0, false
	}
	parent, err := strconv.Atoi(fields[1])
	return parent, err == nil && parent > 1
}

// preUp compares the names.
func (l *pppLink) preUp(h PPPHook) error {
	cfg, quoted := l.s.cfg, fmt.Sprintf("%.100q", h.Peer)
	switch {
	case h.Call != "" && h.Call != l.who.CallID:
		return l.deny("the hook reports another call than its pppd was started for", 0, port.NASError)
	case !cfg.PeerCheck && h.Peer == "":
		l.allow("pppd authenticated nobody: the name in PPP is not known, and was not checked")
	case !cfg.PeerCheck:
		l.allow("the name in PPP is " + quoted + "; it was not compared (peer: record)")
	case h.Peer == "" && l.s.noauth:
		l.allow("the name in PPP was not checked: the service's options say noauth")
	case h.Peer == "":
		return l.deny("pppd authenticated nobody, though the name in PPP is to be checked", differentUser, port.ServiceUnavailable)
	case !samePeer(h.Peer, l.who):
		return l.deny(fmt.Sprintf("the name in PPP, %s, is not that of the dialog, %q", quoted, l.who.User), differentUser, port.ServiceUnavailable)
	default:
		l.allow("the name in PPP is that of the dialog: " + quoted)
	}
	return nil
}

func (l *pppLink) allow(what string) {
	l.mu.Lock()
	l.asked = true
	l.mu.Unlock()
	l.who.note(what)
}

func (l *pppLink) deny(why string, event plugin.EventID, cause port.TerminateCause) error {
	l.refuse(why, event, cause)
	return errors.New(why)
}

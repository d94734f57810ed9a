package service

import (
	"context"
	"fmt"
	"net"
	"time"

	"rashost/port"
)

// TCPConfig is a relay to a TCP host.
type TCPConfig struct {
	// Address is host:port.
	Address string
	// DialTimeout bounds the connecting; 0 means 10 s.
	DialTimeout time.Duration
	Limits      Limits
}

type tcpService struct{ TCPConfig }

// NewTCP returns a relay to a TCP host. The error says what is wrong with cfg.
func NewTCP(cfg TCPConfig) (Service, error) {
	if _, _, err := net.SplitHostPort(cfg.Address); err != nil {
		return nil, Fault{"address", fmt.Errorf("%q must be host:port: %w", cfg.Address, err)}
	}
	if cfg.DialTimeout < 0 {
		return nil, fmt.Errorf("dial timeout %s: can't be negative", cfg.DialTimeout)
	}
	if cfg.DialTimeout == 0 {
		cfg.DialTimeout = 10 * time.Second
	}
	return tcpService{cfg}, cfg.Limits.Validate()
}

// Run implements Service.
func (s tcpService) Run(ctx context.Context, c Conn, who Caller) Result {
	if err := CheckUser(who.User); err != nil {
		return refuse(err)
	}
	dialer := net.Dialer{Timeout: s.DialTimeout}
	peer, err := dialer.DialContext(ctx, "tcp", s.Address)
	if err != nil {
		if ctx.Err() != nil {
			return Result{Reason: "the call ended", Err: err}
		}
		apologise(c)
		return Result{Cause: port.ServiceUnavailable, Reason: "the host could not be reached: " + s.Address, Err: err}
	}
	defer peer.Close()
	r := &relay{caller: c, peer: peer, unread: who.Unread, limits: s.Limits}
	end := r.run(ctx)
	res := r.result(end)
	if end.by == byPeer {
		if end.err == nil {
			res.Cause, res.Reason = port.HostRequest, "the host closed the connection"
		} else {
			res.Cause, res.Reason = port.LostService, "the connection to the host failed: "+s.Address
		}
	}
	return res
}

// apologise tells the caller that there is no service. It waits a second at most.
func apologise(c Conn) {
	_ = c.SetWriteDeadline(time.Now().Add(time.Second))
	_, _ = c.Write([]byte(unavailable)) // a caller who can't read it is told nothing
	_ = c.SetWriteDeadline(time.Time{})
}

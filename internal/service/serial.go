package service

import (
	"context"
	"errors"
	"fmt"

	"rashost/port"
)

// ConnCloser is the other line of a serial relay.
type ConnCloser interface {
	Conn
	Close() error
}

// SerialConfig is a relay to another serial line, such as a device's console.
type SerialConfig struct {
	// Device is its name in texts and errors.
	Device string
	// Open opens the device for one session, which closes it. An error means that the service is not available.
	Open   func(ctx context.Context) (ConnCloser, error)
	Limits Limits
}

type serialService struct{ SerialConfig }

// NewSerial returns a relay to another serial line. The error says what is wrong with cfg.
func NewSerial(cfg SerialConfig) (Service, error) {
	if cfg.Device == "" || cfg.Open == nil {
		return nil, Fault{"device", errors.New("is missing: give the path of a tty")}
	}
	return serialService{cfg}, cfg.Limits.Validate()
}

// Run implements Service.
func (s serialService) Run(ctx context.Context, c Conn, who Caller) Result {
	if err := CheckUser(who.User); err != nil {
		return refuse(err)
	}
	peer, err := s.Open(ctx)
	if err != nil {
		if ctx.Err() != nil {
			return Result{Reason: "the call ended", Err: err}
		}
		apologise(c)
		return Result{
			Cause: port.ServiceUnavailable, Reason: "the device could not be opened: " + s.Device,
			Err: fmt.Errorf("serial service: %w", err),
		}
	}
	r := &relay{caller: c, peer: peer, unread: who.Unread, limits: s.Limits}
	end := r.run(ctx)
	closeErr := peer.Close()
	res := r.result(end)
	if end.by == byPeer {
		res.Cause, res.Reason = port.LostService, "the device was hung up or failed: "+s.Device
	}
	if res.Err == nil {
		res.Err = closeErr
	}
	return res
}

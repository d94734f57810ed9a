package main

import (
	"context"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"rashost/internal/config"
	"rashost/internal/service"
	"rashost/port"
)

// newService makes the service that s describes. links is where the host finds its PPP sessions.
func newService(c *config.Config, s config.Service, links *service.PPPLinks, log *slog.Logger) (service.Service, error) {
	limits := service.Limits{
		Idle: time.Duration(s.Idle), Absolute: time.Duration(s.Absolute), WarningBefore: time.Duration(s.Warning),
	}
	switch s.Type {
	case "command":
		return service.NewCommand(service.CommandConfig{
			Command: s.Command, RunAs: s.RunAs, Grace: time.Duration(s.Grace), State: strays(c), Limits: limits, Log: log,
		})
	case "ppp":
		return service.NewPPP(service.PPPConfig{
			Options: s.Options, Direct: s.Direct, PeerCheck: s.Peer == "check", Links: links, Control: c.Resolve(c.Control), State: strays(c),
			Grace: time.Duration(s.Grace), Limits: limits, Log: log,
		})
	case "tcp":
		return service.NewTCP(service.TCPConfig{Address: s.Address, Limits: limits})
	case "serial":
		device := c.ResolveDevice(s.Device)
		opener := port.NewOpener(device, port.Settings{Baud: s.Baud, CLOCAL: true, HUPCL: true}, port.LockOptions{Dirs: c.LockDirs, Log: log})
		return service.NewSerial(service.SerialConfig{Device: device, Limits: limits, Open: func(ctx context.Context) (service.ConnCloser, error) {
			return opener.Open(ctx)
		}})
	default:
		return nil, fmt.Errorf("type %q: allowed are command, ppp, tcp, serial", s.Type)
	}
}

// strays is the folder in which the programs of calls are noted while they run.
func strays(c *config.Config) string { return filepath.Join(c.Resolve(c.StateDir), "programs") }

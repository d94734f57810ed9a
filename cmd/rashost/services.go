package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"rashost/internal/config"
	"rashost/internal/service"
	"rashost/port"
)

// newService makes the service that s describes.
func newService(c *config.Config, s config.Service, log *slog.Logger) (service.Service, error) {
	limits := service.Limits{
		Idle: time.Duration(s.Idle), Absolute: time.Duration(s.Absolute), WarningBefore: time.Duration(s.Warning),
	}
	switch s.Type {
	case "command":
		return service.NewCommand(service.CommandConfig{
			Command: s.Command, RunAs: s.RunAs, Grace: time.Duration(s.Grace), Limits: limits, Log: log,
		})
	case "ppp":
		return service.NewPPP(service.PPPConfig{Options: s.Options, Grace: time.Duration(s.Grace), Limits: limits, Log: log})
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

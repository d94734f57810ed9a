package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"rashost/internal/admin"
	"rashost/internal/service"
)

// hookTime is how long the hook waits for its answer. pppd waits for the hook, and the link is not up meanwhile.
const hookTime = 15 * time.Second

// newPPPHookCommand is what pppd's ip-pre-up runs. It knows its host by what pppd was told to set.
func newPPPHookCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "ppp-hook", Short: "ask the host whether a PPP link may come up", Hidden: true, Args: arguments(),
		Long: "Run by pppd's ip-pre-up (docs/ppp.md): reports the name that the caller gave in PPP and returns when the host has answered. When the\n" +
			"link must not come up, or nobody answers, the pppd that runs it is ended. Does nothing for a pppd that rashost did not start.",
		RunE: func(cmd *cobra.Command, _ []string) error {
			path := os.Getenv("RASHOST_CONTROL")
			if path == "" {
				return nil
			}
			ctx, cancel := context.WithTimeout(cmd.Context(), hookTime)
			defer cancel()
			err := askPreUp(ctx, path)
			if err == nil {
				return nil
			}
			if pid := pppdAbove(os.Getpid()); pid != 0 {
				err = errors.Join(err, syscall.Kill(pid, syscall.SIGKILL))
			}
			return fmt.Errorf("the PPP link must not come up: %w", err)
		},
	}
}

// askPreUp reports what pppd has put into the environment, and PPP_IFACE and PPP_REMOTE, which are Debian's.
func askPreUp(ctx context.Context, path string) error {
	c, err := admin.Dial(ctx, path)
	if err != nil {
		return err
	}
	defer c.Close()
	return c.PPPPreUp(ctx, admin.PPPReport{
		Call: os.Getenv("RASHOST_CALL"), Peer: os.Getenv("PEERNAME"), Interface: os.Getenv("IFNAME"), Remote: os.Getenv("IPREMOTE"),
	})
}

// pppdAbove finds the pppd among a process's ancestors, 0 when there is none. What the environment says of it is not believed.
func pppdAbove(pid int) int {
	for range 32 {
		status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/status")
		if err != nil {
			return 0
		}
		name, parent := "", 0
		for line := range strings.Lines(string(status)) {
			key, value, _ := strings.Cut(line, ":")
			switch value = strings.TrimSpace(value); key {
			case "Name":
				name = value
			case "PPid":
				parent, _ = strconv.Atoi(value) // not a number: 0, the end
			}
		}
		if name == "pppd" {
			return pid
		}
		if parent <= 1 {
			return 0
		}
		pid = parent
	}
	return 0
}

// PPPPreUp implements admin.Host.
func (h *adminHost) PPPPreUp(_ context.Context, peer admin.Peer, r admin.PPPReport) error {
	err := h.daemon.handler.house.Load().ppp.PreUp(service.PPPHook{
		PID: int(peer.PID), Call: r.Call, Peer: r.Peer, Interface: r.Interface, Remote: r.Remote,
	})
	if errors.Is(err, service.ErrNotOurPPP) {
		return admin.NotFound(err)
	}
	return admin.Conflict(err)
}

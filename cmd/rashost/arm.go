package main

import (
	"context"
	"errors"
	"fmt"
	"os/user"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"rashost/internal/admin"
	"rashost/internal/config"
	"rashost/port"
)

// Bounds of an arming.
const (
	minArmed     = time.Second
	maxArmed     = 7 * 24 * time.Hour
	maxArmedBy   = 64
	maxArmReason = 200
)

func newArmCommand(a *app) *cobra.Command {
	var r admin.ArmRequest
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "arm LINE --for 15m --by NAME --reason TEXT",
		Short: "let a line answer for a while",
		Long: "Lets LINE, whose configuration says `answer: armed`, answer calls for a while. It ends by itself, at `rashost disarm LINE`, and is\n" +
			"replaced by the next arming; a call in progress goes on. Who, why and until when is recorded, and a restart of rashost keeps it.",
		Args: arguments("LINE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			client, err := a.dial(cmd.Context())
			if err != nil {
				return err
			}
			defer client.Close()
			v, err := client.Arm(cmd.Context(), args[0], r)
			switch {
			case errors.Is(err, admin.ErrInvalid):
				return usageError(err)
			case err != nil:
				return err
			case asJSON:
				return a.printJSON(v)
			}
			fmt.Fprintf(a.stdout, "%s: %s\n", cell(args[0], 64), cell(armText(v), 400))
			return nil
		},
	}
	cmd.Flags().StringVar(&r.For, "for", "", "how long, such as 15m (1s to 168h)")
	cmd.Flags().StringVar(&r.By, "by", "", "who is responsible for it")
	cmd.Flags().StringVar(&r.Reason, "reason", "", "what it is for")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON (docs/json.md)")
	return cmd
}

func newDisarmCommand(a *app) *cobra.Command {
	return newControlCommand(a, "disarm", "end what `rashost arm` began", "disarmed",
		"Ends the arming of LINE: no further call is answered. A call in progress goes on.")
}

// armText is an arming in one sentence.
func armText(v admin.ArmView) string {
	return arming{Since: v.Since, Until: v.Until, By: v.By, Reason: v.Reason, UID: v.UID, User: v.User}.String()
}

func armView(a arming) *admin.ArmView {
	return &admin.ArmView{Since: a.Since, Until: a.Until, By: a.By, Reason: a.Reason, UID: a.UID, User: a.User}
}

// Arm implements admin.Host.
func (h *adminHost) Arm(_ context.Context, line string, peer admin.Peer, r admin.ArmRequest) (admin.ArmView, error) {
	house := h.daemon.handler.house.Load()
	l, ok := house.config.Line(line)
	switch {
	case !ok:
		return admin.ArmView{}, admin.NotFound(fmt.Errorf("line %q: no such line", line))
	case l.Answer != "armed":
		return admin.ArmView{}, admin.Conflict(fmt.Errorf("line %s answers at any time: only a line with `answer: armed` can be armed", line))
	}
	a, err := newArming(line, house.armable()[line], peer, r)
	if err != nil {
		return admin.ArmView{}, admin.Invalid(err)
	}
	if err := h.daemon.arms.arm(a); err != nil {
		return admin.ArmView{}, err
	}
	if _, ok := h.daemon.arming(line); !ok && time.Now().Before(a.Until) { // a reload came between
		return admin.ArmView{}, admin.Conflict(fmt.Errorf("line %s has another device by now: arm it again", line))
	}
	return *armView(a), nil
}

// Disarm implements admin.Host.
func (h *adminHost) Disarm(_ context.Context, line string, peer admin.Peer) error {
	_, known := h.daemon.handler.house.Load().config.Line(line)
	was, err := h.daemon.arms.disarm(line, account(peer.UID, userName(peer.UID)))
	switch {
	case err != nil || was:
		return err
	case !known:
		return admin.NotFound(fmt.Errorf("line %q: no such line", line))
	default:
		return admin.Conflict(fmt.Errorf("line %s is not armed", line))
	}
}

// armable are the devices of the lines that answer only while armed, by the line's name.
func (h *house) armable() map[string]string {
	devices := map[string]string{}
	for _, l := range h.config.Lines {
		if l.Answer == "armed" {
			devices[l.Name] = h.config.ResolveDevice(l.Device)
		}
	}
	return devices
}

// armed says whether a line that answers only while armed may answer now.
func (d *daemon) armed(line string) bool {
	_, ok := d.arming(line)
	return ok
}

// arming is what is in force for a line.
func (d *daemon) arming(line string) (arming, bool) {
	device, ok := d.handler.house.Load().armable()[line]
	if !ok {
		return arming{}, false
	}
	return d.arms.get(line, device)
}

// lineView is what the control socket shows of a line.
func (d *daemon) lineView(s port.Snapshot) admin.LineView {
	v := lineView(s)
	if l, ok := d.handler.house.Load().config.Line(s.Name); ok && l.Answer == "armed" {
		v.Answer = l.Answer
		if a, ok := d.arming(s.Name); ok {
			v.Armed = armView(a)
		}
	}
	return v
}

// armedText says who armed a line whose call is answered, "" for a line that answers at any time.
func (d *daemon) armedText(line string) string {
	if a, ok := d.arming(line); ok {
		return a.String()
	}
	return ""
}

// lineEvent keeps what happened to a line that is not of its own doing.
func (d *daemon) lineEvent(e port.LineEvent) {
	d.log.Info("line event", "line", e.Line, "kind", e.Kind, "what", e.Text, "result", e.Result)
	d.store.LineEvent(e)
	d.lineChanged(e.Line)
}

// newArming checks what is asked for.
func newArming(line, device string, peer admin.Peer, r admin.ArmRequest) (arming, error) {
	var faults []error
	d, err := config.ParseDuration(r.For)
	switch {
	case r.For == "":
		faults = append(faults, errors.New("--for is missing: say how long, such as 15m"))
	case err != nil:
		faults = append(faults, fmt.Errorf("--for: %w", err))
	case time.Duration(d) < minArmed || time.Duration(d) > maxArmed:
		faults = append(faults, fmt.Errorf("--for %s: allowed is %s to %s", r.For, minArmed, maxArmed))
	}
	by, reason := strings.TrimSpace(r.By), strings.TrimSpace(r.Reason)
	for _, f := range []struct {
		name, text string
		most       int
		missing    string
	}{{"--by", by, maxArmedBy, "say who is responsible"}, {"--reason", reason, maxArmReason, "say what it is for"}} {
		switch {
		case f.text == "":
			faults = append(faults, fmt.Errorf("%s is missing: %s", f.name, f.missing))
		case len(f.text) > f.most:
			faults = append(faults, fmt.Errorf("%s has %d bytes: at most %d are allowed", f.name, len(f.text), f.most))
		case !utf8.ValidString(f.text) || strings.ContainsFunc(f.text, func(r rune) bool { return !printable(r) }):
			faults = append(faults, fmt.Errorf("%s has a character that does not show", f.name))
		}
	}
	if len(faults) > 0 {
		return arming{}, errors.Join(faults...)
	}
	now := time.Now().Round(0)
	return arming{
		Line: line, Device: device, Since: now, Until: now.Add(time.Duration(d)), By: by, Reason: reason, UID: peer.UID, User: userName(peer.UID),
	}, nil
}

// userName is the name of an account, "" when it has none.
func userName(uid uint32) string {
	u, err := user.LookupId(strconv.FormatUint(uint64(uid), 10))
	if err != nil {
		return ""
	}
	return u.Username
}

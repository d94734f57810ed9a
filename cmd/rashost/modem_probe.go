package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/signal"
	"strings"
	"syscall"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rashost/port"
)

const modemProbeHelp = `Asks a modem what it is, and says which modem profile fits and why. The modem is told E0 V1 (no echo, results in words) first; nothing else in it
is changed. When it does not answer, DTR is dropped and +++ sent, which ends a call that somebody left behind, and other speeds are tried.

DEVICE is the path of a tty, or sim:NAME, a virtual modem. A device that another program uses is left alone.

Exit status 0: a modem answered, 1: none did, or the device can't be opened, 2: bad usage.`

// modemProbe is `rashost modem probe`.
type modemProbe struct {
	app    *app
	baud   int
	asJSON bool
}

func newModemProbeCommand(a *app) *cobra.Command {
	p := &modemProbe{app: a}
	cmd := &cobra.Command{
		Use:   "probe DEVICE",
		Short: "what modem is this, and which profile fits",
		Long:  modemProbeHelp,
		Args:  arguments("DEVICE"),
		RunE:  func(cmd *cobra.Command, args []string) error { return p.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().IntVar(&p.baud, "baud", 0, "the only speed to try; without it the line's, or 115200, then the common ones")
	cmd.Flags().BoolVar(&p.asJSON, "json", false, "print JSON (docs/json.md)")
	return cmd
}

// probeReply is the schema of --json.
type probeReply struct {
	Device      string        `json:"device"`
	Answered    bool          `json:"answered"`
	Baud        int           `json:"baud"`
	Profile     string        `json:"profile"`
	Description string        `json:"description"`
	Score       int           `json:"score"`
	Why         string        `json:"why"`
	Answers     []port.Answer `json:"answers"`
}

func (p *modemProbe) run(ctx context.Context, device string) error {
	if p.baud < 0 || p.baud > port.MaxBaud {
		return usageError(fmt.Errorf("--baud %d: must be 1 to %d", p.baud, port.MaxBaud))
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	d, err := p.app.findModem(device)
	if err != nil {
		return err
	}
	all, err := d.profiles.modems()
	if err != nil {
		return err
	}
	s := port.Settings{Baud: d.speed(p.baud), CLOCAL: true, HUPCL: true}
	dev, err := d.open(ctx, s)
	if err != nil {
		return err
	}
	defer func() { _ = dev.Close() }()
	speeds := []int{s.Baud}
	if p.baud == 0 {
		speeds = append(speeds, port.CommonSpeeds()...)
	}
	if !p.asJSON {
		fmt.Fprintf(p.app.stderr, "asking the modem at %s what it is ...\n", onScreen(device))
	}
	id, baud, err := port.IdentifyAtSpeeds(ctx, dev, s, speeds, all)
	r := probeReply{
		Device: device, Answered: err == nil, Baud: baud, Profile: id.Profile.Name, Description: id.Profile.Description,
		Score: id.Score, Why: id.Why, Answers: append([]port.Answer{}, id.Answers...),
	}
	if silent, ok := errors.AsType[*port.NoAnswerError](err); ok && p.asJSON {
		r.Why = silent.Why
		return errors.Join(p.app.printJSON(r), &exitError{code: exitFailed})
	}
	switch {
	case err != nil:
		return err
	case p.asJSON:
		return p.app.printJSON(r)
	default:
		return r.write(p.app.stdout)
	}
}

// write writes the reply for people.
func (r probeReply) write(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintf(t, "profile\t%s (%s)\n", onScreen(r.Profile), cell(r.Description, 80))
	fmt.Fprintf(t, "why\t%s\n", cell(r.Why, 400))
	fmt.Fprintf(t, "speed\t%d bit/s\n", r.Baud)
	for _, a := range r.Answers {
		for i, line := range strings.Split(a.Text, "\n") {
			name := ""
			if i == 0 {
				name = a.Query
			}
			if line == "" {
				line = "(nothing)"
			}
			fmt.Fprintf(t, "%s\t%s\n", onScreen(name), cell(line, 120))
		}
	}
	return t.Flush()
}

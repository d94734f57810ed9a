package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"rashost/hardware"
	"rashost/port"
	"rashost/port/modem"
	"rashost/port/modemsim"
)

const modemCallerIDHelp = `Sets a modem up as its profile says, switches caller id on, and shows everything that it says: each line as it came, with what does not print
escaped, beside what it is taken for. No call is answered. It goes on until Ctrl-C. Nothing between the rings but RING means that the modem
reports no caller id: the line has none, the profile is not the modem's, or the country's kind is not the modem's (+GCI).

DEVICE is the path of a tty, or sim:NAME, a virtual modem, which then rings by itself. A device that another program uses is left alone.`

// modemCallerID is `rashost modem caller-id`.
type modemCallerID struct {
	app     *app
	profile string
	baud    int
	asJSON  bool
}

func newModemCallerIDCommand(a *app) *cobra.Command {
	m := &modemCallerID{app: a}
	cmd := &cobra.Command{
		Use:   "caller-id DEVICE",
		Short: "show what the modem says of callers, and what it is taken for",
		Long:  modemCallerIDHelp,
		Args:  arguments("DEVICE"),
		RunE:  func(cmd *cobra.Command, args []string) error { return m.run(cmd.Context(), args[0]) },
	}
	cmd.Flags().StringVar(&m.profile, "profile", "", "the modem profile; without it the line's, or auto: the modem is asked what it is")
	cmd.Flags().IntVar(&m.baud, "baud", 0, "the speed; without it the line's, or 115200")
	cmd.Flags().BoolVar(&m.asJSON, "json", false, "print one JSON object a line (docs/json.md)")
	return cmd
}

// heardView is the schema of --json: one line that the modem said.
type heardView struct {
	At       time.Time   `json:"at"`
	Raw      string      `json:"raw"`
	Is       string      `json:"is"`
	Rings    int         `json:"rings"`
	OfCaller bool        `json:"of_caller"`
	CallerID *callerView `json:"caller_id,omitempty"`
}

// callerView is what is known of a caller.
type callerView struct {
	Status   string    `json:"status"`
	Number   string    `json:"number"`
	Name     string    `json:"name"`
	Called   string    `json:"called"`
	Diverted string    `json:"diverted"`
	Ring     string    `json:"ring"`
	SentAt   time.Time `json:"sent_at,omitzero"`
}

func (m *modemCallerID) run(ctx context.Context, device string) error {
	if m.baud < 0 || m.baud > port.MaxBaud {
		return usageError(fmt.Errorf("--baud %d: must be 1 to %d", m.baud, port.MaxBaud))
	}
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	d, err := m.app.findModem(device)
	if err != nil {
		return err
	}
	name := m.profile
	if name == "" && d.line != nil && d.line.Modem != "none" {
		name = d.line.Modem
	}
	var profile *hardware.Profile
	if name != "" && name != "auto" {
		if profile, err = d.profiles.find(name); err != nil {
			return usageError(fmt.Errorf("--profile: %w", err))
		}
		if profile == nil || profile.Direct {
			return usageError(fmt.Errorf("--profile %s: a direct line has no modem, and no caller id", name))
		}
	}
	cfg := port.LineConfig{Baud: d.speed(m.baud), Profile: profile}
	dev, err := d.open(ctx, cfg.Settings())
	if err != nil {
		return err
	}
	defer func() { _ = dev.Close() }()
	if profile == nil {
		if profile, err = m.identify(ctx, d, dev); err != nil {
			return ended(ctx, err)
		}
	}
	ready := func(refused []*modem.StepError) {
		m.ready(profile, refused)
		if d.sim != nil {
			go selfTest(ctx, d.sim)
		}
	}
	var broken error
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	err = port.Monitor(ctx, dev, profile, ready, func(h port.Heard) {
		if broken = m.show(h); broken != nil {
			cancel() // who reads has gone
		}
	})
	return errors.Join(broken, ended(ctx, err))
}

// ended is err, but nil when the operator ended it.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}

// identify asks the modem what it is.
func (m *modemCallerID) identify(ctx context.Context, d *modemDevice, dev port.Device) (*hardware.Profile, error) {
	all, err := d.profiles.modems()
	if err != nil {
		return nil, err
	}
	id, err := port.Identify(ctx, dev, all)
	if err != nil {
		return nil, err
	}
	m.note("the modem is %s: %s", id.Profile.Name, id.Why)
	return &id.Profile, nil
}

// ready says that the modem is set up, and how caller id was switched on.
func (m *modemCallerID) ready(p *hardware.Profile, refused []*modem.StepError) {
	no := map[string]bool{}
	for _, r := range refused {
		no[r.Step.Send] = true
	}
	on := ""
	for _, s := range p.CallerID.Enable {
		if !no[s.Send] {
			on = s.Send
			break
		}
	}
	switch {
	case len(p.CallerID.Enable) == 0:
		m.note("the profile %s knows no command for caller id; waiting for calls, Ctrl-C ends", p.Name)
	case on == "":
		m.note("the modem refused every command for caller id that the profile %s knows; waiting for calls, Ctrl-C ends", p.Name)
	default:
		m.note("caller id is on (%s, profile %s); waiting for calls, Ctrl-C ends", on, p.Name)
	}
}

func (m *modemCallerID) note(format string, args ...any) {
	fmt.Fprintln(m.app.stderr, onScreen(fmt.Sprintf(format, args...)))
}

// show shows one line of the modem's.
func (m *modemCallerID) show(h port.Heard) error {
	v := heardView{At: h.At, Raw: escaped(h.Raw), Is: heardText(h), Rings: h.Rings, OfCaller: h.OfCaller}
	if h.OfCaller {
		id := h.CallerID
		sent, _ := id.When(h.At)
		v.CallerID = &callerView{id.Status.String(), id.Number, id.Name, id.Called, id.Diverted, id.Ring, sent}
	}
	if !m.asJSON {
		_, err := fmt.Fprintf(m.app.stdout, "%s  %-36s %s\n", h.At.Local().Format("15:04:05.000"), cell(v.Raw, 120), cell(v.Is, 200))
		return err
	}
	b, err := json.Marshal(v)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(m.app.stdout, safeJSON(b))
	return err
}

// escaped is what came, with all that does not print written as an escape.
func escaped(raw []byte) string {
	q := strconv.QuoteToASCII(string(raw))
	return strings.ReplaceAll(q[1:len(q)-1], `\"`, `"`)
}

// heardText says what a line was taken for.
func heardText(h port.Heard) string {
	var parts []string
	switch {
	case h.Line == "":
		return "noise, or a line that is too long: dropped"
	case h.Result.Kind == modem.Ring:
		parts = append(parts, "RING "+strconv.Itoa(h.Rings))
	case !h.OfCaller && h.Result.Kind == modem.None:
		return "not understood: taken for nothing"
	case !h.OfCaller:
		return "result " + h.Result.Kind.String()
	}
	if !h.OfCaller {
		return parts[0]
	}
	id := h.CallerID
	sent := ""
	if at, ok := id.When(h.At); ok {
		sent = at.Format("2006-01-02 15:04")
	}
	parts = append(parts, "caller "+id.Status.String())
	for _, f := range []struct{ name, value string }{
		{"number", id.Number}, {"name", id.Name}, {"called", id.Called}, {"diverted by", id.Diverted}, {"ring", id.Ring}, {"sent", sent},
		{"not believed:", id.Conflict},
	} {
		if f.value != "" {
			parts = append(parts, f.name+" "+f.value)
		}
	}
	return strings.Join(parts, ", ")
}

// selfTest has a virtual modem ring twice.
func selfTest(ctx context.Context, sim *modemsim.Modem) {
	call, err := sim.Dial(ctx, modemsim.DialOptions{Number: "+15551234", Name: "SELF TEST", Called: "5559876", Rings: 2})
	if err == nil { // nobody answers here
		_ = call.Close()
	}
}

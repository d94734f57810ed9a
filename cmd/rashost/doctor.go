package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"rashost/hardware"
	"rashost/internal/admin"
	"rashost/internal/config"
	"rashost/internal/doctor"
	"rashost/internal/record"
	"rashost/port"
)

// doctorFlags are the flags of `rashost doctor`.
type doctorFlags struct {
	json, noCall    bool
	sibling, number string
	wait            time.Duration
}

func newDoctorCommand(a *app) *cobra.Command {
	var f doctorFlags
	cmd := &cobra.Command{
		Use:   "doctor LINE",
		Short: "prove a line end to end, and say in plain words what is wrong with it",
		Long: "Examines the device and the modem of a line, then has it called: identify, set-up and what the modem says of it, speed, flow control,\n" +
			"DTR and DCD, caller id, escape, a login with a wrong and a right password, a session, the hang-up, and the next call. A virtual line\n" +
			"(sim:NAME) is called by its simulator; a real one by another line of this machine (--sibling and --number; --sibling alone at the other\n" +
			"end of a cable), or not at all, and then nothing is proven beyond the modem. When the host\n" +
			"runs, the line is taken from it as soon as no call is on it, and given back. The report is kept in the state folder.",
		Args: arguments("LINE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
			defer stop()
			unread := make(chan os.Signal, 1) // who read what is printed has gone: the examination and its report go on
			signal.Notify(unread, syscall.SIGPIPE)
			defer signal.Stop(unread)
			return a.doctor(ctx, args[0], f)
		},
	}
	flags := cmd.Flags()
	flags.BoolVar(&f.json, "json", false, "print JSON (docs/json.md)")
	flags.BoolVar(&f.noCall, "no-call", false, "examine only, make no call")
	flags.StringVar(&f.sibling, "sibling", "", "the line that calls this one; of a direct line the one at the other end of its cable")
	flags.StringVar(&f.number, "number", "", "the telephone number of this line, for the sibling")
	flags.DurationVar(&f.wait, "wait", 5*time.Minute, "how long to wait for a call on the line to end")
	return cmd
}

// patient is what is examined, and what the configuration says of it.
type patient struct {
	config  *config.Config
	line    port.LineConfig
	auto    bool             // modem: auto
	sibling *port.LineConfig // who calls it; nil for nobody
	number  string
}

// doctor examines one line and says what it found. The exit code is 0 when nothing is bad.
func (a *app) doctor(ctx context.Context, name string, f doctorFlags) error {
	p, err := a.patient(name, f)
	if err != nil {
		return err
	}
	taken := []string{name}
	if p.sibling != nil {
		taken = append(taken, p.sibling.Name)
	}
	ctx, giveBack, err := a.takeLines(ctx, taken, f.wait)
	if err != nil {
		return err
	}
	defer giveBack()
	say := func(x doctor.Finding) {
		if !f.json {
			writeFinding(a.stdout, x)
		}
	}
	report := doctor.Report{Line: name, Device: p.line.Device, At: time.Now().UTC().Truncate(time.Second)}
	err = p.examine(ctx, &report, say)
	if err == nil && !f.noCall {
		err = a.callLine(ctx, &p, &report, say)
	}
	report.Seconds = int(time.Since(report.At).Round(time.Second) / time.Second)
	report.Conclude()
	kept, keepErr := keepReport(p.config.Resolve(p.config.StateDir), report)
	if f.json {
		err = errors.Join(err, a.printJSON(report))
	} else {
		fmt.Fprintf(a.stdout, "\n%s\n", onScreen(report.Summary))
		if keepErr == nil {
			fmt.Fprintf(a.stdout, "with all evidence: %s\n", kept)
		}
	}
	switch {
	case err != nil || keepErr != nil:
		return errors.Join(err, keepErr)
	case report.Verdict == doctor.Bad:
		return &exitError{code: exitFailed}
	}
	return nil
}

// patient finds the line, and the one that calls it.
func (a *app) patient(name string, f doctorFlags) (patient, error) {
	c, err := a.loadConfig()
	if err != nil {
		return patient{}, err
	}
	p := patient{config: c, number: f.number}
	if p.line, err = examinedLine(c, name); err != nil {
		return p, usageError(err)
	}
	l, _ := c.Line(name)
	p.auto = l.Modem == "auto"
	direct := p.line.Profile.Direct
	switch {
	case direct && f.number != "":
		return p, usageError(fmt.Errorf("line %s has no modem, and no number: --sibling LINE alone names the port at the other end of its cable", name))
	case !direct && (f.sibling == "") != (f.number == ""):
		return p, usageError(errors.New("--sibling and --number belong together: who calls, and the number of " + name))
	case f.sibling != "":
		sibling, err := examinedLine(c, f.sibling)
		if err == nil && (sibling.Profile.Direct != direct || f.sibling == name) {
			err = fmt.Errorf("line %s cannot call %s", f.sibling, name)
		}
		if err != nil {
			return p, usageError(err)
		}
		p.sibling = &sibling
	}
	return p, nil
}

// examinedLine is what the configuration says of a line's device and modem; without what it says of callers.
func examinedLine(c *config.Config, name string) (port.LineConfig, error) {
	l, ok := c.Line(name)
	if !ok {
		return port.LineConfig{}, fmt.Errorf("there is no line %q in %s", name, c.Named())
	}
	profiles, err := newProfiles(c)
	if err != nil {
		return port.LineConfig{}, err
	}
	profile, err := profiles.find(l.Modem)
	if err != nil {
		return port.LineConfig{}, err
	}
	if profile == nil {
		none := hardware.Defaults()
		none.Name, none.Direct = "none", true
		profile = &none
	}
	return deviceConfig(c, l, profile), nil
}

// takeLines has the running host lend lines, each as soon as no call is on it. It has them back at giveBack, and as soon as this process
// ends, however that comes. ctx of the examination ends when the host does. Without a host there is nobody to ask.
func (a *app) takeLines(ctx context.Context, names []string, limit time.Duration) (lent context.Context, giveBack func(), err error) {
	client, err := a.dial(ctx)
	if errors.Is(err, admin.ErrNotRunning) {
		return ctx, func() {}, nil
	}
	if err != nil {
		return ctx, nil, err
	}
	lent, cancel := context.WithCancelCause(ctx)
	var leases []*admin.Lease
	giveBack = func() {
		cancel(nil)
		for _, l := range leases {
			l.Close()
		}
		client.Close()
	}
	waiting, stop := context.WithTimeoutCause(ctx, limit, fmt.Errorf("a call is still on the line after %v: try again later, or rashost hangup", limit))
	defer stop()
	for _, name := range names {
		l, err := client.Lend(waiting, name, "rashost doctor")
		if err != nil {
			giveBack()
			return ctx, nil, fmt.Errorf("line %s: the host does not give it up: %w", name, err)
		}
		leases = append(leases, l)
		go func() {
			<-l.Ended()
			cancel(fmt.Errorf("the host has taken line %s back: it stops, or its configuration has changed", name))
		}()
	}
	return lent, giveBack, nil
}

// writeFinding writes one finding for people.
func writeFinding(w io.Writer, f doctor.Finding) {
	fmt.Fprintf(w, "%-10s  %-16s  %s\n", f.Verdict, f.Check, onScreen(f.Text))
	if f.Advice != "" {
		fmt.Fprintf(w, "%-10s  %-16s  -> %s\n", "", "", onScreen(f.Advice))
	}
	if f.Verdict == doctor.Bad || f.Verdict == doctor.Doubtful {
		for _, e := range f.Evidence[max(0, len(f.Evidence)-5):] {
			fmt.Fprintf(w, "%-10s  %-16s     %s\n", "", "", onScreen(e))
		}
	}
}

// keptReports is how many reports of a line are kept.
const keptReports = 20

// keepReport writes a report into the state folder, and removes the oldest ones of the line.
func keepReport(state string, r doctor.Report) (path string, err error) {
	dir := filepath.Join(state, "doctor")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("the report could not be kept: %w", err)
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return "", err
	}
	if path, err = writeReport(filepath.Join(dir, r.Line+"-"+r.At.Format("20060102-150405")), append([]byte(safeJSON(data)), '\n')); err != nil {
		return "", fmt.Errorf("the report could not be kept: %w", err)
	}
	var all []string
	for _, form := range []string{"-????????-??????.json", "-????????-??????-[2-9].json"} {
		some, err := filepath.Glob(filepath.Join(dir, r.Line+form))
		if err != nil {
			return path, err
		}
		all = append(all, some...)
	}
	slices.SortFunc(all, func(a, b string) int {
		return strings.Compare(strings.TrimSuffix(a, ".json"), strings.TrimSuffix(b, ".json"))
	})
	for _, old := range all[:max(0, len(all)-keptReports)] {
		_ = os.Remove(old) // the next report tries again
	}
	return path, nil
}

// writeReport writes NAME.json, or NAME-2.json and so on where a report of the same second is there already.
func writeReport(name string, data []byte) (path string, err error) {
	path = name + ".json"
	var f *os.File
	for n := 2; n <= 10; n++ {
		if f, err = os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600); !errors.Is(err, fs.ErrExist) {
			break
		}
		path = fmt.Sprintf("%s-%d.json", name, n)
	}
	if err != nil {
		return "", err
	}
	_, err = f.Write(data)
	return f.Name(), errors.Join(err, f.Close())
}

// chainOf are the steps of a record that a finding shows.
func chainOf(r record.Row) []string {
	steps := make([]string, 0, len(r.Steps))
	for _, s := range r.Steps {
		steps = append(steps, s.What)
	}
	return steps
}

// stepWith is the first step that has text in it, "" for none.
func stepWith(r record.Row, text string) string {
	for _, s := range r.Steps {
		if strings.Contains(s.What, text) {
			return s.What
		}
	}
	return ""
}

package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"time"

	"rashost/internal/config"
	"rashost/internal/doctor"
	"rashost/internal/record"
	"rashost/plugin/users"
	"rashost/port"
	"rashost/port/modemsim"
)

// examine opens the line's device and looks at it.
func (p *patient) examine(ctx context.Context, r *doctor.Report, say func(doctor.Finding)) error {
	known, err := newProfiles(p.config)
	if err != nil {
		return err
	}
	all, err := known.modems()
	if err != nil {
		return err
	}
	opening, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	dev, err := port.NewOpener(p.line.Device, p.line.Settings(), port.LockOptions{Dirs: p.line.LockDirs}).Open(opening)
	if ctx.Err() != nil && err != nil { // interrupted: that says nothing of the device
		return context.Cause(ctx)
	}
	if err != nil {
		f := doctor.Finding{Check: "device", Verdict: doctor.Bad, Text: err.Error(), Evidence: []string{}}
		r.Findings = append(r.Findings, f)
		say(f)
		return nil
	}
	exam := doctor.Exam{Device: dev, Settings: p.line.Settings(), Profiles: all, Found: say, DistinctiveRing: p.line.DistinctiveRing, Init: p.line.Init,
		NoDCD: p.line.Carrier == port.CarrierIgnore, NoDSR: p.line.DSR == port.DSRIgnore}
	if !p.auto {
		exam.Profile = p.line.Profile
	}
	found, err := exam.Run(ctx)
	if closeErr := dev.Close(); err == nil {
		err = closeErr
	}
	r.Findings = append(r.Findings, found...)
	if p.auto {
		chosen := exam.Chosen()
		p.line.Profile = &chosen
	}
	r.Modem = p.line.Profile.Name
	return err
}

// The robot that logs in, and what it finds behind the login. The service says what a caller's modem could take for its escape.
const (
	robotUser    = "doctor"
	robotService = `echo DOCTOR SESSION; read -r said; echo "DOCTOR HEARD $said"; printf '+++ATH0\r\n'; echo DOCTOR STILL HERE; read -r said; echo DOCTOR ENDS; sleep 1`
	robotNumber  = "5550100"
)

// callLine runs a host of its own for this one line, and has it called twice.
func (a *app) callLine(ctx context.Context, p *patient, r *doctor.Report, say func(doctor.Finding)) error {
	add := func(check string, v doctor.Verdict, text string, evidence ...string) {
		f := doctor.Finding{Check: check, Verdict: v, Text: text, Evidence: append([]string{}, evidence...)}
		r.Findings = append(r.Findings, f)
		say(f)
	}
	for _, f := range r.Findings {
		if f.Verdict == doctor.Bad && (f.Check == "device" || f.Check == "answers" || f.Check == "set-up") {
			add("call", doctor.Untested, "no call without a modem that is set up")
			return nil
		}
	}
	switch {
	case p.sibling != nil:
	case !strings.HasPrefix(p.line.Device, config.SimPrefix) && p.line.Profile.Direct:
		add("call", doctor.Untested, "nobody is at the other end: --sibling LINE has another line of this machine do it, whose port the cable leads to")
		return nil
	case !strings.HasPrefix(p.line.Device, config.SimPrefix):
		add("call", doctor.Untested, "nobody to call the line: --sibling LINE and --number N have another line of this machine do it")
		return nil
	case p.line.Profile.Direct && !modemsim.New(modemsim.Named(strings.TrimPrefix(p.line.Device, config.SimPrefix), modemsim.Timing{})).Direct():
		add("call", doctor.Untested, p.line.Device+" is a virtual modem, and the line has none: device: sim:null-modem is a virtual cable")
		return nil
	}
	dir, remove, err := makeDoctorFolder()
	if err != nil {
		return err
	}
	defer remove()
	secret := rand.Text()
	c, err := p.write(dir, secret)
	if err != nil {
		return err
	}
	var logged bytes.Buffer
	d, err := newDaemon(ctx, c, daemonOptions{timing: demoTiming(), log: slog.New(slog.NewTextHandler(&logged, nil))})
	if err != nil {
		return err
	}
	running, stop := context.WithCancel(ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- d.run(running, nil) }()
	who, err := p.robot(d)
	if err == nil {
		err = p.calls(ctx, d, who, secret, add)
	}
	stop()
	return errors.Join(err, <-stopped)
}

// write makes the configuration of the host for the calls.
func (p *patient) write(dir, secret string) (*config.Config, error) {
	runAs := ""
	if runsAsRoot() {
		runAs = ", run_as: root"
		if _, err := user.Lookup("nobody"); err == nil {
			runAs = ", run_as: nobody"
		}
	}
	flow, profiles, l := p.line.Flow, "", p.line
	if flow == "" {
		flow = "auto"
	}
	if p.config.Profiles != "" {
		profiles = fmt.Sprintf("profiles: %q\n", p.config.Resolve(p.config.Profiles))
	}
	parity := l.Parity
	if parity == "" {
		parity = "none"
	}
	own := ""
	for _, c := range l.Init {
		own += fmt.Sprintf("%q, ", c)
	}
	if own != "" {
		own = "init: [" + own + "], "
	}
	dirs := make([]string, 0, len(l.LockDirs))
	for _, d := range l.LockDirs {
		dirs = append(dirs, fmt.Sprintf("%q", p.config.Resolve(d)))
	}
	text := fmt.Sprintf("state_dir: state\ncontrol: control.sock\nlock_dirs: [%s]\n%slines:\n"+
		"  - {name: %q, device: %q, modem: %q, %sbaud: %d, parity: %s, flow: %s, carrier: %s, dsr: %s, rings: %d, settle: 300ms, dialog: doctor, service: doctor}\n"+
		"dialogs: {doctor: {plugin: password, attempts: 2, options: {file: users.yaml}}}\n"+
		"services: {doctor: {type: command, command: [/bin/sh, -c, %q], idle: 1m%s}}\n",
		strings.Join(dirs, ", "), profiles, l.Name, l.Device, l.Profile.Name, own, l.Baud, parity, flow, l.Carrier, l.DSR, max(l.Rings, 1), robotService, runAs)
	path := filepath.Join(dir, "config.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return nil, err
	}
	f, err := users.NewFile(filepath.Join(dir, "users.yaml"))
	if err == nil {
		err = f.Add(robotUser, []byte(secret), users.Verifiers{})
	}
	if err != nil {
		return nil, err
	}
	env, err := configEnv()
	if err != nil {
		return nil, err
	}
	return config.Load(path, env)
}

// calls has the line called again and again and says what came of it.
func (p *patient) calls(ctx context.Context, d *daemon, call robot, secret string, add func(string, doctor.Verdict, string, ...string)) error {
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, 5*time.Minute)
	defer cancel()
	login := []turn{{"login: ", robotUser}, {"Password: ", "wrong" + secret[:4]}, {"denied", ""}, {"login: ", robotUser}, {"Password: ", secret}}
	session := []turn{{"DOCTOR SESSION", "knock knock"}, {"DOCTOR HEARD knock knock", ""}, {"+++ATH0", ""}, {"DOCTOR STILL HERE", "bye"}, {"DOCTOR ENDS", ""}}
	if why := listening(ctx, d, p.line.Name); why != "" && whole.Err() == nil {
		add("call", doctor.Bad, "the line does not come to listen: "+why)
		return nil
	}
	row, err, rowErr := oneCall(ctx, d, call, append(login, session...), 1)
	switch {
	case whole.Err() != nil: // interrupted: that says nothing of the line
		return context.Cause(whole)
	case rowErr != nil:
		add("call", doctor.Bad, "the line did not answer the call", errorLines(err)...)
		return nil
	}
	p.judge(row, err, add)
	again := []turn{{"login: ", ""}} // and the caller hangs up
	if p.line.Profile.Direct {
		again = append(login[3:], session...)
	}
	next, err, rowErr := oneCall(ctx, d, call, again, 2)
	switch {
	case whole.Err() != nil:
		return context.Cause(whole)
	case err != nil || rowErr != nil:
		add("next call", doctor.Bad, "the line did not answer a second call right after the first", errorLines(errors.Join(err, rowErr))...)
		return nil
	case !p.line.Profile.Direct:
		add("next call", doctor.Good, "the line answers again at once; a caller who hangs up is noticed: "+next.Reason, chainOf(next)...)
		return nil
	}
	add("next call", doctor.Good, "the line answers again at once", chainOf(next)...)
	return p.leaves(whole, ctx, d, call, add)
}

// leaves looks whether a caller is noticed who leaves a direct line in the middle.
func (p *patient) leaves(whole, ctx context.Context, d *daemon, call robot, add func(string, doctor.Verdict, string, ...string)) error {
	const check = "caller leaves"
	mode := p.line.Carrier
	if mode == port.CarrierAuto || mode == "" {
		mode = port.CarrierMode(p.line.Profile.Carrier)
	}
	if mode != port.CarrierRequired {
		add(check, doctor.Untested, "without DCD a caller who leaves is not noticed, and idle of the service ends the call: carrier: required if DCD is wired")
		return nil
	}
	left, err, rowErr := oneCall(ctx, d, call, []turn{{"login: ", ""}}, 3)
	switch {
	case whole.Err() != nil:
		return context.Cause(whole)
	case err != nil || rowErr != nil:
		add(check, doctor.Bad, "the other end went, and the call went on: is its DTR wired to our DCD?", errorLines(errors.Join(err, rowErr))...)
	default:
		add(check, doctor.Good, "a caller who leaves is noticed: "+left.Reason, chainOf(left)...)
	}
	return nil
}

// oneCall has the line called, and returns the record of the call, the nth, once it is closed. err is the robot's.
func oneCall(ctx context.Context, d *daemon, call robot, turns []turn, n int) (row record.Row, err, rowErr error) {
	err = call(ctx, turns)
	row, rowErr = closedCall(ctx, d, n)
	return row, err, rowErr
}

// judge says what the record of the first call shows.
func (p *patient) judge(row record.Row, err error, add func(string, doctor.Verdict, string, ...string)) {
	chain := append(chainOf(row), errorLines(err)...)
	if row.Answered.IsZero() {
		add("call", doctor.Bad, "the line answered, and there was no connection: "+row.Reason, chain...)
		return
	}
	if p.line.Profile.Direct {
		add("call", doctor.Good, "the line answers", chain...)
	} else {
		add("call", doctor.Good, "the line answers: CONNECT "+row.Connect, chain...)
	}
	switch {
	case p.line.Profile.Direct: // there is none
	case row.CallerNumber == "" && p.line.Rings < 2:
		add("caller id", doctor.Untested, "no caller id came before the first ring, at which the line answers: rings: 2 gives it time")
	case row.CallerNumber == "":
		add("caller id", doctor.Untested, "no caller id came with this call")
	case p.sibling == nil && row.CallerNumber != robotNumber:
		add("caller id", doctor.Bad, fmt.Sprintf("the caller's number is %s, and came as %q", robotNumber, row.CallerNumber), chain...)
	default:
		add("caller id", doctor.Good, "the caller's number came: "+row.CallerNumber)
	}
	switch {
	case row.User == robotUser && err == nil:
		add("dialog", doctor.Good, "a wrong password is refused, the right one let in")
		add("session", doctor.Good, "the service is heard, and hears")
		add("escape in a call", doctor.Good, "+++ATH0 from the service is text")
	case row.User == robotUser:
		add("session", doctor.Bad, "the caller was let in, and the session broke off", chain...)
	default:
		add("dialog", doctor.Bad, "the login did not come to its end", chain...)
	}
	switch idle := stepWith(row, "proven idle"); {
	case idle == "":
		add("hang-up", doctor.Bad, "the line was not proven idle: "+row.Reason, chain...)
	case stepWith(row, "the modem ignores DTR") != "" || stepWith(row, "DCD is still high") != "":
		add("hang-up", doctor.Doubtful, "DTR did not end the call: the escape or a closed device did", chain...)
	default:
		add("hang-up", doctor.Good, idle)
	}
}

// listening waits until a line listens; otherwise it says why it does not.
func listening(ctx context.Context, d *daemon, name string) (why string) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	changes := d.watchers.Watch(ctx)
	for {
		s, _ := d.lines.Line(name)
		if s.State == port.Listening {
			return ""
		}
		if _, ok := <-changes; !ok {
			return fmt.Sprintf("%s, %s", s.State, s.Reason)
		}
	}
}

// closedCall waits until the nth call has been closed in the records.
func closedCall(ctx context.Context, d *daemon, n int) (record.Row, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	changes := d.watchers.Watch(ctx)
	for {
		rows, err := d.store.Calls(ctx, record.Query{Limit: 10})
		if err != nil {
			return record.Row{}, err
		}
		if len(rows) >= n && !rows[0].Open() {
			return rows[0], nil
		}
		if _, ok := <-changes; !ok {
			return record.Row{}, errors.New("no call was recorded")
		}
	}
}

// errorLines is an error as evidence.
func errorLines(err error) []string {
	if err == nil {
		return nil
	}
	return []string{err.Error()}
}

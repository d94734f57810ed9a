package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"rashost/port"
)

// armFile is the name of the arming's file in the state directory, so that a restart keeps what is in force.
const armFile = "armed.json"

// clockBack is how far a clock may have been set back before an arming no longer counts.
const clockBack = time.Minute

// maxArmFile bounds what is read of the file.
const maxArmFile = 1 << 20

// arming lets a line answer from Since until Until, while it has this device.
type arming struct {
	Line   string    `json:"line"`
	Device string    `json:"device"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
	UID    uint32    `json:"uid"`
	User   string    `json:"user,omitempty"`
}

// inForce says whether a counts at now. A clock that was set back must not make it longer.
func (a arming) inForce(now time.Time) bool {
	return now.Before(a.Until) && now.After(a.Since.Add(-clockBack))
}

// String says who let the line answer until when, and why.
func (a arming) String() string {
	return fmt.Sprintf("armed by %s (%s) until %s: %s", a.By, account(a.UID, a.User), a.Until.Local().Format(time.DateTime), a.Reason)
}

// account names who is at the other end of the control socket.
func account(uid uint32, user string) string {
	if user == "" {
		return fmt.Sprintf("uid %d", uid)
	}
	return user
}

// armBook keeps which lines are armed, in memory and in a file. Its methods may be called from any goroutine.
type armBook struct {
	path  string
	event func(port.LineEvent) // told of arming, disarming and expiry; no lock is held
	log   *slog.Logger

	mu     sync.Mutex
	arms   map[string]arming
	timers map[string]*time.Timer // of expiry
	closed bool
}

// newArmBook reads what is in force from the state directory. A file that cannot be read arms nothing: that is said in the log.
func newArmBook(state string, event func(port.LineEvent), log *slog.Logger) *armBook {
	b := &armBook{
		path: filepath.Join(state, armFile), event: event, log: log, arms: map[string]arming{}, timers: map[string]*time.Timer{},
	}
	kept, err := readArms(b.path)
	if err != nil {
		log.Error("what was armed is forgotten: no line is armed", "error", err.Error())
	}
	for _, a := range kept {
		if !a.inForce(time.Now()) {
			b.event(port.LineEvent{Line: a.Line, At: time.Now(), Kind: port.EventArmed, Text: "no longer armed: the time was over at the start of rashost", Result: a.String()})
			continue
		}
		b.mu.Lock()
		b.keep(a)
		b.mu.Unlock()
		log.Info("line is armed still", "line", a.Line, "until", a.Until, "by", a.By)
	}
	return b
}

// readArms reads the file; none is no fault.
func readArms(path string) ([]arming, error) {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > maxArmFile:
		return nil, fmt.Errorf("%s: must be a regular file of at most %d bytes", path, maxArmFile)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var kept []arming
	if err := json.Unmarshal(data, &kept); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	for _, a := range kept {
		if a.Line == "" || a.Until.Sub(a.Since) > maxArmed {
			return nil, fmt.Errorf("%s: line %q: was not written by rashost", path, a.Line)
		}
	}
	return kept, nil
}

// get returns what is in force for a line on this device: what was said of another one does not count.
func (b *armBook) get(line, device string) (arming, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a, ok := b.arms[line]
	return a, ok && a.Device == device && a.inForce(time.Now())
}

// arm puts a into force, in place of what was before, once it is on disk.
func (b *armBook) arm(a arming) error {
	b.mu.Lock()
	before, was := b.arms[a.Line]
	b.keep(a)
	err := b.save()
	if err != nil { // as it was
		b.forget(a.Line)
		if was {
			b.keep(before)
		}
	}
	b.mu.Unlock()
	if err != nil {
		return fmt.Errorf("the line is not armed, because that cannot be kept: %w", err)
	}
	b.event(port.LineEvent{Line: a.Line, At: a.Since, Kind: port.EventArmed, Text: a.String()})
	return nil
}

// disarm ends what is in force; who says on whose behalf. false: nothing was. It counts also when there is an error: then the file says
// otherwise, and a restart would bring it back.
func (b *armBook) disarm(line, who string) (bool, error) {
	b.mu.Lock()
	a, was := b.arms[line]
	was = was && a.inForce(time.Now())
	b.forget(line)
	err := b.save()
	b.mu.Unlock()
	if was {
		b.event(port.LineEvent{Line: line, At: time.Now(), Kind: port.EventArmed, Text: "disarmed by " + who, Result: "it was " + a.String()})
	}
	if err != nil {
		err = fmt.Errorf("the line is disarmed, but a restart before %s would arm it again: %w", a.Until.Local().Format(time.DateTime), err)
	}
	return was, err
}

// follow ends what was said of a line that is gone, has another device, or is no longer one that must be armed. devices are those of the
// lines that must be, by name.
func (b *armBook) follow(devices map[string]string) {
	var over []arming
	b.mu.Lock()
	for _, line := range sorted(b.arms) {
		if a := b.arms[line]; devices[line] != a.Device {
			over = append(over, a)
			b.forget(line)
		}
	}
	var err error
	if len(over) > 0 {
		err = b.save()
	}
	b.mu.Unlock()
	if err != nil {
		b.log.Error("what is no longer armed stands in its file still, and a restart would find it there", "error", err.Error())
	}
	for _, a := range over {
		why := "no longer armed: the line is gone, or answers at any time"
		if devices[a.Line] != "" {
			why = "no longer armed: the line has another device"
		}
		b.event(port.LineEvent{Line: a.Line, At: time.Now(), Kind: port.EventArmed, Text: why, Result: "it was " + a.String()})
	}
}

// expire tells of the end of a. The clock may have been set since: then the time to come is looked at again.
func (b *armBook) expire(a arming) {
	b.mu.Lock()
	if b.closed || b.arms[a.Line] != a {
		b.mu.Unlock()
		return
	}
	if a.inForce(time.Now()) {
		b.keep(a)
		b.mu.Unlock()
		return
	}
	b.forget(a.Line)
	err := b.save()
	b.mu.Unlock()
	if err != nil {
		b.log.Warn("an arming is over, and still in its file", "line", a.Line, "error", err.Error())
	}
	b.event(port.LineEvent{Line: a.Line, At: time.Now(), Kind: port.EventArmed, Text: "no longer armed: the time is over", Result: "it was " + a.String()})
}

// keep notes a and sets its timer; mu is held.
func (b *armBook) keep(a arming) {
	b.forget(a.Line)
	a.Since, a.Until = a.Since.Round(0), a.Until.Round(0) // by the clock on the wall, also over a suspend
	b.arms[a.Line] = a
	b.timers[a.Line] = time.AfterFunc(time.Until(a.Until), func() { b.expire(a) })
}

// forget is the opposite of keep; mu is held.
func (b *armBook) forget(line string) {
	if t := b.timers[line]; t != nil {
		t.Stop()
	}
	delete(b.timers, line)
	delete(b.arms, line)
}

// save writes the file anew, whole or not at all; mu is held.
func (b *armBook) save() error {
	kept := []arming{}
	for _, line := range sorted(b.arms) {
		kept = append(kept, b.arms[line])
	}
	data, err := json.MarshalIndent(kept, "", "  ")
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(b.path), armFile+".*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) // gone already when all went well
	_, err = f.Write(append(data, '\n'))
	err = errors.Join(err, f.Sync(), f.Close())
	if err != nil {
		return err
	}
	return os.Rename(f.Name(), b.path)
}

// close stops the timers; what is in force stays in the file.
func (b *armBook) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	for _, t := range b.timers {
		t.Stop()
	}
}

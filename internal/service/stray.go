package service

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// strayNote is what is kept on disk of a running program, so that the next rashost finds it if this one is killed.
type strayNote struct {
	PID     int    `json:"pid"`
	Start   string `json:"start"` // when it began, in the kernel's ticks since Boot: a number that was given again does not fit
	Boot    string `json:"boot"`
	Session bool   `json:"session"` // it leads a session of its own, which ends with it
	Line    string `json:"line"`
	CallID  string `json:"call_id"`

	path string // where it was read
}

// strayPrefix begins the names of the files.
const strayPrefix = "program-"

// noteStray writes the note of a program and returns its file, "" when that was not possible.
func noteStray(dir string, n strayNote, log *slog.Logger) string {
	if dir == "" {
		return ""
	}
	n.Start, n.Boot = startOf(n.PID), bootID()
	text, err := json.Marshal(n)
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	path := filepath.Join(dir, strayPrefix+strconv.Itoa(n.PID))
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		log.Warn("a program could not be noted: if rashost is killed, it may stay behind", "pid", n.PID, "error", err.Error())
		return ""
	}
	return path
}

func forgetStray(path string) {
	if path != "" {
		_ = os.Remove(path) // a note that stays fits no process
	}
}

// strayTime is how long stray programs may take to tell their callers, and to end.
const strayTime = 2 * time.Second

// EndStrays ends the programs of an earlier rashost that did not live to end them itself: SIGTERM, and SIGKILL to those whom that does not
// help. Only the owner of dir may call it: whoever holds the host's lock.
func EndStrays(dir string, log *slog.Logger) {
	paths, err := filepath.Glob(filepath.Join(dir, strayPrefix+"*"))
	if err != nil {
		log.Error("programs of an earlier rashost can't be looked for", "folder", dir, "error", err.Error())
		return
	}
	var strays []strayNote
	for _, path := range paths {
		var n strayNote
		text, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(text, &n)
		}
		switch {
		case err != nil:
			log.Error("a program of an earlier rashost can't be looked for", "note", path, "error", err.Error())
		case len(n.processes()) > 0:
			n.path = path
			strays = append(strays, n)
			continue // the note stays until they have ended: this may be killed, too
		}
		forgetStray(path)
	}
	living := strays
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		for _, n := range living {
			n.signal(sig)
		}
		for end := time.Now().Add(strayTime); len(living) > 0 && time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			living = slices.DeleteFunc(slices.Clone(living), func(n strayNote) bool { return len(n.processes()) == 0 })
		}
	}
	for _, n := range strays {
		if pids := n.processes(); len(pids) > 0 {
			log.Error("a program of an earlier rashost could not be ended", "pids", fmt.Sprint(pids), "line", n.Line, "call", n.CallID)
			continue
		}
		forgetStray(n.path)
		log.Warn("ended the program of a call that an earlier rashost left", "pid", n.PID, "line", n.Line, "call", n.CallID)
	}
}

// processes are those of the note that live: the very process, and its session. Where the process itself has ended, its session is known by
// the call that its environment names: the number may have been given to a stranger.
func (n strayNote) processes() []int {
	if n.PID <= 1 || n.Start == "" || n.Boot != bootID() {
		return nil
	}
	if own, err := unix.Getsid(0); n.PID == os.Getpid() || err != nil || own == n.PID {
		return nil // somebody started this rashost from that session
	}
	switch start := startOf(n.PID); {
	case start == n.Start && !n.Session:
		return []int{n.PID}
	case start == n.Start:
		return session(n.PID)
	case start != "" || !n.Session || n.CallID == "":
		return nil
	}
	return slices.DeleteFunc(session(n.PID), func(pid int) bool { return !ofCall(pid, n.CallID) })
}

func (n strayNote) signal(sig unix.Signal) {
	for _, pid := range n.processes() {
		_ = unix.Kill(pid, sig) // whether it has gone is looked at
		_ = unix.Kill(pid, unix.SIGCONT)
	}
}

// ofCall says whether a process was started for a call.
func ofCall(pid int, call string) bool {
	env, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
	return err == nil && slices.ContainsFunc(bytes.Split(env, []byte{0}), func(v []byte) bool { return string(v) == "RASHOST_CALL="+tame(call) })
}

// startOf returns when a process began, "" when there is none.
func startOf(pid int) string {
	const index = 22 - 3 // field 22 of proc_pid_stat(5); ours begin with the third
	fields := statOf(pid)
	if len(fields) <= index || fields[0] == "Z" {
		return ""
	}
	return fields[index]
}

func bootID() string {
	id, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	return string(bytes.TrimSpace(id))
}

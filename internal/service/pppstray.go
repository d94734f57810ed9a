package service

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// strayNote is what is kept on disk of a running pppd, so that the next rashost finds it if this one is killed.
type strayNote struct {
	PID    int    `json:"pid"`
	Start  string `json:"start"` // when it began, in the kernel's ticks since Boot: a number that was given again does not fit
	Boot   string `json:"boot"`
	Line   string `json:"line"`
	CallID string `json:"call_id"`
}

// strayPrefix begins the names of the files.
const strayPrefix = "pppd-"

// noteStray writes the note of a pppd and returns its file, "" when that was not possible.
func noteStray(dir string, pid int, who Caller, log *slog.Logger) string {
	if dir == "" {
		return ""
	}
	text, err := json.Marshal(strayNote{PID: pid, Start: startOf(pid), Boot: bootID(), Line: who.Line, CallID: who.CallID})
	if err == nil {
		err = os.MkdirAll(dir, 0o700)
	}
	path := filepath.Join(dir, strayPrefix+strconv.Itoa(pid))
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		log.Warn("pppd could not be noted: if rashost is killed, it may stay behind", "error", err.Error())
		return ""
	}
	return path
}

func forgetStray(path string) {
	if path != "" {
		_ = os.Remove(path) // a note that stays fits no process
	}
}

// EndStrayPPP ends the pppds of an earlier rashost that did not live to end them itself. Only the owner of dir may call it: whoever holds
// the host's lock.
func EndStrayPPP(dir string, log *slog.Logger) {
	paths, err := filepath.Glob(filepath.Join(dir, strayPrefix+"*"))
	if err != nil {
		log.Error("pppds of an earlier rashost can't be looked for", "folder", dir, "error", err.Error())
		return
	}
	for _, path := range paths {
		var n strayNote
		text, err := os.ReadFile(path)
		if err == nil {
			err = json.Unmarshal(text, &n)
		}
		if err == nil && n.alive() {
			err = n.end()
			log.Warn("ended the pppd of a call that an earlier rashost left", "pid", n.PID, "line", n.Line, "call", n.CallID)
		}
		if err != nil {
			log.Error("the pppd of an earlier rashost could not be ended", "note", path, "error", err.Error())
		}
		forgetStray(path)
	}
}

// alive says whether the very process of the note lives.
func (n strayNote) alive() bool {
	return n.PID > 1 && n.Start != "" && n.Boot == bootID() && n.Start == startOf(n.PID)
}

// strayTime is how long a stray pppd may take to tell its caller.
const strayTime = 2 * time.Second

// end ends the process: SIGTERM, and SIGKILL when that does not help.
func (n strayNote) end() error {
	for _, sig := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		if err := unix.Kill(n.PID, sig); err != nil && !errors.Is(err, unix.ESRCH) {
			return err
		}
		for end := time.Now().Add(strayTime); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			if !n.alive() {
				return nil
			}
		}
	}
	return fmt.Errorf("process %d survives SIGKILL", n.PID)
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

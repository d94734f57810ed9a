package main

import (
	"bytes"
	"syscall"
	"testing"
)

// fullDisk takes nothing until it is freed.
type fullDisk struct {
	free  bool
	taken bytes.Buffer
}

func (d *fullDisk) Write(p []byte) (int, error) {
	if !d.free {
		return 0, syscall.ENOSPC
	}
	return d.taken.Write(p)
}

// TestLogThatCannotBeWritten: a full disk under the log stops nobody, and logging goes on when there is room.
func TestLogThatCannotBeWritten(t *testing.T) {
	for _, format := range []string{"text", "json"} {
		disk := &fullDisk{}
		log := newLogger(disk, "info", format)
		log.Info("lost")
		disk.free = true
		log.With("line", "modem1").Info("kept")
		if text := disk.taken.String(); !bytes.Contains(disk.taken.Bytes(), []byte("kept")) || bytes.Contains(disk.taken.Bytes(), []byte("lost")) {
			t.Errorf("%s: the log is %q", format, text)
		}
	}
}

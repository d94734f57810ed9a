package main

import (
	"errors"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// tidyAfter is how long after a start or a reload the memory that it took for the moment is given back: more than what stays.
const tidyAfter = 5 * time.Second

// tidy gives back memory that only the start needed. Each collection halves the stacks that have become too large, and what pools
// keep goes with the second.
func tidy() {
	runtime.GC()
	runtime.GC()
	debug.FreeOSMemory()
	_ = unmapProgram() // it only stays larger
}

// unmapProgram drops the program's own code and constants from this process: most of it (YAML, migrations, commands) only the start
// needs. It stays in the page cache, and what is touched again is mapped again.
func unmapProgram() error {
	path, err := os.Executable()
	if err != nil {
		return err
	}
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		return err
	}
	var faults []error
	for _, m := range droppable(string(maps), path) {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, m.start, m.end-m.start, unix.MADV_DONTNEED); errno != 0 {
			faults = append(faults, errno)
		}
	}
	return errors.Join(faults...)
}

// mapping is a piece of this process's memory, from start to before end.
type mapping struct{ start, end uintptr }

// droppable lists, from the text of /proc/PID/smaps, the mappings of the file at path that nothing is lost with: private, not writable, and
// all of it still as in the file. What the dynamic linker has relocated and then protected is not writable either, but no longer the file's.
func droppable(smaps, path string) []mapping {
	var all []mapping
	var current mapping
	candidate := false
	for line := range strings.Lines(smaps) {
		fields := strings.Fields(line)
		switch {
		case len(fields) == 0:
		case !strings.HasSuffix(fields[0], ":"):
			current, candidate = readOnlyMapping(line, path)
		case candidate && fields[0] == "Anonymous:":
			if len(fields) == 3 && fields[1] == "0" {
				all = append(all, current)
			}
			candidate = false
		}
	}
	return all
}

// readOnlyMapping reads the head of a mapping. ok says that it is a private one of the file and cannot be written to.
func readOnlyMapping(line, path string) (m mapping, ok bool) {
	// 00400000-00b0c000 r-xp 00000000 fe:00 1234    /usr/bin/rashost
	fields := strings.Fields(line)
	if len(fields) < 6 || (fields[1] != "r-xp" && fields[1] != "r--p") || strings.Join(fields[5:], " ") != path {
		return m, false
	}
	from, to, _ := strings.Cut(fields[0], "-")
	first, err := strconv.ParseUint(from, 16, 64)
	last, err2 := strconv.ParseUint(to, 16, 64)
	return mapping{uintptr(first), uintptr(last)}, err == nil && err2 == nil && first < last
}

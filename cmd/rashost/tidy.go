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
	maps, err := os.ReadFile("/proc/self/maps")
	if err != nil {
		return err
	}
	var faults []error
	for line := range strings.Lines(string(maps)) {
		start, end, ok := readOnlyMapping(line, path)
		if !ok {
			continue
		}
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, start, end-start, unix.MADV_DONTNEED); errno != 0 {
			faults = append(faults, errno)
		}
	}
	return errors.Join(faults...)
}

// readOnlyMapping reads a line of /proc/PID/maps. ok says that it is a private mapping of the file that cannot be written to, so that
// nothing is lost with it.
func readOnlyMapping(line, path string) (start, end uintptr, ok bool) {
	// 00400000-00b0c000 r-xp 00000000 fe:00 1234    /usr/bin/rashost
	fields := strings.Fields(line)
	if len(fields) < 6 || (fields[1] != "r-xp" && fields[1] != "r--p") || strings.Join(fields[5:], " ") != path {
		return 0, 0, false
	}
	from, to, _ := strings.Cut(fields[0], "-")
	first, err := strconv.ParseUint(from, 16, 64)
	last, err2 := strconv.ParseUint(to, 16, 64)
	return uintptr(first), uintptr(last), err == nil && err2 == nil && first < last
}

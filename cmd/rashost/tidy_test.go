package main

import (
	"os"
	"strings"
	"testing"
)

// TestOnlyReadOnlyMappingsOfTheProgramAreDropped: a writable mapping, another file or a damaged line is never given back.
func TestOnlyReadOnlyMappingsOfTheProgramAreDropped(t *testing.T) {
	const program = "/opt/my programs/rashost"
	for line, want := range map[string]bool{
		"00400000-00b0c000 r-xp 00000000 fe:00 12   /opt/my programs/rashost\n":            true,
		"00b0c000-01197000 r--p 0070c000 fe:00 12   /opt/my programs/rashost\n":            true,
		"01197000-01215000 rw-p 00d97000 fe:00 12   /opt/my programs/rashost\n":            false,
		"00400000-00b0c000 r-xs 00000000 fe:00 12   /opt/my programs/rashost\n":            false,
		"00400000-00b0c000 r-xp 00000000 fe:00 13   /usr/lib/x86_64-linux-gnu/libc.so.6\n": false,
		"00400000-00b0c000 r-xp 00000000 fe:00 12   /opt/my programs/rashost (deleted)\n":  false,
		"01215000-0325f000 r--p 00000000 00:00 0\n":                                        false,
		"00b0c000-00400000 r-xp 00000000 fe:00 12   /opt/my programs/rashost\n":            false,
		"zzz-00400000 r-xp 00000000 fe:00 12   /opt/my programs/rashost\n":                 false,
		"\n": false,
	} {
		start, end, ok := readOnlyMapping(line, program)
		if ok != want {
			t.Errorf("readOnlyMapping(%q) = %x, %x, %v; want %v", line, start, end, ok, want)
		}
	}
}

// TestTidyKeepsTheProgramRunning: what was dropped comes back when it is touched.
func TestTidyKeepsTheProgramRunning(t *testing.T) {
	before := resident(t)
	tidy()
	after := resident(t)
	if after >= before {
		t.Errorf("resident code: %d KB before, %d KB after", before, after)
	}
}

// resident is how much of the program's file is mapped, in KB.
func resident(t *testing.T) int {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(status)) {
		if f := strings.Fields(line); len(f) > 1 && f[0] == "RssFile:" {
			n := 0
			for _, c := range f[1] {
				n = 10*n + int(c-'0')
			}
			return n
		}
	}
	t.Fatal("no RssFile")
	return 0
}

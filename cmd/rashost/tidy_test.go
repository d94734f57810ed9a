package main

import (
	"os"
	"slices"
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
		if m, ok := readOnlyMapping(line, program); ok != want {
			t.Errorf("readOnlyMapping(%q) = %x, %v; want %v", line, m, ok, want)
		}
	}
}

// TestRelocatedPagesStay: in a program with a dynamic linker, which every build with cgo is, the pages that the linker has filled in are
// read-only and not the file's any more. Dropped, they come back as zeros, and the program crashes when it ends.
func TestRelocatedPagesStay(t *testing.T) {
	const smaps = `55d0c5a00000-55d0c5b00000 r-xp 00001000 fe:00 12   /usr/bin/rashost
Size:               1024 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
55d0c5b00000-55d0c5b04000 r--p 00101000 fe:00 12   /usr/bin/rashost
Private_Dirty:        16 kB
Anonymous:            16 kB
VmFlags: rd mr mw me ac
55d0c5b04000-55d0c5b05000 rw-p 00105000 fe:00 12   /usr/bin/rashost
Anonymous:             0 kB
55d0c5b05000-55d0c5b06000 r--p 00106000 fe:00 12   /usr/bin/rashost
55d0c5c00000-55d0c5d00000 r--p 00000000 fe:00 13   /usr/lib/libc.so.6
Anonymous:             0 kB
55d0c5e00000-55d0c5f00000 r--p 00200000 fe:00 12   /usr/bin/rashost
Anonymous:             0 kB
`
	want := []mapping{{0x55d0c5a00000, 0x55d0c5b00000}, {0x55d0c5e00000, 0x55d0c5f00000}}
	if got := droppable(smaps, "/usr/bin/rashost"); !slices.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
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

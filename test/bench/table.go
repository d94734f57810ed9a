package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// The columns.
const (
	rashost = "rashost"
	mgetty  = "mgetty"
	ser2net = "ser2net"
	socat   = "socat"
)

// table is what was measured. A peer's cell that nobody filled is "-".
type table struct {
	rows   []*row
	absent map[string]bool // peers that are not installed
	load   string          // of the machine before the measuring
}

// row is one measure.
type row struct {
	what, target string
	met          *bool // nil: no target
	cells        map[string]string
}

func newTable() *table {
	load, _ := os.ReadFile("/proc/loadavg")
	t := &table{absent: map[string]bool{}, load: strings.Join(strings.Fields(string(load))[:3], " ")}
	for _, p := range []string{mgetty, ser2net, socat} {
		t.absent[p] = lookPeer(p) == ""
	}
	return t
}

// add makes a row, or finds it.
func (t *table) add(what string) *row {
	if i := slices.IndexFunc(t.rows, func(r *row) bool { return r.what == what }); i >= 0 {
		return t.rows[i]
	}
	r := &row{what: what, cells: map[string]string{}}
	t.rows = append(t.rows, r)
	return r
}

// put fills a cell.
func (r *row) put(column, format string, args ...any) *row {
	r.cells[column] = fmt.Sprintf(format, args...)
	return r
}

// want says what the target was and whether it was met.
func (r *row) want(target string, met bool) *row {
	r.target, r.met = target, &met
	return r
}

// print writes the table in Markdown.
func (t *table) print(w io.Writer) {
	var u unix.Utsname
	_ = unix.Uname(&u)
	fmt.Fprintf(w, "%s, %d cores %s, Linux %s, load before: %s\n\n", time.Now().Format(time.DateOnly), runtime.NumCPU(), runtime.GOARCH,
		release(u), t.load)
	lines := [][]string{{"measure", "target", rashost, "met", mgetty, ser2net, socat}}
	for _, r := range t.rows {
		met := ""
		if r.met != nil {
			met = map[bool]string{true: "met", false: "MISSED"}[*r.met]
		}
		line := []string{r.what, orDash(r.target), orDash(r.cells[rashost]), met}
		for _, p := range []string{mgetty, ser2net, socat} {
			cell := orDash(r.cells[p])
			if t.absent[p] {
				cell = "not installed"
			}
			line = append(line, cell)
		}
		lines = append(lines, line)
	}
	widths := make([]int, len(lines[0]))
	for _, l := range lines {
		for i, c := range l {
			widths[i] = max(widths[i], len(c))
		}
	}
	for n, l := range lines {
		for i, c := range l {
			fmt.Fprintf(w, "| %-*s ", widths[i], c)
		}
		fmt.Fprintln(w, "|")
		if n == 0 {
			for _, width := range widths {
				fmt.Fprint(w, "|"+strings.Repeat("-", width+2))
			}
			fmt.Fprintln(w, "|")
		}
	}
}

// release is the kernel's version without what a distributor or a machine adds.
func release(u unix.Utsname) string {
	version, _, _ := strings.Cut(unix.ByteSliceToString(u.Release[:]), "-")
	return version
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// durations are measured times.
type durations []time.Duration

// at is the p-th percentile.
func (d durations) at(p float64) time.Duration {
	if len(d) == 0 {
		return 0
	}
	s := slices.Clone(d)
	slices.Sort(s)
	return s[min(len(s)-1, int(p/100*float64(len(s))))]
}

// String is p50 and p99 in ms.
func (d durations) String() string { return ms(d.at(50)) + " / " + ms(d.at(99)) + " ms" }

func ms(d time.Duration) string { return fmt.Sprintf("%.2f", d.Seconds()*1e3) }

// median of some figures.
func median(f []float64) float64 {
	if len(f) == 0 {
		return 0
	}
	s := slices.Clone(f)
	slices.Sort(s)
	return s[len(s)/2]
}

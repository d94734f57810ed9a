// Report reads the output of `go test -json` on standard input and prints what a person needs of it: a line for each package, the whole
// output of what failed, and at the end, loudly, every test that did not run and why. With CI=true each of them is a failure.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
)

// What begins the reason of a test that does not run: something missing that can be had, or something that this kernel cannot do.
const (
	notRun      = "NOT RUN: "
	notPossible = "NOT POSSIBLE HERE: "
)

// event is one line of `go test -json` (go doc test2json).
type event struct {
	Action, Package, ImportPath, Test, Output string
	Elapsed                                   float64
}

// name is what an event is about: a test, or its package.
type name struct{ pkg, test string }

type report struct {
	out    io.Writer
	text   map[name]*strings.Builder // output of what is not yet over
	failed []string
	missed []string // could run, and does not
	cannot []string // cannot run here
	count  int
}

func main() {
	r := &report{out: os.Stdout, text: map[name]*strings.Builder{}}
	if err := r.read(os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "report:", err)
		os.Exit(2)
	}
	if !r.summary(os.Getenv("CI") == "true") {
		os.Exit(1)
	}
}

func (r *report) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadString('\n')
		var e event
		if json.Unmarshal([]byte(line), &e) == nil && e.Action != "" {
			r.take(e)
		} else if line != "" {
			fmt.Fprint(r.out, line) // of the go command itself
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

func (r *report) take(e event) {
	if e.Package == "" {
		e.Package = e.ImportPath // of a build
	}
	n := name{e.Package, e.Test}
	switch e.Action {
	case "output", "build-output":
		if r.text[n] == nil {
			r.text[n] = &strings.Builder{}
		}
		r.text[n].WriteString(e.Output)
		return
	case "fail", "build-fail":
		r.failed = append(r.failed, strings.TrimSpace(e.Package+" "+e.Test))
		r.print(n)
	case "skip":
		r.skipped(n)
	case "pass":
		if e.Test != "" {
			r.count++
		}
	default:
		return
	}
	if e.Test == "" && e.Action != "skip" && e.Action != "build-fail" {
		fmt.Fprintf(r.out, "%-5s %-40s %6.1f s\n", map[string]string{"pass": "ok", "fail": "FAIL"}[e.Action], e.Package, e.Elapsed)
	}
	delete(r.text, n)
}

func (r *report) print(n name) {
	if b := r.text[n]; b != nil {
		fmt.Fprint(r.out, b.String())
	}
}

// skipped keeps the reason of a test that something missing kept from running. A package without tests is no such thing.
func (r *report) skipped(n name) {
	b := r.text[n]
	if b == nil || n.test == "" {
		return
	}
	for line := range strings.Lines(b.String()) {
		for mark, list := range map[string]*[]string{notRun: &r.missed, notPossible: &r.cannot} {
			if _, reason, ok := strings.Cut(line, mark); ok {
				*list = append(*list, fmt.Sprintf("%s %s: %s", n.pkg, n.test, strings.TrimSpace(reason)))
			}
		}
	}
}

// summary says how it went and whether that is good enough.
func (r *report) summary(ci bool) bool {
	r.list("NOT RUN", r.missed)
	r.list("NOT POSSIBLE HERE", r.cannot)
	switch {
	case len(r.failed) > 0:
		fmt.Fprintf(r.out, "%d passed, FAILED:\n%s\n", r.count, strings.Join(r.failed, "\n"))
		return false
	case r.count == 0:
		fmt.Fprintln(r.out, "no test ran")
		return false
	case len(r.missed)+len(r.cannot) > 0 && ci:
		fmt.Fprintf(r.out, "%d passed, %d did not run, %d cannot run here, which is a failure with CI=true\n", r.count, len(r.missed), len(r.cannot))
		return false
	}
	fmt.Fprintf(r.out, "%d passed, %d did not run, %d cannot run here\n", r.count, len(r.missed), len(r.cannot))
	return true
}

// list prints a list that nobody overlooks, nothing when it is empty.
func (r *report) list(title string, tests []string) {
	if len(tests) > 0 {
		slices.Sort(tests)
		line := strings.Repeat("=", 20)
		fmt.Fprintf(r.out, "%s %s %s\n%s\n%s\n", line, title, line, strings.Join(tests, "\n"), strings.Repeat("=", 2*len(line)+len(title)+2))
	}
}

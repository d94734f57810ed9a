package plugintest

import (
	"bytes"
	"runtime"
	"slices"
	"strings"
)

// goroutine is one stack of a dump.
type goroutine struct {
	id     string
	owner  string // the package that is to answer for it
	bubble string // the synctest bubble, "" outside
	text   string // where it is and who made it, in one line
}

// goroutines takes the stacks of all goroutines that are in the caller's bubble, or outside of any like the caller, its own included.
func goroutines() []goroutine {
	self := parseStack(stack(false))
	var all []goroutine
	for dump := range bytes.SplitSeq(stack(true), []byte("\n\n")) {
		if g := parseStack(dump); g.bubble == self.bubble {
			all = append(all, g)
		}
	}
	return all
}

// stack returns the dump of this goroutine or of all.
func stack(all bool) []byte {
	buf := make([]byte, 16<<10)
	for {
		n := runtime.Stack(buf, all)
		if n < len(buf) || !all {
			return buf[:n]
		}
		buf = make([]byte, 2*len(buf))
	}
}

// parseStack reads one dump:
//
//	goroutine 18 [select (durable), synctest bubble 1]:
//	main.work(...)
//		/file.go:10 +0x1
//	created by main.start in goroutine 1
//		/file.go:20 +0x2
//
// The owner is who wrote the go statement, or, where that is the standard library (time.AfterFunc, sync.WaitGroup.Go), whose function
// runs in it.
func parseStack(dump []byte) goroutine {
	lines := strings.Split(strings.TrimSpace(string(dump)), "\n")
	head, _ := strings.CutPrefix(lines[0], "goroutine ")
	id, state, _ := strings.Cut(head, " ")
	g := goroutine{id: id}
	if _, b, ok := strings.Cut(state, "synctest bubble "); ok {
		g.bubble = strings.Trim(b, "]:")
	}
	var frames []string
	creator := ""
	for _, line := range lines[1:] {
		if strings.HasPrefix(line, "\t") || strings.HasPrefix(line, "...") {
			continue
		}
		if by, ok := strings.CutPrefix(line, "created by "); ok {
			creator, _, _ = strings.Cut(by, " in goroutine ")
			continue
		}
		frames = append(frames, line)
	}
	g.owner = packageOf(creator)
	for _, f := range slices.Backward(frames) {
		if !standard(g.owner) {
			break
		}
		g.owner = packageOf(f)
	}
	top := ""
	if len(frames) > 0 {
		top = frames[0]
		if args := strings.LastIndexByte(top, '('); args > 0 {
			top = top[:args]
		}
	}
	g.text = "at " + top + ", created by " + creator
	return g
}

// packageOf cuts the import path out of a function as the runtime writes it: rashost/dialog.(*Host).Run.func1(...).
func packageOf(function string) string {
	slash := strings.LastIndexByte(cutArgs(function), '/') + 1
	if dot := strings.IndexByte(function[slash:], '.'); dot >= 0 {
		function = function[:slash+dot]
	}
	return strings.ReplaceAll(function, "%2e", ".") // the runtime's way to write a dot in the last element
}

// cutArgs removes what follows the package: arguments and type parameters may hold slashes.
func cutArgs(function string) string {
	if i := strings.IndexAny(function, "(["); i >= 0 {
		return function[:i]
	}
	return function
}

// standardRoots are the first elements of the standard library's import paths, as far as goroutines can come from them.
const standardRoots = " archive bufio bytes compress container context crypto database debug embed encoding errors expvar fmt go hash" +
	" html image index internal io iter log maps math mime net os path plugin reflect regexp runtime slices sort strconv strings sync" +
	" syscall testing text time unicode unique vendor weak "

// standard says whether pkg belongs to the Go project, so that its goroutines are judged by the function they run.
func standard(pkg string) bool {
	first, _, _ := strings.Cut(pkg, "/")
	return pkg == "" || strings.Contains(standardRoots, " "+first+" ") || strings.HasPrefix(pkg, "golang.org/x/")
}

// below says whether pkg is one of the packages or below one.
func below(pkg string, packages []string) bool {
	return slices.ContainsFunc(packages, func(p string) bool { return pkg == p || strings.HasPrefix(pkg, p+"/") })
}

// foreign says whether g was started by neither the host nor the suite nor anything that the subject has named.
func (g goroutine) foreign(accepted []string) bool {
	switch g.owner {
	case "rashost/dialog", "rashost/plugin/plugintest":
		return false
	}
	return !standard(g.owner) && !below(g.owner, accepted)
}

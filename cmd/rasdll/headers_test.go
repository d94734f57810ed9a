package rasdll

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const include = "../../plugin/native/include"

// ownExports are what a library defines, and the headers only declare.
var ownExports = []string{"DllMain", "RasSecurityDialogBegin", "RasSecurityDialogEnd"}

// linkerSymbols are what the linker and the start of every program add.
var linkerSymbols = []string{"_IO_stdin_used", "__bss_start", "__data_start", "_edata", "_end", "_start", "data_start", "_init", "_fini"}

// headers returns the names of all headers.
func headers(t *testing.T) []string {
	t.Helper()
	paths, err := filepath.Glob(include + "/*.h")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no headers: %v", err)
	}
	for i, path := range paths {
		paths[i] = filepath.Base(path)
	}
	return paths
}

// declared returns every function that the headers declare, as the compiler sees it.
func declared(t *testing.T) []string {
	t.Helper()
	need(t, "gcc", "gcc")
	folder := t.TempDir()
	var source strings.Builder
	for _, name := range headers(t) {
		source.WriteString("#include <" + name + ">\n")
	}
	all, notes := filepath.Join(folder, "all.c"), filepath.Join(folder, "notes")
	if err := os.WriteFile(all, []byte(source.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("gcc", "-fms-extensions", "-fshort-wchar", "-fPIC", "-Wall", "-Werror", "-I"+include, "-aux-info", notes,
		"-c", all, "-o", os.DevNull)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	text, err := os.ReadFile(notes)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		if m := regexp.MustCompile(`^/\* ` + regexp.QuoteMeta(include) + `\S+ \*/ extern .*?(\w+) \(`).FindStringSubmatch(line); m != nil {
			names = append(names, m[1])
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Each header can be included alone, in C and C++ of every age, without a warning.
func TestHeadersAlone(t *testing.T) {
	need(t, "g++", "g++")
	for _, name := range headers(t) {
		for _, language := range []string{"gcc -std=gnu89 c", "gcc -std=c11 c", "g++ -std=c++11 c++", "g++ -std=c++20 c++"} {
			f := strings.Fields(language)
			o := start(t, f[0], "#include <"+name+">\n", f[1], "-Wall", "-Wextra", "-Werror", "-fms-extensions", "-fshort-wchar", "-I"+include,
				"-fsyntax-only", "-x", f[2], "-")
			if o.code != 0 {
				t.Errorf("%s with %s: %s", name, language, o.stderr)
			}
		}
	}
}

// exported returns the symbols that a library can find in rasdll.
func exported(t *testing.T) []string {
	t.Helper()
	need(t, "nm", "binutils")
	out, err := exec.Command("nm", "-D", "--defined-only", rasdll(t, "")).Output()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if len(f) == 3 && !strings.Contains(f[2], "@") && !slices.Contains(linkerSymbols, f[2]) { // with @: the C library's variables
			names = append(names, f[2])
		}
	}
	slices.Sort(names)
	return names
}

// The headers declare what rasdll exports, all of it and nothing else.
func TestHeadersDeclareWhatExists(t *testing.T) {
	want := exported(t)
	got := slices.DeleteFunc(declared(t), func(name string) bool { return slices.Contains(ownExports, name) })
	if len(got) < 80 {
		t.Fatalf("found only %d declarations: %v", len(got), got)
	}
	compare(t, "declared in a header", got, "exported by rasdll", want)
}

// compare reports the differences of two sets.
func compare(t *testing.T, name string, set []string, otherName string, other []string) {
	t.Helper()
	for _, s := range set {
		if !slices.Contains(other, s) {
			t.Errorf("%s is %s, but not %s", s, name, otherName)
		}
	}
	for _, s := range other {
		if !slices.Contains(set, s) {
			t.Errorf("%s is %s, but not %s", s, otherName, name)
		}
	}
}

// sourceNames returns the functions as a source writes them: lstrlen, not lstrlenA, and macros that stand for functions.
func sourceNames(t *testing.T) []string {
	t.Helper()
	names := declared(t)
	for _, header := range headers(t) {
		text, err := os.ReadFile(filepath.Join(include, header))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^#define (\w+)(\(\w[\w, ]*\))? (\w+)(\(.*\))?$`).FindAllStringSubmatch(string(text), -1) {
			name, arguments, stands, call := m[1], m[2], m[3], m[4]
			switch {
			case strings.HasPrefix(name, "RAS"), name == "_RASSHOST_":
			case arguments != "" && call != "" && strings.HasPrefix(stands, "mem"):
				names = append(names, name)
			case arguments == "" && slices.Contains(names, stands) && stands == name+"A":
				names[slices.Index(names, stands)] = name
			case arguments == "" && (slices.Contains(names, stands) || strings.HasPrefix(stands, "str") || strings.HasSuffix(stands, "snprintf") ||
				strings.HasSuffix(stands, "vsnprintf")):
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// docs/native.md lists exactly the functions that there are, and every header.
func TestDocumentListsTheAPI(t *testing.T) {
	text, err := os.ReadFile("../../docs/native.md")
	if err != nil {
		t.Fatal(err)
	}
	_, api, _ := strings.Cut(string(text), "\n## What there is\n")
	api, _, found := strings.Cut(api, "\n## ")
	if !found {
		t.Fatal("docs/native.md has no section What there is")
	}
	var listed []string
	for line := range strings.Lines(api) {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			for _, m := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(cells[2], -1) {
				listed = append(listed, m[1])
			}
		}
	}
	slices.Sort(listed)
	if unique := slices.Compact(slices.Clone(listed)); len(unique) != len(listed) {
		t.Error("a function is listed twice")
	}
	compare(t, "listed in docs/native.md", listed, "in the headers", sourceNames(t))
	for _, name := range headers(t) {
		if !strings.Contains(string(text), "`"+name+"`") {
			t.Errorf("docs/native.md does not name the header %s", name)
		}
	}
}

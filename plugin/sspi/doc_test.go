package sspi

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// functions returns the source of every test of the package by its name, and every status that its other code names.
func functions(t *testing.T) (tests map[string]string, used map[string]bool) {
	t.Helper()
	tests, used = map[string]string{}, map[string]bool{}
	files, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		set := token.NewFileSet()
		f, err := parser.ParseFile(set, name, text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		switch {
		case strings.HasSuffix(name, "_test.go"):
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok {
					tests[fn.Name.Name] = string(text[set.Position(fn.Pos()).Offset:set.Position(fn.End()).Offset])
				}
			}
		case name != "statustable.go":
			ast.Inspect(f, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok && regexp.MustCompile(`^SEC_[EI]_`).MatchString(id.Name) {
					used[id.Name] = true
				}
				return true
			})
		}
	}
	return tests, used
}

// The table in docs/sspi.md against the code: every name with its number and class, in order; "table only" for exactly those that the
// package never returns, and for the others a test that asks for them.
func TestDocumentedStatuses(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "sspi.md"))
	if err != nil {
		t.Fatal(err)
	}
	tests, used := functions(t)
	row := regexp.MustCompile("(?m)^\\| `(SEC_[A-Z_0-9a-z]+)` \\| (0x[0-9A-F]{8}) \\| (\\w+) \\| (.*) \\| (?:`(\\w+)`)? ?\\|$")
	var names []string
	produced := 0
	for _, m := range row.FindAllStringSubmatch(string(text), -1) {
		name, number, class, how, test := m[1], m[2], m[3], m[4], m[5]
		names = append(names, name)
		i := slices.IndexFunc(statusTable[:], func(r statusInfo) bool { return r.name == name })
		if i < 0 {
			t.Errorf("%s is no status", name)
			continue
		}
		s := statusTable[i].status
		if number != fmt.Sprintf("0x%08X", uint32(s)) || class != s.Class().String() {
			t.Errorf("%s: %s, %s; the code says 0x%08X, %v", name, number, class, uint32(s), s.Class())
		}
		switch {
		case how == "table only" || name == "SEC_E_NOT_SUPPORTED":
			if test != "" || used[name] {
				t.Errorf("%s is %s, and there is a test or the package names it", name, how)
			}
		case how == "" || !used[name] || !strings.Contains(tests[test], name):
			t.Errorf("%s: produced %q, test %q, which does not ask for it", name, how, test)
		default:
			produced++
		}
	}
	var want []string
	for _, n := range StatusNames() {
		want = append(want, n.Name)
	}
	slices.Sort(names)
	slices.Sort(want)
	if !slices.Equal(names, want) {
		t.Errorf("%d rows for %d names", len(names), len(want))
	}
	if produced != 20 {
		t.Errorf("%d statuses are produced, want 20", produced)
	}
}

// Every test that the page names is there.
func TestDocumentedTests(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "sspi.md"))
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, folder := range []string{".", "httpline"} {
		files, err := filepath.Glob(filepath.Join(folder, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range files {
			code, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			all.Write(code)
		}
	}
	for _, m := range regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(all.String(), "func "+m[1]+"(") {
			t.Errorf("docs/sspi.md names %s, which is not there", m[1])
		}
	}
}

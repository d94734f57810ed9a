// Package arch checks the house's rules: who may import whom, and what nobody may do.
package arch

import (
	"bytes"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const (
	module = "rashost"
	root   = "../.."
	yaml   = "gopkg.in/yaml.v3"
)

// rule says what the packages that match a pattern may import of ours. Patterns are the go command's: "plugin/..." is plugin and
// everything below it.
type rule struct {
	who  string
	may  []string
	note string
}

// rules is the list of docs/architecture.md; the first row that matches a package counts.
var rules = []rule{
	{"plugin", nil, "the contract knows nothing"},
	{"plugin/internal/...", []string{"plugin/internal/..."}, "generators of the contract"},
	{"plugin/plugintest/...", []string{"plugin", "dialog", "plugin/plugintest/..."}, "the suite drives plugins through a real host"},
	{"plugin/users", []string{"plugin"}, "the user file, shared by the plugins that need one"},
	{"plugin/sasl/client", nil, "the far end of a SASL dialog"},
	{"plugin/sasl/exchange", []string{"plugin/users", "plugin/sspi"}, "the mechanisms, without a line"},
	{"plugin/sasl", []string{"plugin", "dialog/terminal", "plugin/users", "plugin/sspi", "plugin/sasl/exchange"}, ""},
	{"plugin/sspi/httpline", []string{"plugin", "plugin/users", "plugin/sspi"}, "HTTP on the line; sspi judges"},
	{"plugin/external/...", []string{"plugin", "plugin/external/..."}, "the process and what is spoken with it"},
	{"plugin/native", []string{"plugin", "plugin/external/..."}, ""},
	{"plugin/...", []string{"plugin", "dialog/terminal", "plugin/users"}, "a plugin knows the contract, the terminal and the user file"},
	{"dialog", []string{"plugin"}, "the host knows the contract, no plugin"},
	{"dialog/terminal", []string{"plugin"}, ""},
	{"port", []string{"port/modem", "port/modemsim", "port/hotplug", "hardware"}, "port knows nothing of dialogs"},
	{"port/modemsim", []string{"port/modem"}, ""},
	{"port/modem", nil, "pure"},
	{"port/hotplug", nil, "what the kernel says of devices"},
	{"hardware", nil, "data"},
	{"internal/...", []string{"plugin/...", "dialog/...", "port/...", "hardware", "internal/..."}, "never cmd"},
	{"cmd/...", []string{"..."}, "knows all"},
	{"test/...", []string{"plugin/...", "dialog/...", "port/...", "hardware", "internal/...", "test/..."}, "tests only"},
}

// matches says whether pkg, relative to the module, falls under pattern.
func matches(pattern, pkg string) bool {
	if folder, below := strings.CutSuffix(pattern, "/..."); below {
		return pkg == folder || strings.HasPrefix(pkg, folder+"/")
	}
	return pattern == pkg || pattern == "..."
}

// allowed says whether the package from may import the package to, and why not.
func allowed(from, to string) (bool, string) {
	for _, r := range rules {
		if matches(r.who, from) {
			return slices.ContainsFunc(r.may, func(p string) bool { return matches(p, to) }), r.note
		}
	}
	return false, "no rule names " + from + ": add it to the architecture first"
}

// file is one parsed Go file.
type file struct {
	path string // relative to the module
	pkg  string // folder, relative to the module
	test bool
	ast  *ast.File
}

// goFiles parses every Go file of the module, whatever its build tags.
func goFiles(t *testing.T, fset *token.FileSet) []file {
	t.Helper()
	var files []file
	walk(t, func(name string) {
		if path.Ext(name) != ".go" {
			return
		}
		f, err := parser.ParseFile(fset, filepath.Join(root, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Errorf("%v", err)
			return
		}
		files = append(files, file{name, path.Dir(name), strings.HasSuffix(name, "_test.go"), f})
	})
	if len(files) == 0 {
		t.Fatal("found no Go files")
	}
	return files
}

// walk calls visit with every file of the module, without tools, binaries and test data.
func walk(t *testing.T, visit func(name string)) {
	t.Helper()
	err := fs.WalkDir(os.DirFS(root), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if slices.Contains([]string{".git", ".tools", "bin", "testdata"}, d.Name()) {
				return fs.SkipDir
			}
			return nil
		}
		if d.Type().IsRegular() {
			visit(name)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func TestImports(t *testing.T) {
	for _, f := range goFiles(t, token.NewFileSet()) {
		for _, spec := range f.ast.Imports {
			to, err := strconv.Unquote(spec.Path.Value)
			if err != nil {
				t.Fatal(err)
			}
			if fault := importFault(f.pkg, to, f.test); fault != "" {
				t.Errorf("%s: %s", f.path, fault)
			}
		}
	}
}

// importFault says what is wrong with an import, "" when nothing is. Tests may use any of our packages but commands.
func importFault(from, to string, test bool) string {
	if to == yaml && !test && !slices.Contains([]string{"internal/config", "hardware", "plugin/users", "port/modemsim"}, from) {
		return yaml + " is for internal/config, hardware, plugin/users and port/modemsim"
	}
	ours, ok := strings.CutPrefix(to, module+"/")
	switch {
	case !ok || ours == from:
		return ""
	case test && !matches("cmd/...", ours):
		return ""
	}
	if ok, why := allowed(from, ours); !ok {
		return fmt.Sprintf("%s must not import %s (%s)", from, ours, why)
	}
	return ""
}

func TestImportFaultFindsFaults(t *testing.T) {
	for _, tc := range []struct {
		from, to string
		test, ok bool
	}{
		{"plugin", "rashost/dialog", false, false},
		{"plugin", "rashost/plugin/internal/gencodes/gen", true, true},
		{"plugin/password", "rashost/plugin", false, true},
		{"plugin/password", "rashost/dialog", false, false},
		{"plugin/password", "rashost/plugin/plugintest", false, false},
		{"plugin/password", "rashost/plugin/plugintest", true, true},
		{"plugin/plugintest", "rashost/dialog", false, true},
		{"plugin/sasl", "rashost/plugin/sspi", false, true},
		{"plugin/sspi", "rashost/plugin/sasl", false, false},
		{"dialog", "rashost/dialog/terminal", false, false},
		{"dialog/terminal", "rashost/dialog", false, false},
		{"port", "rashost/dialog", false, false},
		{"port", "rashost/plugin", false, false},
		{"port", "rashost/port/modem", false, true},
		{"port/modem", "rashost/port", false, false},
		{"internal/service", "rashost/port", false, true},
		{"internal/service", "rashost/cmd/rashost", false, false},
		{"internal/service", "rashost/test/lab", false, false},
		{"test/e2e", "rashost/cmd/rashost", true, false},
		{"cmd/rashost", "rashost/internal/config", false, true},
		{"util", "rashost/plugin", false, false},
		{"port", "os", false, true},
		{"internal/config", yaml, false, true},
		{"dialog", yaml, false, false},
		{"dialog", yaml, true, true},
	} {
		if fault := importFault(tc.from, tc.to, tc.test); (fault == "") != tc.ok {
			t.Errorf("%s -> %s (test %v): %q, want allowed %v", tc.from, tc.to, tc.test, fault, tc.ok)
		}
	}
}

func TestNoInitFunctions(t *testing.T) {
	fset := token.NewFileSet()
	for _, f := range goFiles(t, fset) {
		for _, d := range f.ast.Decls {
			if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: func init", fset.Position(fn.Pos()))
			}
		}
	}
}

// Package variables are tables and error values: no code changes one.
func TestNoPackageStateIsChanged(t *testing.T) {
	fset := token.NewFileSet()
	packages := map[string][]*ast.File{}
	for _, f := range goFiles(t, fset) {
		if !f.test {
			key := f.pkg + " " + f.ast.Name.Name
			packages[key] = append(packages[key], f.ast)
		}
	}
	for name, files := range packages {
		for _, fault := range changedState(fset, name, files) {
			t.Error(fault)
		}
	}
}

// changedState lists the places where a package-level variable gets a new value.
func changedState(fset *token.FileSet, name string, files []*ast.File) []string {
	info := &types.Info{Uses: map[*ast.Ident]types.Object{}}
	// Imports are not loaded and build tags not heeded, so there are type errors; the names of the package resolve all the same.
	conf := types.Config{Error: func(error) {}, FakeImportC: true}
	pkg, _ := conf.Check(name, fset, files, info)
	var faults []string
	changed := func(e ast.Expr) {
		id := rootIdent(e)
		if id == nil {
			return
		}
		if v, ok := info.Uses[id].(*types.Var); ok && v.Parent() == pkg.Scope() {
			faults = append(faults, fmt.Sprintf("%s: package variable %s is changed", fset.Position(id.Pos()), id.Name))
		}
	}
	for _, f := range files {
		ast.Inspect(f, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				if n.Tok != token.DEFINE {
					for _, e := range n.Lhs {
						changed(e)
					}
				}
			case *ast.IncDecStmt:
				changed(n.X)
			case *ast.CallExpr:
				if fn, ok := n.Fun.(*ast.Ident); ok && len(n.Args) > 0 && (fn.Name == "delete" || fn.Name == "clear") {
					changed(n.Args[0])
				}
			}
			return true
		})
	}
	return faults
}

// rootIdent returns the variable that an assignable expression belongs to.
func rootIdent(e ast.Expr) *ast.Ident {
	for {
		switch x := e.(type) {
		case *ast.Ident:
			return x
		case *ast.IndexExpr:
			e = x.X
		case *ast.SelectorExpr:
			e = x.X
		case *ast.StarExpr:
			e = x.X
		case *ast.ParenExpr:
			e = x.X
		default:
			return nil
		}
	}
}

func TestChangedStateFindsChanges(t *testing.T) {
	const source = `package p
import "missing/pkg"
var a, b = 1, map[int]int{}
var c struct{ n int }
var table = []int{1}
func f() { a = 2; b[1]++; delete(b, 1); c.n += pkg.N; a := 3; a = 4; _ = table[0] }
`
	fset := token.NewFileSet()
	f, err := parser.ParseFile(fset, "p.go", source, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	if got := changedState(fset, "p", []*ast.File{f}); len(got) != 4 {
		t.Errorf("found %q, want the four changes", got)
	}
}

func TestNoVagueFolders(t *testing.T) {
	walk(t, func(name string) {
		for part := range strings.SplitSeq(path.Dir(name), "/") {
			if slices.Contains([]string{"util", "utils", "common", "helper", "helpers", "misc"}, part) {
				t.Errorf("%s: a folder is named after what it holds", name)
			}
		}
	})
}

// A clone must be complete by itself and finished.
func TestRepositoryStandsAlone(t *testing.T) {
	words := []string{".." + "/shared", "/work" + "/shared", "TO" + "DO", "FIX" + "ME"}
	walk(t, func(name string) {
		data, err := os.ReadFile(filepath.Join(root, name))
		if err != nil {
			t.Error(err)
			return
		}
		if bytes.IndexByte(data, 0) >= 0 {
			return // not text
		}
		for n, line := range bytes.Split(data, []byte("\n")) {
			for _, word := range words {
				if bytes.Contains(line, []byte(word)) {
					t.Errorf("%s:%d: %q must not appear", name, n+1, word)
				}
			}
		}
	})
}

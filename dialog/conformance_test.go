package dialog

import (
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

// rules are the letters of the contract's rules and how many each has.
var rules = map[string]int{"B": 6, "E": 8, "C": 9, "T": 3, "R": 9, "G": 4}

// events are the numbers that the contract wants accounted for.
var events = []string{
	"20015", "20016", "20017", "20018", "20019", "20050", "20051", "20052", "20054", "20068", "20080", "20081", "20082", "20093",
	"20095", "20096", "20097", "20098", "20099", "20100",
}

// TestConformancePage holds docs/conformance.md to the tree: every rule has a row and a test that carries its name, every event a row,
// and every test that the page names exists.
func TestConformancePage(t *testing.T) {
	page, err := os.ReadFile("../docs/conformance.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testsBelow(t, "..")
	ruleTest := regexp.MustCompile(`^Test([BECTRG][0-9])_`)
	rows := make(map[string][]string) // by first cell
	for line := range strings.Lines(string(page)) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), " | ")
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		if len(cells) > 2 {
			rows[cells[0]] = cells
		}
	}
	name := regexp.MustCompile("`((?:Test|Fuzz)[A-Za-z0-9_]+)`")
	for _, m := range name.FindAllStringSubmatch(string(page), -1) {
		if !tests[m[1]] {
			t.Errorf("the page names %s, which does not exist", m[1])
		}
	}
	for letter, n := range rules {
		for i := range n {
			rule := letter + string(rune('1'+i))
			row := rows[rule]
			if len(row) != 4 || row[1] != "done" && row[1] != "differs" || row[2] == "" {
				t.Errorf("rule %s: no row with state, how and test: %q", rule, row)
				continue
			}
			if !strings.Contains(row[3], "`Test"+rule+"_") {
				t.Errorf("rule %s: no test that carries its name: %s", rule, row[3])
			}
		}
	}
	for _, event := range events {
		if row := rows[event]; len(row) != 3 || row[2] == "" {
			t.Errorf("event %s: no row with meaning and what produces it: %q", event, row)
		} else if !strings.HasPrefix(row[2], "nothing yet") && !name.MatchString(row[2]) {
			t.Errorf("event %s: no test that proves what produces it: %s", event, row[2])
		}
	}
	for test := range testsBelow(t, ".") { // no test of a rule is forgotten
		if rule := ruleTest.FindStringSubmatch(test); rule != nil {
			if row := rows[rule[1]]; len(row) != 4 || !slices.Contains(strings.Split(row[3], ", "), "`"+test+"`") {
				t.Errorf("rule %s: the page does not name %s", rule[1], test)
			}
		}
	}
}

// testsBelow returns the names of all test and fuzz functions below a folder.
func testsBelow(t *testing.T, dir string) map[string]bool {
	t.Helper()
	tests := make(map[string]bool)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		for _, name := range testsOfFile(t, path) {
			tests[name] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}

// testsOfFile returns the names of the test and fuzz functions of one file.
func testsOfFile(t *testing.T, path string) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		t.Fatal(err)
	}
	for _, decl := range file.Decls {
		if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && (strings.HasPrefix(f.Name.Name, "Test") || strings.HasPrefix(f.Name.Name, "Fuzz")) {
			names = append(names, f.Name.Name)
		}
	}
	return names
}

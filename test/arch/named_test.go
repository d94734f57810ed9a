package arch

import (
	"io/fs"
	"os"
	"path"
	"regexp"
	"strings"
	"testing"
)

// Every test that a document names exists.
func TestDocumentedTestsExist(t *testing.T) {
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz|Benchmark)\w+)\(`)
	named := regexp.MustCompile("`((?:Test|Fuzz|Benchmark)[A-Z0-9]\\w*)`")
	there := map[string]bool{}
	documents := map[string]string{}
	walk(t, func(name string) {
		test := strings.HasSuffix(name, "_test.go")
		if !test && path.Ext(name) != ".md" {
			return
		}
		data, err := fs.ReadFile(os.DirFS(root), name)
		if err != nil {
			t.Error(err)
			return
		}
		if !test {
			documents[name] = string(data)
			return
		}
		for _, m := range declared.FindAllStringSubmatch(string(data), -1) {
			there[m[1]] = true
		}
	})
	count := 0
	for name, text := range documents {
		for _, m := range named.FindAllStringSubmatch(text, -1) {
			if count++; !there[m[1]] {
				t.Errorf("%s names %s, which does not exist", name, m[1])
			}
		}
	}
	if count < 100 {
		t.Errorf("the documents name %d tests: is something wrong with the pattern?", count)
	}
}

package arch

import (
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"unicode"
)

var (
	fence   = regexp.MustCompile("(?ms)^```.*?^```$")
	code    = regexp.MustCompile("`[^`\n]*`")
	link    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	heading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
)

// links lists where a document points to: the targets of its links, without those of code.
func links(text string) []string {
	text = code.ReplaceAllString(fence.ReplaceAllString(text, ""), "code")
	var all []string
	for _, m := range link.FindAllStringSubmatch(text, -1) {
		all = append(all, m[1])
	}
	return all
}

// anchors are the places in a document that a link can name, as they are made of its headings.
func anchors(text string) map[string]bool {
	all := map[string]bool{}
	for _, m := range heading.FindAllStringSubmatch(fence.ReplaceAllString(text, ""), -1) {
		var b strings.Builder
		for _, r := range strings.ToLower(m[1]) {
			switch {
			case r == ' ':
				b.WriteByte('-')
			case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
				b.WriteRune(r)
			}
		}
		all[b.String()] = true
	}
	return all
}

// linkFault says what is wrong with a link in the document name, "" when nothing is. read returns a file of the repository.
func linkFault(name, target string, read func(string) (string, error)) string {
	if strings.Contains(target, "://") || strings.HasPrefix(target, "mailto:") {
		return ""
	}
	file, anchor, _ := strings.Cut(target, "#")
	to := name
	if file != "" {
		to = path.Join(path.Dir(name), file)
	}
	text, err := read(to)
	switch {
	case err != nil:
		return "there is no " + to
	case anchor != "" && !anchors(text)[anchor]:
		return to + " has no heading for #" + anchor
	}
	return ""
}

// readAny reads a file; a folder is empty.
func readAny(name string) (string, error) {
	full := filepath.Join(root, name)
	if info, err := os.Stat(full); err != nil || info.IsDir() {
		return "", err
	}
	data, err := os.ReadFile(full)
	return string(data), err
}

func TestLinksResolve(t *testing.T) {
	found := 0
	walk(t, func(name string) {
		if path.Ext(name) != ".md" {
			return
		}
		text, err := readAny(name)
		if err != nil {
			t.Error(err)
		}
		for _, target := range links(text) {
			found++
			if fault := linkFault(name, target, readAny); fault != "" {
				t.Errorf("%s: (%s): %s", name, target, fault)
			}
		}
	})
	if found == 0 {
		t.Error("found no links")
	}
}

func TestLinkFaultFindsFaults(t *testing.T) {
	files := map[string]string{"README.md": "# Top\n[a](docs/a.md) `[no](link)`\n```\n[nor](this)\n```\n", "docs/a.md": "## What to do, when?\n"}
	read := func(name string) (string, error) {
		if text, ok := files[name]; ok {
			return text, nil
		}
		return "", os.ErrNotExist
	}
	if got := links(files["README.md"]); len(got) != 1 || got[0] != "docs/a.md" {
		t.Errorf("links are %q", got)
	}
	for target, ok := range map[string]bool{
		"docs/a.md": true, "docs/b.md": false, "#top": true, "#bottom": false, "docs/a.md#what-to-do-when": true, "docs/a.md#what": false,
		"https://example.org/x": true, "a.md": false,
	} {
		if fault := linkFault("README.md", target, read); (fault == "") != ok {
			t.Errorf("%s: %q, want right %v", target, fault, ok)
		}
	}
}

package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// MaxSize is the size of the largest file that Load takes, in bytes.
const MaxSize = 1 << 20

// readFile reads the file, with errors that say what to do.
func readFile(path string) ([]byte, error) {
	fault := func(err error, text string) error { return Fault{File: path, Text: text, Err: err} }
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, fault(err, "there is no such file: name yours with -c, or try `rashost demo`, which needs none")
	case errors.Is(err, fs.ErrPermission):
		return nil, fault(err, "you may not read it: become its owner or root, or name another file with -c")
	case err != nil:
		return nil, fault(err, err.Error())
	case info.IsDir():
		return nil, fault(nil, "this is a folder: name the file in it")
	case !info.Mode().IsRegular():
		return nil, fault(nil, "this is not an ordinary file")
	}
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrPermission) {
		return nil, fault(err, "you may not read it: become its owner or root, or name another file with -c")
	}
	if err != nil {
		return nil, fault(err, err.Error())
	}
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fault(err, err.Error())
	}
	if len(data) > MaxSize {
		return nil, fault(nil, "the file is larger than 1 MiB: this cannot be a configuration of rashost")
	}
	return data, nil
}

// parse returns the file's one document.
func parse(file string, data []byte) (*yaml.Node, error) {
	if f, bad := badBytes(file, data); bad {
		return nil, f
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	err := dec.Decode(&doc)
	if errors.Is(err, io.EOF) {
		return nil, emptyFault(file)
	}
	if err != nil {
		return nil, syntaxFault(file, data, err)
	}
	var second yaml.Node
	if err := dec.Decode(&second); !errors.Is(err, io.EOF) {
		line, column := second.Line, second.Column
		if line == 0 {
			line, column = doc.Line, doc.Column
		}
		return nil, Fault{File: file, Line: line, Column: column,
			Text: "a second YAML document begins here: a configuration is one document, without a --- line inside"}
	}
	if len(doc.Content) == 0 || isNull(doc.Content[0]) {
		return nil, emptyFault(file)
	}
	return doc.Content[0], nil
}

var errEmpty = errors.New("the file is empty")

func emptyFault(file string) Fault {
	return Fault{File: file, Line: 1, Column: 1, Err: errEmpty, Text: "the file is empty: it needs at least lines, dialogs and services; config.yaml of the distribution is an example"}
}

// badBytes finds the first byte that YAML doesn't allow, which the YAML library reports without a place.
func badBytes(file string, data []byte) (Fault, bool) {
	if bytes.HasPrefix(data, []byte{0xFF, 0xFE}) || bytes.HasPrefix(data, []byte{0xFE, 0xFF}) {
		return Fault{File: file, Line: 1, Column: 1, Text: "the file is UTF-16: save it as UTF-8"}, true
	}
	line, column := 1, 1
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		text := ""
		switch {
		case r == utf8.RuneError && n == 1:
			text = fmt.Sprintf("byte 0x%02X is not UTF-8: save the file as UTF-8", data[i])
		case r == '\t' || r == '\r' || r == 0x85:
		case r == '\n':
			line, column = line+1, 0
		case r < 0x20 || (r >= 0x7F && r < 0xA0) || r == 0xFFFE || r == 0xFFFF:
			text = fmt.Sprintf("control character U+%04X is not allowed: write it as \"\\u%04X\" in double quotes", r, r)
		}
		if text != "" {
			return Fault{File: file, Line: line, Column: column, Text: text}, true
		}
		column++
		i += n
	}
	return Fault{}, false
}

var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?((?s).*)$`)

// syntaxFault gives a syntax error its place. The library names the line where the enclosing block begins, one too low at times,
// or no line at all; the line that breaks the file is the one after the longest beginning that can be read.
func syntaxFault(file string, data []byte, err error) Fault {
	m := yamlLine.FindStringSubmatch(err.Error())
	said, _ := strconv.Atoi(m[1])
	lines := bytes.SplitAfter(data, []byte("\n"))
	n := breakingLine(lines, said)
	text := string(bytes.TrimRight(lines[n-1], "\r\n"))
	indent := len(text) - len(strings.TrimLeft(text, " "))
	if indent == len(text) {
		indent = 0
	}
	return Fault{File: file, Line: n, Column: indent + 1, Text: m[2] + syntaxHint(m[2], text[indent:])}
}

func syntaxHint(problem, rest string) string {
	switch {
	case strings.HasPrefix(rest, "\t"):
		return ": indent with spaces, YAML takes no tabs"
	case strings.Contains(problem, "mapping values are not allowed"):
		return `: check the indentation, and quote a value that contains ": "`
	case strings.Contains(problem, "did not find expected key"), strings.Contains(problem, "expected '-' indicator"):
		return ": check the indentation of this line"
	case strings.Contains(problem, "unknown anchor"):
		return ": the &name must stand before its *name; quote a value that begins with *"
	case strings.Contains(problem, "cannot start any token"):
		return ": quote a value that begins with @, ` or %"
	default:
		return ""
	}
}

// breakingLine searches backwards from the last line that the parser asked for.
func breakingLine(lines [][]byte, said int) int {
	r := &lineReader{lines: lines}
	var node yaml.Node
	_ = yaml.NewDecoder(r).Decode(&node) // fails: that is why we are here
	said = min(max(said, 1), len(lines))
	const most = 4 << 20 // bytes parsed again at most
	work := 0
	for n := r.next - 1; n >= said-1 && n >= 0; n-- {
		prefix := bytes.Join(lines[:n], nil)
		if work += len(prefix); work > most {
			break
		}
		if err := yaml.NewDecoder(bytes.NewReader(prefix)).Decode(&node); err == nil || errors.Is(err, io.EOF) {
			return min(n+1, len(lines))
		}
	}
	return said
}

// lineReader hands out one line for each Read, so that next tells how far the parser came.
type lineReader struct {
	lines [][]byte
	next  int
	rest  []byte
}

func (r *lineReader) Read(p []byte) (int, error) {
	if len(r.rest) == 0 {
		if r.next == len(r.lines) {
			return 0, io.EOF
		}
		r.rest = r.lines[r.next]
		r.next++
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}

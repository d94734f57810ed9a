package external

import (
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rashost/dialog"
	"rashost/plugin"
)

var update = flag.Bool("update", false, "write the exchange of docs/plugins.md anew")

const document = "../../docs/plugins.md"

// tap notes the lines that pass through a program's pipes.
type tap struct {
	mu    sync.Mutex
	lines []string
}

// note notes each line of data behind a mark.
func (t *tap) note(mark string, part *[]byte, data []byte) {
	t.mu.Lock()
	defer t.mu.Unlock()
	*part = append(*part, data...)
	for {
		line, rest, ok := bytes.Cut(*part, []byte("\n"))
		if !ok {
			return
		}
		t.lines = append(t.lines, mark+string(line))
		*part = rest
	}
}

// last is the newest line.
func (t *tap) last() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]string{""}, t.lines...)[len(t.lines)]
}

// say adds a line of its own.
func (t *tap) say(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.lines = append(t.lines, text)
}

type tapWriter struct {
	io.WriteCloser
	tap  *tap
	part []byte
}

func (w *tapWriter) Write(p []byte) (int, error) {
	w.tap.note("> ", &w.part, p)
	return w.WriteCloser.Write(p)
}

type tapReader struct {
	io.ReadCloser
	tap  *tap
	part []byte
}

func (r *tapReader) Read(p []byte) (int, error) {
	n, err := r.ReadCloser.Read(p)
	r.tap.note("< ", &r.part, p[:n])
	return n, err
}

// logIn is a caller who types name and secret at the prompts; before is told what comes next.
func logIn(t testing.TB, x plugin.Plugin, o dialog.Options, name, secret string, before func(text string)) dialog.Outcome {
	t.Helper()
	caller, end := net.Pipe()
	done := make(chan dialog.Outcome, 1)
	go func() {
		done <- dialog.New(nil).Run(t.Context(), end, x, o)
		_ = end.Close()
	}()
	if err := caller.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	seen, buf := "", make([]byte, 256)
	for _, step := range []struct{ prompt, answer string }{{"Name: ", name}, {"Password: ", secret}} {
		for !strings.Contains(seen, step.prompt) {
			n, err := caller.Read(buf)
			if err != nil {
				t.Fatalf("the caller waits for %q and sees %q: %v", step.prompt, seen, err)
			}
			seen += string(buf[:n])
		}
		before("the caller sees " + step.prompt + "and types " + step.answer + ", Return")
		if _, err := io.WriteString(caller, step.answer+"\r"); err != nil {
			t.Fatal(err)
		}
	}
	go func() { _, _ = io.Copy(io.Discard, caller) }()
	out := <-done
	_ = caller.Close()
	return out
}

// The exchange in the document is one that took place.
func TestDocumentedExchange(t *testing.T) {
	tap := new(tap)
	s := exampleSetup(t, example(t, "doorman.sh"))
	var o Options
	if err := s.Decode(&o); err != nil {
		t.Fatal(err)
	}
	p, err := o.program(nil)
	if err != nil {
		t.Fatal(err)
	}
	start, err := starter(s, p)
	if err != nil {
		t.Fatal(err)
	}
	first := true
	x, err := newPlugin(s, p, func() (*child, error) {
		c, err := start()
		if err == nil && !first { // the first only says hello
			c.stdin, c.stdout = &tapWriter{WriteCloser: c.stdin, tap: tap}, &tapReader{ReadCloser: c.stdout, tap: tap}
		}
		first = false
		return c, err
	}, defaultLimits())
	if err != nil {
		t.Fatal(err)
	}
	out := logIn(t, x, dialog.Options{Call: plugin.Call{
		ID: "20261121-000007", Line: "modem1", Device: "/dev/ttyS0", DeviceName: "Hayes SmartModem 9600", CallerID: "5550100", Connect: "9600/V42",
	}}, "caller7", "secret-7", func(text string) {
		until(t, "the program asks for keys", func() bool { return strings.Contains(tap.last(), methodReceive) })
		tap.say("  (" + text + ")")
	})
	if !out.Granted() {
		t.Fatalf("%+v", out)
	}
	if err := x.Close(); err != nil {
		t.Error(err)
	}
	got := strings.Join(tap.lines, "\n") + "\n"
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```exchange\n.*?```")
	if !block.Match(text) {
		t.Fatal("the document has no exchange")
	}
	want := block.ReplaceAllLiteral(text, []byte("```exchange\n"+got+"```"))
	if *update {
		if err := os.WriteFile(document, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(text, want) {
		t.Errorf("the exchange in %s is not what happens now (go test ./plugin/external -run Documented -update writes it anew):\n%s", document, got)
	}
}

// documentedMessages are the messages of the document's reference, in their order: those of the host begin with >, the program's with <.
func documentedMessages(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, block := range regexp.MustCompile("(?s)```message\n(.*?)```").FindAllSubmatch(text, -1) {
		all = append(all, strings.Split(strings.TrimSpace(string(block[1])), "\n")...)
	}
	return all
}

// Every message in the document's reference is what the host writes, byte for byte, or what it understands.
func TestDocumentedMessages(t *testing.T) {
	params := map[string]any{
		methodHello: new(helloParams), methodBegin: new(beginParams), methodEnd: new(endParams), methodReceiveDone: new(receiveDoneParams),
	}
	var seen []string
	all := documentedMessages(t)
	for i, line := range all {
		mark, text, _ := strings.Cut(line, " ")
		var m message
		if err := json.Unmarshal([]byte(text), &m); err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		seen = append(seen, m.Method)
		switch {
		case mark == ">" && m.Method != "":
			into := params[m.Method]
			id, _ := m.answers() // 0 for a notification
			if err := decode(m.Params, into); err != nil {
				t.Errorf("%s: %v", text, err)
			}
			if got, err := encode(request{"2.0", id, m.Method, into}); err != nil || string(got) != text+"\n" {
				t.Errorf("the document has\n%s\nand the host writes\n%s%v", text, got, err)
			}
		case mark == ">":
			ask := strings.TrimPrefix(all[i-1], "< {\"jsonrpc\":\"2.0\",")
			var code codeAnswer
			if err := decode(m.Result, &code); err != nil || !strings.HasPrefix(all[i-1], "< ") {
				t.Fatalf("%s answers nothing: %v", text, err)
			}
			host := &recorder{code: *code.Code}
			converse(t, host, func(s *streams) {
				s.say("%s", strings.TrimSuffix(ask, "}"))
				if got := s.read(); got != text {
					t.Errorf("the document has\n%s\nand the host answers\n%s", text, got)
				}
			})
		default:
			if _, err := parse([]byte(text)); err != nil {
				t.Errorf("%s: %v", text, err)
			}
		}
	}
	for _, method := range []string{methodHello, methodBegin, methodEnd, methodReceiveDone, methodSend, methodReceive, methodGetInfo, methodComplete} {
		if !slices.Contains(seen, method) {
			t.Errorf("%s is not in the document", method)
		}
	}
}

// The numbers of the document are those of the code.
func TestDocumentedLimits(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	l := defaultLimits()
	for _, row := range []string{
		fmt.Sprintf("| a line, its LF included | %d bytes |", maxFrame),
		fmt.Sprintf("| the id of your request | %d bytes of JSON |", maxID),
		fmt.Sprintf("| each text in `SecurityDialogBegin` | %d bytes |", maxText),
		fmt.Sprintf("| start of the program, `Hello` and `SecurityDialogBegin` together | %v |", l.begin),
		fmt.Sprintf("| `Hello` when rashost starts | %v |", l.load),
		fmt.Sprintf("| `SecurityDialogEnd` | %v |", l.end),
		fmt.Sprintf("| exit after the end of your input | %v |", l.exit),
		fmt.Sprintf("| reading one message of rashost | %v |", l.write),
		fmt.Sprintf("| messages of rashost that wait for you | %d |", queueLimit),
		fmt.Sprintf("| your messages in a row | %d, and %d more each second |", budgetMax, budgetRate),
		fmt.Sprintf("| a line on standard error | %d bytes; the rest is cut |", errorLineMax),
		fmt.Sprintf("| standard error of a transaction | %d KiB, each line counted with %d bytes more; the rest is dropped |", errorsMax>>10, errorLineCost),
		fmt.Sprintf("| pause before a kept process that keeps dying is started again | %v to %v |", backOffMin, backOffMax),
	} {
		if !strings.Contains(string(text), row) {
			t.Errorf("the document has no row\n%s", row)
		}
	}
}

// Every test that the document names is one of this package.
func TestDocumentedTests(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	var source []byte
	for _, f := range files {
		more, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		source = append(source, more...)
	}
	names := regexp.MustCompile("`((?:Test|Fuzz)\\w+)`").FindAllSubmatch(text, -1)
	for _, name := range names {
		if !bytes.Contains(source, []byte("\nfunc "+string(name[1])+"(")) {
			t.Errorf("the document names %s, which does not exist", name[1])
		}
	}
	if len(names) < 20 {
		t.Errorf("the document names %d tests", len(names))
	}
}

// The example works for an account that owns nothing.
func TestExampleAsNobody(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("NOT RUN: needs root")
	}
	dir, err := os.MkdirTemp("/tmp", "rashost-test") // where nobody can go
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	for name, mode := range map[string]os.FileMode{"doorman.sh": 0o755, "guests": 0o644} {
		text, err := os.ReadFile(example(t, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, mode); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := realSetup(t.Output(), filepath.Join(dir, "doorman.sh"), filepath.Join(dir, "guests"))
	s.User = "nobody"
	out := logIn(t, mustNew(t, s), dialog.Options{}, "caller3", "secret-3", func(string) {})
	if !out.Granted() || out.User != "caller3" {
		t.Errorf("%+v", out)
	}
}

package rasdll

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// jsonLines is what rasdll's reader of JSON, with the sanitizers on, makes of lines: see testdata/json_lines.c.
func jsonLines(t *testing.T, lines [][]byte) []string {
	t.Helper()
	program := once(t, "json_lines", "gcc", "-std=gnu11", "-g", "-Wall", "-Wextra", "-Werror", "-D_GNU_SOURCE", "-fsanitize=address,undefined",
		"-fno-sanitize-recover=all", "cmd/rasdll/src/json.c", "cmd/rasdll/testdata/json_lines.c", "-o")
	cmd := exec.CommandContext(t.Context(), program)
	cmd.Stdin = bytes.NewReader(append(bytes.Join(lines, []byte("\n")), '\n'))
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	answers := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
	if len(answers) != len(lines) {
		t.Fatalf("%d answers to %d lines", len(answers), len(lines))
	}
	return answers
}

// What a value reads as, and what is no JSON. The answers: accepted, number, text and bytes in hexadecimal, and whether it is the word ok.
func TestJSON(t *testing.T) {
	table := []struct{ line, want string }{
		{`{}`, "yes - - - 0"},
		{` { "a" : 7 } `, "yes 7 - - 0"},
		{`{"b":{"a":1},"a":4294967295}`, "yes 4294967295 - - 0"},
		{`{"a":4294967296}`, "yes - - - 0"},
		{`{"a":99999999999999999999}`, "yes - - - 0"},
		{`{"a":-0}`, "yes - - - 0"},
		{`{"a":1e0}`, "yes - - - 0"},
		{`{"a":1.0}`, "yes - - - 0"},
		{`{"a":null}`, "yes - - - 0"},
		{`{"a":"ok"}`, "yes - =6f6b - 1"},
		{`{"a":"okay"}`, "yes - =6f6b6179 =a246b2 0"},
		{`{"a":""}`, "yes - = = 0"},
		{`{"a":"\u00e4\ud83d\ude00\/\n"}`, "yes - =c3a4f09f98802f0a - 0"},
		{`{"a":"\u0000"}`, "yes - - - 0"},
		{`{"a":"` + strings.Repeat("A", 63) + `"}`, "yes - =" + strings.Repeat("41", 63) + " - 0"},
		{`{"a":"` + strings.Repeat("A", 64) + `"}`, "yes - - =" + strings.Repeat("00", 48) + " 0"},
		{`{"a":"` + strings.Repeat("A", 68) + `"}`, "yes - - - 0"},
		{`{"a":"AA=="}`, "yes - =41413d3d =00 0"},
		{`{"a":"AB=="}`, "yes - =41423d3d - 0"}, // bits that mean nothing
		{`{"a":"AA="}`, "yes - =41413d - 0"},
		{`{"a":"AA==AA=="}`, "yes - =41413d3d41413d3d - 0"},
		{`{"a":"A==="}`, "yes - =413d3d3d - 0"},
		{`{"a":1,"a":2}`, "yes 1 - - 0"}, // the first
		{strings.Repeat(`{"a":`, 16) + `1` + strings.Repeat(`}`, 16), "no"},
		{`{"a":` + strings.Repeat(`[`, 15) + strings.Repeat(`]`, 15) + `}`, "yes - - - 0"},
		{`{"a":` + strings.Repeat(`[`, 16) + strings.Repeat(`]`, 16) + `}`, "no"},
	}
	for _, bad := range []string{
		``, ` `, `7`, `[]`, `"a"`, `{`, `}`, `{}}`, `{}{}`, `{"a"}`,
		`{"a":}`, `{"a":1,}`, `{,}`, `{a:1}`, `{'a':1}`, `{"a":01}`, `{"a":+1}`, `{"a":.5}`,
		`{"a":1.}`, `{"a":1e}`, `{"a":nul}`, `{"a":nullx}`, `{"a":"`, `{"a":"\`, `{"a":"\u12`, `{"a":"\x41"}`,
		`{"a":"\ud800"}`, `{"a":"\udc00"}`, `{"a":"\ud800\u0041"}`,
		"{\"a\":\"\x01\"}", "{\"a\":\"\x00\"}", "{\"a\":\"\xff\"}", "{\"a\":\"\xc0\x80\"}", "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\xf4\x90\x80\x80\"}",
		"{\"a\":\"\xe4\"}", "\xef\xbb\xbf{}", `{"a":1}//`, `{"a":[1,]}`, `{"a":[1 2]}`, strings.Repeat("[", 16000), strings.Repeat(`{"a":`, 3000),
	} {
		table = append(table, struct{ line, want string }{bad, "no"})
	}
	var lines [][]byte
	for _, tc := range table {
		lines = append(lines, []byte(tc.line))
	}
	for i, got := range jsonLines(t, lines) {
		if want := table[i].want; got != want {
			t.Errorf("%.100q: got %q, want %q", table[i].line, got, want)
		}
	}
}

// Random bytes and spoilt messages: never a fault of memory, and never another reading than that of encoding/json.
func TestJSONRandom(t *testing.T) {
	count := 100_000
	if testing.Short() {
		count = 5_000
	}
	r := rand.New(rand.NewPCG(20261121, 3))
	seeds := []string{
		`{"jsonrpc":"2.0","id":1,"method":"Hello","params":{"version":1,"host":"rashost"}}`,
		`{"a":"c2VjcmV0LTcN","b":[1,2.5e-3,true,false,null,{"c":{}}]}`,
		`{"a":"\u00e4\ud83d\ude00 \\\"\/","b":"ä€😀"}`,
		`{"b" : [ ] , "a" : 4294967295 }`,
		`{"a":"AAECAwQFBgcICQ=="}`,
	}
	alphabet := []byte("{}[]:,\"\\ua019eE+-. truefalsn=/\t\x00\x80\xc3\xe4\xed\xf4\xff")
	var lines [][]byte
	for range count {
		line := []byte(seeds[r.IntN(len(seeds))])
		for range 1 + r.IntN(4) {
			at := r.IntN(len(line) + 1)
			piece := make([]byte, r.IntN(3))
			for i := range piece {
				piece[i] = alphabet[r.IntN(len(alphabet))]
			}
			line = append(append(bytes.Clone(line[:at]), piece...), line[min(len(line), at+r.IntN(3)):]...)
		}
		lines = append(lines, bytes.ReplaceAll(line, []byte("\n"), nil))
	}
	accepted := 0
	for i, got := range jsonLines(t, lines) {
		yes := strings.HasPrefix(got, "yes")
		if yes {
			accepted++
		}
		if want, sure := reading(lines[i]); sure && got != want || !sure && yes && !json.Valid(lines[i]) {
			t.Fatalf("%q: got %q, want %q", lines[i], got, want)
		}
	}
	if accepted < count/100 || accepted > count*9/10 {
		t.Errorf("%d of %d lines were accepted: the lines are badly chosen", accepted, count)
	}
}

// reading is what encoding/json makes of a line, in the form of json_lines.c. It is not sure where encoding/json is laxer than the reader, or
// takes the last of two members of one name, or one whose name differs in case.
func reading(line []byte) (want string, sure bool) {
	if !json.Valid(line) || !utf8.Valid(line) || bytes.TrimLeft(line, " \t\r")[0] != '{' {
		return "no", true
	}
	var members map[string]json.RawMessage
	if bytes.Contains(bytes.ToLower(line), []byte(`\ud`)) || bytes.Count(line, []byte(`"a"`)) > 1 || bytes.Contains(line, []byte(`\u0061`)) ||
		json.Unmarshal(line, &members) != nil {
		return "", false
	}
	number, text, data, ok := "-", "-", "-", 0
	raw := bytes.TrimSpace(members["a"])
	if n, err := strconv.ParseUint(string(raw), 10, 32); err == nil && len(raw) <= 10 {
		number = fmt.Sprint(n)
	}
	var s string
	if len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil {
		if len(s) < 64 && !strings.Contains(s, "\x00") {
			text = fmt.Sprintf("=%x", s)
		}
		inside := string(raw[1 : len(raw)-1])
		if b, err := base64.StdEncoding.Strict().DecodeString(inside); err == nil && len(b) <= 48 {
			data = fmt.Sprintf("=%x", b)
		}
		if inside == "ok" {
			ok = 1
		}
	}
	return fmt.Sprintf("yes %s %s %s %d", number, text, data, ok), true
}

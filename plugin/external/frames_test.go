package external

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"rashost/plugin"
)

// The order of the keys is part of the protocol: programs may cut a line instead of parsing it.
func TestOrderOfKeys(t *testing.T) {
	for want, v := range map[string]any{
		`{"jsonrpc":"2.0","id":1,"method":"Hello","params":{"version":1,"host":"rashost"}}`: request{"2.0", 1, methodHello, helloParams{1, "rashost"}},
		`{"jsonrpc":"2.0","id":3,"method":"SecurityDialogEnd","params":{"hport":7}}`:        request{"2.0", 3, methodEnd, endParams{7}},
		`{"jsonrpc":"2.0","method":"ReceiveDone","params":{"hport":7,"code":638,"data":""}}`: request{"2.0", 0, methodReceiveDone,
			receiveDoneParams{7, plugin.ErrorRequestTimeout, []byte{}}},
		`{"jsonrpc":"2.0","id":"<a>","result":{"code":600}}`: reply{"2.0", json.RawMessage(`"<a>"`), codeResult{plugin.Pending}},
		`{"jsonrpc":"2.0","id":-1,"result":{"code":0,"last_error":600,"bytes":3,"device_name":"<&>"}}`: reply{"2.0", json.RawMessage("-1"),
			infoResult{0, plugin.Pending, 3, "<&>"}},
	} {
		got, err := encode(v)
		if err != nil || string(got) != want+"\n" {
			t.Errorf("%s, %v\nwant %s", got, err, want)
		}
	}
}

// No text can look like a key to a program that cuts lines: a quote in it is escaped.
func TestTextsCannotForgeKeys(t *testing.T) {
	got, err := encode(beginParams{Line: `","hport":9,"x":"`, CallerID: "\n{\"hport\":9}"})
	if err != nil || strings.Count(string(got), `"hport":`) != 1 || strings.Count(string(got), "\n") != 1 {
		t.Errorf("%s, %v", got, err)
	}
}

func TestEncodeIsBounded(t *testing.T) {
	if _, err := encode(endParams{}); err != nil {
		t.Error(err)
	}
	if _, err := encode(beginParams{Call: strings.Repeat("x", maxFrame)}); err == nil {
		t.Error("a message of more than 16 KiB is written")
	}
}

func TestReadLine(t *testing.T) {
	full := strings.Repeat("x", maxFrame-1) + "\n"
	r := bufio.NewReaderSize(strings.NewReader(full+"short\nx"+full), maxFrame)
	for _, want := range []string{full, "short\n"} {
		if line, err := readLine(r); string(line) != want || err != nil {
			t.Errorf("%d bytes, %v; want %d", len(line), err, len(want))
		}
	}
	if _, err := readLine(r); !errors.Is(err, errTooLong) {
		t.Errorf("a line of %d bytes: %v", maxFrame+1, err)
	}
}

func TestParse(t *testing.T) {
	for text, ok := range map[string]bool{
		`{"jsonrpc":"2.0","method":"DialogGetInfo","params":{"hport":7}}`:       true,
		`{"id":1,"jsonrpc":"2.0","method":"DialogGetInfo"}`:                     true,
		"\t{ \"id\" : \"x\" , \"jsonrpc\":\"2.0\",\"result\":{} } \r":           true,
		`{"jsonrpc":"2.0","id":1,"result":0,"more":[{}]}`:                       true,
		`{"jsonrpc":"2.0","id":null,"method":"x"}`:                              true,
		`{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}`:             true,
		`{"jsonrpc":"2.0","id":1,"result":0,"error":{"code":1}}`:                false,
		`{"jsonrpc":"2.0","result":0}`:                                          false,
		`{"jsonrpc":"2.0","id":1}`:                                              false,
		`{"jsonrpc":"2.0","id":{},"method":"x"}`:                                false,
		`{"jsonrpc":"2.0","id":true,"method":"x"}`:                              false,
		`{"jsonrpc":"2.0","id":"` + strings.Repeat("x", 63) + `","method":"x"}`: false,
		`{"jsonrpc":"1.0","id":1,"method":"x"}`:                                 false,
		`{"id":1,"method":"x"}`:                                                 false,
		`[{"jsonrpc":"2.0","id":1,"method":"x"}]`:                               false,
		`{"jsonrpc":"2.0","id":1,"method":"x"} {}`:                              false,
		`{"jsonrpc":"2.0","id":1,"method":7}`:                                   false,
		``:                                                                      false,
		`hello`:                                                                 false,
		`null`:                                                                  false,
	} {
		if _, err := parse([]byte(text)); (err == nil) != ok {
			t.Errorf("%s: %v, want right %v", text, err, ok)
		}
	}
}

// What a program sends may hold a secret: an error must not quote it.
func TestErrorsDoNotQuote(t *testing.T) {
	for _, text := range []string{
		`hunter2`, `{"hunter2":`, `{"jsonrpc":"hunter2"}`, `{"jsonrpc":"2.0","method":["hunter2"]}`, `{"jsonrpc":"2.0","id":["hunter2"],"method":"x"}`,
	} {
		if _, err := parse([]byte(text)); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v", err)
		}
	}
	for _, text := range []string{`{"data":"hunter2 "}`, `{"data":["hunter2"]}`, `{"hport":"hunter2"}`, `{"hport":1e99}`, `"hunter2"`} {
		if err := decode(json.RawMessage(text), new(sendParams)); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestCutKeepsCharacters(t *testing.T) {
	for in, want := range map[string]int{"": 0, strings.Repeat("x", 256): 256, strings.Repeat("x", 257): 256, strings.Repeat("ä", 200): 256,
		"x" + strings.Repeat("ä", 200): 255, strings.Repeat("\x80", 300): 252} {
		if got := cut(in); len(got) != want || !strings.HasPrefix(in, got) {
			t.Errorf("%d bytes become %d, want %d", len(in), len(got), want)
		}
	}
}

// FuzzFrames feeds lines to the parser and to every method's params: nothing panics, an id comes back as it was, and no error is longer
// than a log line.
func FuzzFrames(f *testing.F) {
	for _, seed := range []string{
		`{"jsonrpc":"2.0","id":1,"method":"DialogSend","params":{"hport":7,"data":"AP8="}}`,
		`{"jsonrpc":"2.0","id":"a","method":"DialogReceive","params":{"hport":7,"size":1,"timeout":0}}`,
		`{"jsonrpc":"2.0","method":"DialogComplete","params":{"hport":7,"msgid":1,"error":0,"user":"alice","domain64":"/w=="}}`,
		`{"jsonrpc":"2.0","id":2,"result":{"code":619}}`,
		`{"jsonrpc":"2.0","id":2,"error":{"code":-32700,"message":"no"}}`,
		"{\"jsonrpc\":\"2.0\",\"id\":-1e5,\"method\":\"\\u0000\xff\"}",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		m, err := parse(line)
		if err != nil {
			if len(err.Error()) > 300 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		if m.ID != nil {
			out, err := encode(reply{"2.0", m.ID, codeResult{}})
			if err != nil || !bytes.Contains(out, []byte(`"id":`+string(m.ID)+`,`)) || bytes.Count(out, []byte("\n")) != 1 {
				t.Errorf("id %q: %q, %v", m.ID, out, err)
			}
		}
		for _, into := range []any{new(sendParams), new(receiveParams), new(infoParams), new(completeParams)} {
			if err := decode(m.Params, into); err != nil && len(err.Error()) > 300 {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
		}
		var c completeParams
		if decode(m.Params, &c) == nil {
			if msg := c.securityMessage(); msg.HPort != c.HPort || msg.MsgID != c.MsgID || msg.Error != c.Error {
				t.Errorf("%+v becomes %+v", c, msg)
			}
		}
	})
}

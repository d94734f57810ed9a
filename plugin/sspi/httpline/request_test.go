package httpline

import (
	"errors"
	"strings"
	"testing"
)

// parse feeds text to a headParser and returns what is left of it.
func parse(text string) (p *headParser, rest string, done bool, err error) {
	p = new(headParser)
	for i := range len(text) {
		if done, err = p.feed(text[i]); done || err != nil {
			return p, text[i+1:], done, err
		}
	}
	return p, "", false, nil
}

func TestHead(t *testing.T) {
	p, rest, done, err := parse("\r\nPOST /a?b HTTP/1.0\r\nHOST: x\r\n" +
		"content-LENGTH:\t12 \nAuthorization: DIGEST  a=b \r\nExpect:100-CONTINUE\r\n\r\nbody")
	if err != nil || !done || rest != "body" {
		t.Fatalf("%v, %v, %q", done, err, rest)
	}
	if r := p.req; r.method != "POST" || r.target != "/a?b" || r.length != 12 || r.digest != "a=b" || !r.expect || r.path() != "/a" {
		t.Errorf("%+v", r)
	}
}

func TestHeadIsBounded(t *testing.T) {
	head := "GET / HTTP/1.1\r\nX: " + strings.Repeat("x", maxHead-len("GET / HTTP/1.1\r\nX: \r\n\r\n")) + "\r\n\r\n"
	if _, _, done, err := parse(head); !done || err != nil {
		t.Errorf("%d bytes: %v, %v", len(head), done, err)
	}
	var bad *fault
	if _, _, done, err := parse("\n" + head); done || !errors.As(err, &bad) || bad.status != 431 {
		t.Errorf("%d bytes: %v, %v", len(head)+1, done, err)
	}
}

func TestHeadIsWiped(t *testing.T) {
	p, _, _, err := parse("GET / HTTP/1.1\r\nAuthorization: Basic QWxpY2U6c2VjcmV0\r\n")
	if err != nil || strings.Contains(string(p.line[:cap(p.line)]), "QWxp") {
		t.Errorf("%q, %v", p.line[:cap(p.line)], err)
	}
}

func TestNames(t *testing.T) {
	for _, c := range []struct {
		target, uri string
		want        bool
	}{
		{"/a", "/a", true}, {"/a", "/b", false}, {"/a", "", false}, {"/a", "a", false}, {"/a", "/a?", false}, {"/A", "/a", false},
		{"HTTP://x/a", "/a", true}, {"/a", "http://y/a", true}, {"http://x", "/", true}, {"http://x?q", "/?q", true}, {"/a", "https://x/a", false},
		{"http://x/a", "http://", false},
	} {
		if got := (&request{target: c.target}).names(c.uri); got != c.want {
			t.Errorf("%s names %s: %v", c.uri, c.target, got)
		}
	}
}

func FuzzHead(f *testing.F) {
	f.Add("GET / HTTP/1.1\r\nHost: line\r\n\r\nrest")
	f.Add("POST http://line/connect?x HTTP/1.0\nContent-Length: 12\nAuthorization: Digest a=b\nExpect: 100-continue\n\n")
	f.Add("\r\n\r\nHEAD /\xff HTTP/1.1\r\n x: y\r\n\r\n")
	f.Add("GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		p, rest, done, err := parse(text)
		if err != nil {
			if bad := (*fault)(nil); !errors.As(err, &bad) || reason(bad.status) == "Unknown" || bad.reason == "" || done {
				t.Fatalf("%q: %v, %v", text, err, done)
			}
			return
		}
		if !done {
			if len(text) > maxHead {
				t.Fatalf("%d bytes and no end", len(text))
			}
			return
		}
		r := p.req
		if !strings.HasSuffix(strings.TrimSuffix(text, rest), "\n") || r.length < 0 || r.length > maxBody || r.path() == "" || r.path()[0] != '/' ||
			!r.names(r.target) || strings.ContainsAny(r.digest, "\r\n\x00") || (r.method != "GET" && r.method != "HEAD" && r.method != "POST") {
			t.Fatalf("%q: %+v", text, r)
		}
	})
}

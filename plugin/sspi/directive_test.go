package sspi

import (
	"slices"
	"strings"
	"testing"
)

func TestParseDirectives(t *testing.T) {
	got, err := ParseDirectives(",, realm=\"a, b=c\" ,\r\n qop=auth\t,nonce = \"x\\\"\\\\y\",,Stale= TRUE,")
	want := Directives{{"realm", "a, b=c", true}, {"qop", "auth", false}, {"nonce", `x"\y`, true}, {"Stale", "TRUE", false}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%+v, %v", got, err)
	}
	if text := got.String(); text != `realm="a, b=c",qop=auth,nonce="x\"\\y",Stale=TRUE` {
		t.Errorf("printed: %s", text)
	}
	if _, err := ParseDirectives(`realm="a",realm="b",nonce="c"`); err != nil {
		t.Errorf("a challenge may offer two realms: %v", err)
	}
}

func TestParseDirectivesRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "no directive",
		" ,, ,":                     "no directive",
		"nonce":                     "an equals sign is missing",
		"=x":                        "a name is missing",
		"nonce=":                    "a value is missing",
		"nonce=,qop=auth":           "a value is missing",
		`nonce="abc`:                "a quote is not closed",
		`nonce="abc\`:               "a quote is not closed",
		`nonce="abc\"`:              "a quote is not closed",
		`nonce="a` + "\x00" + `b"`:  "a control character",
		`nonce="a\` + "\x01" + `b"`: "a control character",
		`nonce="a` + "\r\n" + `b"`:  "a control character",
		`nonce="a" qop=auth`:        "at byte 11: a comma is missing",
		`nonce="a"x`:                "a comma is missing",
		`nonce=a b`:                 "a comma is missing",
		"nonce=a\nqop=auth":         "a comma is missing",
		`nonce="a",NONCE="b"`:       "NONCE stands there twice",
		`x=1,x=1`:                   "x stands there twice",
		`nonce="` + strings.Repeat("a", MaxToken) + `"`: "4104 bytes, at most 4096",
		strings.Repeat("realm=x,", maxDirectives+1):     "more than 32 directives",
	} {
		if ds, err := ParseDirectives(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, %v; want %q", text, ds, err, want)
		}
	}
}

// Everything that ParseDirectives reads, it reads again as printed.
func FuzzDirectives(f *testing.F) {
	f.Add(`realm="elwood.innosoft.com",nonce="OA6MG9tEQGm2hh",qop="auth",algorithm=md5-sess,charset=utf-8`)
	f.Add(`charset=utf-8,username="chris",realm="a",nonce="b",nc=00000001,cnonce="c",digest-uri="imap/d",response=d388dad90d4bbd76,qop=auth`)
	f.Add(`realm="a\"b\\c",, x = y ,` + "\r\n z=\"\xe4\"")
	f.Add(`nonce="abc\`)
	f.Fuzz(func(t *testing.T, text string) {
		ds, err := ParseDirectives(text)
		if err != nil {
			return
		}
		again, err := ParseDirectives(ds.String())
		if err != nil || !slices.Equal(ds, again) {
			t.Fatalf("%q printed as %q, which reads as %+v, %v", text, ds.String(), again, err)
		}
	})
}

// Nothing that a client sends makes the package do anything but refuse.
func FuzzResponse(f *testing.F) {
	f.Add(`username="a",realm="r",nonce="n",nc=00000001,cnonce="c",digest-uri="pop/h",response=d388dad90d4bbd760a152321f2143af7`, true)
	f.Add(`username*=UTF-8''J%C3%A4s%C3%B8n,realm="r",nonce="n",uri="/",nc=00000001,cnonce="c",qop=auth,opaque="o",`+
		`response="d388dad90d4bbd760a152321f2143af7"`, false)
	f.Fuzz(func(t *testing.T, text string, sasl bool) {
		mode := HTTP
		if sasl {
			mode = SASL
		}
		r, err := ParseResponse(mode, []byte(text))
		if err != nil {
			return
		}
		if r.Username == "" || r.CNonce == "" || r.NC == 0 || len(r.Digest)%32 != 0 || r.MaxBuf <= signatureSize {
			t.Fatalf("%q passed as %+v", text, r)
		}
	})
}

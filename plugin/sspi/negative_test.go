package sspi

import (
	"strconv"
	"strings"
	"testing"
)

// RFC 7616's optional parts that clients differ in.
func TestFirstResponseTolerates(t *testing.T) {
	for name, edit := range map[string]func(c *client, d map[string]string){
		"nothing special":        func(*client, map[string]string) {},
		"qop in quotes":          func(_ *client, d map[string]string) { d["qop"] = `"auth"` },
		"nc in quotes":           func(_ *client, d map[string]string) { d["nc"] = `"00000001"` },
		"algorithm in quotes":    func(_ *client, d map[string]string) { d["algorithm"] = `"MD5"` },
		"no algorithm means MD5": func(_ *client, d map[string]string) { delete(d, "algorithm") },
		"bare response":          func(_ *client, d map[string]string) { d["response"] = strings.Trim(d["response"], `"`) },
		"userhash=false":         func(_ *client, d map[string]string) { d["userhash"] = "false" },
		"unknown directive":      func(_ *client, d map[string]string) { d["auth-param"] = `"x"` },
		"empty elements":         func(c *client, _ map[string]string) { c.extra = ",, ," },
		"escapes":                func(_ *client, d map[string]string) { d["username"] = `"\a\lice"` },
		"username*": func(_ *client, d map[string]string) {
			delete(d, "username")
			d["username*"] = "UTF-8''%61lice"
		},
	} {
		s := serve(t, HTTP, nil)
		c := s.answering(MD5)
		c.edit = func(d map[string]string) { edit(c, d) }
		s.must(name, s.accept(c.request()), SEC_E_OK)
	}
}

// negative is a response that must be refused; it is made from a right one.
type negative struct {
	want Status
	edit func(c *client, d map[string]string)
}

// set changes one directive, drop leaves one out, twice says one a second time.
func set(want Status, name, value string) negative {
	return negative{want, func(_ *client, d map[string]string) { d[name] = value }}
}

func drop(name string) negative {
	return negative{SEC_E_INVALID_TOKEN, func(_ *client, d map[string]string) { delete(d, name) }}
}

func twice(name string) negative {
	return negative{SEC_E_INVALID_TOKEN, func(c *client, d map[string]string) { c.extra = "," + name + "=" + d[name] }}
}

// signed is a response that is wrong, and signed as it is.
func signed(want Status, change func(c *client)) negative {
	return negative{want, func(c *client, d map[string]string) {
		change(c)
		c.edit = nil
		renew(c, d)
	}}
}

// negatives of both modes.
func negatives() map[string]negative {
	n := map[string]negative{
		"nc=00000000":         set(SEC_E_INVALID_TOKEN, "nc", "00000000"),
		"nc=1":                set(SEC_E_INVALID_TOKEN, "nc", "1"),
		"nc with sign":        set(SEC_E_INVALID_TOKEN, "nc", "+0000001"),
		"nc not hex":          set(SEC_E_INVALID_TOKEN, "nc", "0000000g"),
		"nc upper-case":       set(SEC_E_INVALID_TOKEN, "nc", "0000000A"),
		"nc too long":         set(SEC_E_INVALID_TOKEN, "nc", "000000001"),
		"nc edited":           set(SEC_E_LOGON_DENIED, "nc", "00000002"),
		"nc 2 at first":       signed(SEC_E_OUT_OF_SEQUENCE, func(c *client) { c.nc = 2 }),
		"nonce altered":       set(SEC_E_INVALID_TOKEN, "nonce", `"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"`),
		"nonce bare":          set(SEC_E_INVALID_TOKEN, "nonce", `abc`),
		"cnonce empty":        set(SEC_E_INVALID_TOKEN, "cnonce", `""`),
		"cnonce edited":       set(SEC_E_LOGON_DENIED, "cnonce", `"Zm9v"`),
		"qop not on offer":    set(SEC_E_QOP_NOT_SUPPORTED, "qop", "auth-int"),
		"qop unknown":         set(SEC_E_QOP_NOT_SUPPORTED, "qop", "auth-conf"),
		"qop empty":           set(SEC_E_INVALID_TOKEN, "qop", ""),
		"realm changed":       set(SEC_E_INVALID_TOKEN, "realm", `"other.example"`),
		"realm case":          set(SEC_E_INVALID_TOKEN, "realm", `"Line.example"`),
		"realm absent":        drop("realm"),
		"username bare":       set(SEC_E_INVALID_TOKEN, "username", user),
		"username empty":      set(SEC_E_INVALID_TOKEN, "username", `""`),
		"unknown user":        signed(SEC_E_LOGON_DENIED, func(c *client) { c.name = "mallory" }),
		"wrong password":      signed(SEC_E_LOGON_DENIED, func(c *client) { c.password = "x" }),
		"user's case":         signed(SEC_E_LOGON_DENIED, func(c *client) { c.name = "ALICE" }),
		"response edited":     {SEC_E_LOGON_DENIED, func(_ *client, d map[string]string) { d["response"] = strings.Repeat("0", 32) }},
		"response upper-case": {SEC_E_INVALID_TOKEN, func(_ *client, d map[string]string) { d["response"] = strings.Repeat("A", 32) }},
		"response 31":         {SEC_E_INVALID_TOKEN, func(_ *client, d map[string]string) { d["response"] = strings.Repeat("0", 31) }},
		"response 33":         {SEC_E_INVALID_TOKEN, func(_ *client, d map[string]string) { d["response"] = strings.Repeat("0", 33) }},
		"response 64":         {SEC_E_INVALID_TOKEN, func(_ *client, d map[string]string) { d["response"] = strings.Repeat("0", 64) }},
		"unterminated quote":  {SEC_E_INVALID_TOKEN, func(c *client, _ map[string]string) { c.extra = `,x="y` }},
		"too long":            {SEC_E_INVALID_TOKEN, func(c *client, _ map[string]string) { c.extra = `,x="` + strings.Repeat("y", MaxToken) + `"` }},
		"garbage":             {SEC_E_INVALID_TOKEN, func(c *client, _ map[string]string) { c.extra = "\x00" }},
	}
	for _, name := range []string{"username", "nonce", "cnonce", "nc", "response"} {
		n[name+" missing"] = drop(name)
	}
	for _, name := range []string{"username", "realm", "nonce", "cnonce", "nc", "qop", "response"} {
		n[name+" twice"] = twice(name)
	}
	return n
}

// renew computes the response again after the client was changed.
func renew(c *client, d map[string]string) {
	ds, err := ParseDirectives(c.token())
	if err != nil {
		panic(err)
	}
	for _, x := range ds {
		d[x.Name] = Directives{x}.String()[len(x.Name)+1:]
	}
}

// refuses runs negative cases: the right status, one try for each challenge, and the table is left empty.
func refuses(t *testing.T, mode Mode, cases map[string]negative) {
	for name, n := range cases {
		t.Run(name, func(t *testing.T) {
			s := serve(t, mode, nil)
			c := s.answering(MD5)
			right := *c
			c.edit = func(d map[string]string) { n.edit(c, d) }
			s.must(name, s.accept(c.request()), n.want)
			if len(s.out) != 0 {
				t.Errorf("it was answered with %q", s.out)
			}
			if _, status := QueryContextName(s.h); status != SEC_E_INVALID_HANDLE {
				t.Error("the context is established")
			}
			s.must("the right response after that", s.accept(right.request()), SEC_E_INVALID_HANDLE)
			s.must("CompleteAuthToken after that", s.complete(right.request()), SEC_E_INVALID_HANDLE)
			if len(s.cred.contexts) != 0 {
				t.Error("the context can still be found")
			}
			again := s.answering(MD5)
			if strings.Contains(s.out[0], "stale=true") { // it would say that the password is right
				t.Errorf("the next challenge: %s", s.out[0])
			}
			s.must("a right response to a new challenge", s.accept(again.request()), SEC_E_OK)
		})
	}
}

func TestNegativeHTTP(t *testing.T) {
	cases := negatives()
	for _, name := range []string{"uri", "opaque", "qop"} {
		cases[name+" missing"] = drop(name)
	}
	for _, name := range []string{"uri", "opaque", "algorithm"} {
		cases[name+" twice"] = twice(name)
	}
	cases["nc absent, qop there"] = drop("nc")
	cases["opaque altered"] = set(SEC_E_INVALID_TOKEN, "opaque", `"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"`)
	cases["opaque bare"] = set(SEC_E_INVALID_TOKEN, "opaque", "AAAA")
	cases["algorithm not on offer"] = set(SEC_E_INVALID_TOKEN, "algorithm", "SHA-256-sess")
	cases["algorithm another one"] = set(SEC_E_INVALID_TOKEN, "algorithm", "SHA-256")
	cases["algorithm weaker"] = set(SEC_E_LOGON_DENIED, "algorithm", "MD5-sess")
	cases["uri is not the request's"] = signed(SEC_E_LOGON_DENIED, func(c *client) { c.hashURI = "/other" })
	cases["another method"] = signed(SEC_E_LOGON_DENIED, func(c *client) { c.hashMethod = "PUT" })
	cases["username and username*"] = set(SEC_E_INVALID_TOKEN, "username*", "UTF-8''alice")
	cases["username* in quotes"] = negative{SEC_E_INVALID_TOKEN, func(_ *client, d map[string]string) {
		delete(d, "username")
		d["username*"] = `"UTF-8''alice"`
	}}
	cases["username* not UTF-8"] = negative{SEC_E_INVALID_TOKEN, func(_ *client, d map[string]string) {
		delete(d, "username")
		d["username*"] = "UTF-8''%E4"
	}}
	cases["username* in Latin 1"] = negative{SEC_E_INVALID_TOKEN, func(_ *client, d map[string]string) {
		delete(d, "username")
		d["username*"] = "iso-8859-1''alice"
	}}
	for _, cnonce := range []string{"+++ATH0", "x+++", "\xab\xab\xab", "\u00ab"} { // Authentication-Info would repeat it
		cases["cnonce "+strconv.Quote(cnonce)] = signed(SEC_E_INVALID_TOKEN, func(c *client) { c.cnonce = cnonce })
	}
	cases["userhash"] = set(SEC_E_INVALID_TOKEN, "userhash", "true")
	refuses(t, HTTP, cases)
}

func TestNegativeSASL(t *testing.T) {
	cases := negatives()
	cases["digest-uri missing"] = drop("digest-uri")
	for _, name := range []string{"digest-uri", "charset"} {
		cases[name+" twice"] = twice(name)
	}
	for _, value := range []string{`"smtp/line.example"`, `"pop"`, `"/line.example"`, `""`, "pop"} {
		cases["digest-uri "+value] = set(SEC_E_INVALID_TOKEN, "digest-uri", value)
	}
	cases["charset"] = set(SEC_E_INVALID_TOKEN, "charset", "iso-8859-1")
	for _, value := range []string{"0", "16", "16777216", "many", "-17"} {
		cases["maxbuf "+value] = set(SEC_E_INVALID_TOKEN, "maxbuf", value)
	}
	cases["maxbuf twice"] = negative{SEC_E_INVALID_TOKEN, func(c *client, _ map[string]string) { c.extra = ",maxbuf=100,maxbuf=100" }}
	cases["cipher twice"] = negative{SEC_E_INVALID_TOKEN, func(c *client, _ map[string]string) { c.extra = ",cipher=rc4,cipher=rc4" }}
	cases["authzid empty"] = set(SEC_E_INVALID_TOKEN, "authzid", `""`)
	cases["authzid of another user"] = signed(SEC_E_LOGON_DENIED, func(c *client) { c.authzid = "root" })
	cases["authzid edited in"] = set(SEC_E_LOGON_DENIED, "authzid", `"alice"`)
	refuses(t, SASL, cases)
}

func TestSASLTolerates(t *testing.T) {
	for name, edit := range map[string]func(c *client, d map[string]string){
		"maxbuf 17":          func(_ *client, d map[string]string) { d["maxbuf"] = "17" },
		"no qop means auth":  func(_ *client, d map[string]string) { delete(d, "qop") },
		"nc in quotes":       func(_ *client, d map[string]string) { d["nc"] = `"00000001"` },
		"no charset":         func(_ *client, d map[string]string) { delete(d, "charset") },
		"algorithm":          func(_ *client, d map[string]string) { d["algorithm"] = "sha-1" },
		"cipher":             func(_ *client, d map[string]string) { d["cipher"] = "rc4" },
		"authzid":            func(c *client, d map[string]string) { c.authzid = user; c.edit = nil; renew(c, d) },
		"digest-uri's case":  func(c *client, d map[string]string) { c.uri = "POP/line.example"; c.edit = nil; renew(c, d) },
		"digest-uri's name":  func(c *client, d map[string]string) { c.uri = "pop/a.example/b.example"; c.edit = nil; renew(c, d) },
		"folded white space": func(c *client, _ map[string]string) { c.extra = ",\r\n\tx=y" },
	} {
		s := serve(t, SASL, nil)
		c := s.answering(MD5)
		c.edit = func(d map[string]string) { edit(c, d) }
		s.must(name, s.accept(c.request()), SEC_E_OK)
	}
}

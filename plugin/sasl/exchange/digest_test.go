package exchange

import "testing"

// digest-uri may name any host, and with hosts only those.
func TestDigestHosts(t *testing.T) {
	for _, c := range []struct {
		hosts []string
		want  Code
	}{{nil, SASL_BADAUTH}, {[]string{"line.example", "other.example"}, SASL_BADAUTH}, {[]string{"other.example"}, SASL_BADPROT}} {
		made := config(newBook(t))
		made.Hosts = c.hosts
		x := New(made)
		challenge, _, _ := x.Start(t.Context(), "DIGEST-MD5", nil)
		out, code, detail := x.Step(t.Context(), []byte(digestAnswer(string(challenge), "Alice", zeros)))
		if code != c.want {
			t.Errorf("%v: %q, %v, %s", c.hosts, out, code, detail)
		}
		x.Close()
	}
}

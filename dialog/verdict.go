package dialog

import (
	"bytes"
	"fmt"

	"rashost/plugin"
)

// report is a SECURITY_MESSAGE as the host understands it.
type report struct {
	verdict      plugin.Verdict
	code         plugin.Code
	user, domain string
	why          string // why the host made an Error of it; "" when it did not
}

// failed is a report of the host's own making.
func failed(code plugin.Code, why string) report {
	return report{verdict: plugin.Error, code: code, why: why}
}

// judge copies a message and applies the rules for its contents (C3, C4, C5 and the check of names).
func judge(m *plugin.SecurityMessage) report {
	if m.MsgID < plugin.Success || m.MsgID > plugin.Error {
		return failed(plugin.ErrorInvalidParameter, fmt.Sprintf("unknown message %d", uint32(m.MsgID)))
	}
	user, ok1 := field(m.UserName[:])
	domain, ok2 := field(m.Domain[:])
	if !ok1 || !ok2 {
		return failed(plugin.ErrorInvalidData, "name without an end")
	}
	r := report{verdict: m.MsgID, user: user, domain: domain}
	switch {
	case r.verdict == plugin.Error:
		r.code = m.Error
		if r.code == plugin.NoError {
			r.code = plugin.ErrorUnknown
		}
	case r.verdict == plugin.Failure:
	case r.user == "":
		return failed(plugin.ErrorInvalidParameter, "success without a user name")
	case !plugin.ValidUserName(r.user):
		return failed(plugin.ErrorInvalidData, "success for a user name that is not allowed")
	case !validDomain(r.domain):
		return failed(plugin.ErrorInvalidData, "success for a domain with control characters")
	}
	return r
}

// field returns the bytes of a CHAR array before its NUL; ok is false when there is none.
func field(b []byte) (s string, ok bool) {
	i := bytes.IndexByte(b, 0)
	if i < 0 {
		return "", false
	}
	return string(b[:i]), true
}

// merge applies the Complete that ended a deferral: it may keep or worsen the first verdict, never better it (rule E5).
func merge(first, second report) report {
	switch {
	case second.verdict < first.verdict:
		return first
	case second.verdict > first.verdict:
		if second.user == "" {
			second.user, second.domain = first.user, first.domain
		}
		return second
	case first.verdict == plugin.Success && (!sameName(first.user, second.user) || !sameName(first.domain, second.domain)):
		return failed(plugin.ErrorInvalidParameter, "success twice, for different users")
	default:
		return first
	}
}

// outcome makes an Outcome of a report.
func (r report) outcome() Outcome {
	o := Outcome{Verdict: r.verdict, Code: r.code, User: r.user, Domain: r.domain, Ended: Completed}
	switch r.verdict {
	case plugin.Success:
	case plugin.Failure:
		o.Event = plugin.EventSecurityFailure
	default:
		o.Event = plugin.EventSecurityInternal
	}
	return o
}

// String describes r without names: one typed at a prompt may be a secret.
func (r report) String() string {
	switch {
	case r.why != "":
		return fmt.Sprintf("error: %s: %s", r.why, r.code.Error())
	case r.verdict == plugin.Error:
		return "error: " + r.code.Error()
	default:
		return r.verdict.String()
	}
}

// validDomain says whether domain is free of control characters.
func validDomain(domain string) bool {
	for i := range len(domain) {
		if domain[i] < ' ' || domain[i] == 0x7f {
			return false
		}
	}
	return true
}

// sameName compares names without ASCII case (rule E5).
func sameName(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if lower(a[i]) != lower(b[i]) {
			return false
		}
	}
	return true
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		return c + 'a' - 'A'
	}
	return c
}

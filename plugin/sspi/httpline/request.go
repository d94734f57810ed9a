package httpline

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
)

// Bounds of a request.
const (
	maxHead = 12288    // bytes: request line, headers and their line ends
	maxBody = 64 << 10 // bytes
)

// request is what of an HTTP request matters here.
type request struct {
	method string // GET, HEAD or POST
	target string // as it was sent
	length int    // of the body, in bytes
	// digest is what follows the word Digest in Authorization, "" when there is no such header.
	digest string
	// expect says that the client waits for 100 Continue before it sends the body.
	expect bool

	seen map[string]bool // headers that may come once, in lower case
}

// fault is a request that cannot be served, and whose end is therefore not known: the call ends with it.
type fault struct {
	status int // of HTTP
	reason string
}

// Error returns the reason.
func (f *fault) Error() string { return f.reason }

// headParser takes the head of a request byte by byte.
type headParser struct {
	line  []byte
	taken int
	begun bool // the request line is there
	req   request
}

// feed takes one byte. done says that the head is complete: req holds it, and the body follows. An error is a *fault.
func (p *headParser) feed(c byte) (done bool, err error) {
	if p.taken++; p.taken > maxHead {
		return false, &fault{431, fmt.Sprintf("the head of the request is longer than %d bytes", maxHead)}
	}
	if n := len(p.line); c != '\n' {
		if n > 0 && p.line[n-1] == '\r' {
			return false, &fault{400, "a carriage return within a line"}
		}
		p.line = append(p.line, c)
		return false, nil
	}
	line := bytes.TrimSuffix(p.line, []byte("\r"))
	switch {
	case !p.begun && len(line) > 0:
		p.begun = true
		err = p.req.start(string(line))
	case len(line) > 0:
		err = p.req.header(line)
	case p.begun:
		done = true
	}
	clear(p.line) // it may have held a password
	p.line = p.line[:0]
	return done && err == nil, err
}

// start reads the request line (RFC 9112, section 3).
func (r *request) start(line string) error {
	method, rest, _ := strings.Cut(line, " ")
	target, version, ok := strings.Cut(rest, " ")
	if !ok || !isToken(method) || !strings.HasPrefix(version, "HTTP/") {
		return &fault{400, "not a request line of HTTP"}
	}
	if version != "HTTP/1.1" && version != "HTTP/1.0" {
		return &fault{505, "neither HTTP/1.1 nor HTTP/1.0"}
	}
	if method != "GET" && method != "HEAD" && method != "POST" {
		return &fault{501, "a method other than GET, HEAD and POST"}
	}
	if strings.ContainsFunc(target, func(c rune) bool { return c <= ' ' || c >= 0x7f }) || originForm(target) == "" {
		return &fault{400, "the target is no path and no http URI"}
	}
	r.method, r.target = method, target
	return nil
}

// header reads one header line (RFC 9112, section 5). It keeps of it only what matters.
func (r *request) header(line []byte) error {
	head, value, ok := bytes.Cut(line, []byte(":"))
	name := strings.ToLower(string(head))
	if !ok || !isToken(name) {
		return &fault{400, "a header without a name, or a folded one"}
	}
	value = bytes.Trim(value, " \t")
	if bytes.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
		return &fault{400, "a control character in a header"}
	}
	switch name {
	case "content-length", "authorization", "expect":
		if r.seen[name] {
			return &fault{400, name + " stands there twice"}
		}
		if r.seen == nil {
			r.seen = make(map[string]bool)
		}
		r.seen[name] = true
	}
	switch name {
	case "content-length":
		n, err := strconv.ParseUint(string(value), 10, 63)
		if err != nil {
			return &fault{400, "content-length is not a number"}
		}
		if n > maxBody {
			return &fault{413, fmt.Sprintf("the body is longer than %d bytes", maxBody)}
		}
		r.length = int(n)
	case "transfer-encoding":
		return &fault{501, "a transfer encoding"}
	case "authorization":
		if scheme, rest, ok := bytes.Cut(value, []byte(" ")); ok && strings.EqualFold(string(scheme), "Digest") {
			r.digest = strings.TrimLeft(string(rest), " \t")
		}
	case "expect":
		if !strings.EqualFold(string(value), "100-continue") {
			return &fault{417, "an expectation other than 100-continue"}
		}
		r.expect = true
	}
	return nil
}

// path is the target's path without a query.
func (r *request) path() string {
	path, _, _ := strings.Cut(originForm(r.target), "?")
	return path
}

// names says whether the URI of a response is the request's target (RFC 7616, section 3.4.6): the same text, or an absolute form of it.
func (r *request) names(uri string) bool {
	return uri == r.target || originForm(uri) != "" && originForm(uri) == originForm(r.target)
}

// originForm returns the path and query of a target in origin form or in absolute form with http; "" for anything else.
func originForm(target string) string {
	if strings.HasPrefix(target, "/") {
		return target
	}
	const scheme = "http://"
	if len(target) <= len(scheme) || !strings.EqualFold(target[:len(scheme)], scheme) {
		return ""
	}
	rest := target[len(scheme):]
	at := strings.IndexAny(rest, "/?")
	switch {
	case at < 0:
		return "/"
	case rest[at] == '?':
		return "/" + rest[at:]
	default:
		return rest[at:]
	}
}

// isToken says whether s is a token (RFC 9110, section 5.6.2).
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(c rune) bool {
		return (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", c)
	})
}

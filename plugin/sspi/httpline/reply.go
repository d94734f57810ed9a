package httpline

import (
	"fmt"
	"strings"
)

// The fixed texts that a caller sees.
const (
	textChallenge = "Log in with HTTP Digest.\n"
	textDenied    = "Access denied.\n"
	textMalformed = "The request cannot be served.\n"
	textTrouble   = "Login is not possible at the moment.\n"
)

// connectPath is where the first right response is sent, and the only path that lets a caller in.
const connectPath = "/connect"

// reply is one response of HTTP.
type reply struct {
	status  int
	headers []string // name: value
	body    string
	last    bool // nothing is read after it
}

// text returns the reply as it is sent, without the body when the request was a HEAD.
func (r reply) text(head bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "HTTP/1.1 %d %s\r\n", r.status, reason(r.status))
	for _, h := range r.headers {
		b.WriteString(h + "\r\n")
	}
	if r.body != "" {
		b.WriteString("Content-Type: text/plain; charset=utf-8\r\n")
	}
	fmt.Fprintf(&b, "Content-Length: %d\r\nCache-Control: no-store\r\n", len(r.body))
	switch {
	case r.last:
		b.WriteString("Connection: close\r\n")
	case r.status != 200: // what follows 200 is the service's, not HTTP
		b.WriteString("Connection: keep-alive\r\n")
	}
	b.WriteString("\r\n")
	if !head {
		b.WriteString(r.body)
	}
	return b.String()
}

// reason is the phrase of a status (RFC 9110, section 15).
func reason(status int) string {
	switch status {
	case 200:
		return "OK"
	case 302:
		return "Found"
	case 400:
		return "Bad Request"
	case 401:
		return "Unauthorized"
	case 403:
		return "Forbidden"
	case 413:
		return "Content Too Large"
	case 417:
		return "Expectation Failed"
	case 431:
		return "Request Header Fields Too Large"
	case 501:
		return "Not Implemented"
	case 503:
		return "Service Unavailable"
	case 505:
		return "HTTP Version Not Supported"
	default:
		return "Unknown"
	}
}

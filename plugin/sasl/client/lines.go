package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Conn is an open connection, such as a serial line in raw mode. Deadlines work as in net.Conn.
type Conn interface {
	io.ReadWriter
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

const (
	// maxLine is the longest line of the far end, in bytes with its end: RFC 4954, section 4.
	maxLine = 12288 + len("\r\n")
	// maxShown is how much of the far end's text is kept for an error, in bytes.
	maxShown = 200
)

// lines reads and writes lines on a connection. It never takes a byte behind the end of the line that it returns, so that what follows
// the last one is left for whoever has the connection next.
type lines struct {
	ctx  context.Context
	conn Conn
	line []byte
	one  [1]byte
	got  string // the last line, for errors

	private   bool   // what comes may be an echo of a secret: errors do not show it
	challenge string // what begins so is no text for people either
}

// write sends text, which has its line end. What it holds may be a secret: errors do not show it.
func (l *lines) write(text []byte) error {
	if l.ctx.Err() != nil {
		return context.Cause(l.ctx)
	}
	if _, err := l.conn.Write(text); err != nil {
		return l.broken("sending", err)
	}
	return nil
}

// read returns the next line without its end, which is LF or CR LF.
func (l *lines) read() (string, error) {
	l.line = l.line[:0]
	for {
		if l.ctx.Err() != nil {
			return "", l.broken("no answer", context.Cause(l.ctx))
		}
		n, err := l.conn.Read(l.one[:])
		if n == 0 && err == nil {
			err = io.ErrNoProgress
		}
		if n == 0 {
			return "", l.broken("no answer", err)
		}
		if l.one[0] == '\n' {
			break
		}
		if len(l.line) >= maxLine {
			return "", fmt.Errorf("%w: a line longer than %d bytes", ErrProtocol, maxLine)
		}
		l.line = append(l.line, l.one[0])
	}
	text := string(l.line)
	if n := len(text); n > 0 && text[n-1] == '\r' {
		text = text[:n-1]
	}
	l.got = text
	return text, nil
}

// broken says why the next line did not come, with what came of it.
func (l *lines) broken(what string, err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) && l.ctx.Err() != nil {
		err = context.Cause(l.ctx)
	}
	switch last := string(l.line); {
	case what == "sending" || last == "" && l.got == "":
		return fmt.Errorf("login: %s: %w", what, err)
	case last == "":
		return fmt.Errorf("login: %s: %w; the last line was %s", what, err, l.show(l.got))
	default:
		return fmt.Errorf("login: %s: %w; the last bytes were %s", what, err, l.show(last))
	}
}

// show quotes what came, but not what could help to guess the secret.
func (l *lines) show(text string) string {
	switch {
	case l.private:
		return quote(public(text))
	case l.challenge != "" && strings.HasPrefix(text, l.challenge):
		return "a challenge"
	default:
		return quote(text)
	}
}

// codes are what an answer may begin with that holds no secret: a status, and behind it a response code of POP3 (RFC 2449, section 8; RFC
// 3206; RFC 6856) or an enhanced one of SMTP (RFC 3463).
var codes = regexp.MustCompile(
	`^(?:\+OK|-ERR|[2-5][0-9]{2})(?:[ -](?:\[(?:AUTH|IN-USE|LOGIN-DELAY|SYS/TEMP|SYS/PERM|UTF8)\]|[245]\.[0-9]{1,3}\.[0-9]{1,3}))?(?:[ -]|$)`)

// public is what an answer to a secret may be shown as: a far end that does not understand a command often quotes it.
func public(line string) string {
	shown := codes.FindString(line)
	if shown == line {
		return line
	}
	return shown + "(not shown: it may hold the secret)"
}

// quote shows bytes of the far end, bounded and escaped.
func quote(text string) string { return strconv.QuoteToASCII(bounded(text)) }

func bounded(text string) string { return text[:min(len(text), maxShown)] }

package client

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Profile says which protocol's commands carry the exchange.
type Profile string

// The profiles. Auto takes what the greeting shows.
const (
	Auto Profile = "auto"
	POP3 Profile = "pop3" // RFC 5034
	SMTP Profile = "smtp" // RFC 4954
)

// Options say how Login goes.
type Options struct {
	// Mechanism is from New.
	Mechanism Mechanism
	// Profile is Auto when "".
	Profile Profile
	// Woken says that an empty line was sent before the greeting came, so that an error may answer it.
	Woken bool
	// Progress is told each step in plain words, Received each line of the far end, quoted and without what an exchange
	// carries. Nil drops them.
	Progress, Received func(text string)
}

const (
	// maxRounds bounds the challenges of one exchange. SCRAM has two.
	maxRounds = 8
	// maxNoise is how many lines may come before the greeting, maxList how many an answer may have.
	maxNoise, maxList = 200, 100
	// wokenWait is how long the answer to the first command is waited for, when an error came that may belong to the empty line.
	wokenWait = 2 * time.Second
	// hostname is what EHLO says: the caller has no name that the far end could look up (RFC 5321, section 4.1.3).
	hostname = "[127.0.0.1]"
)

// Login waits for the greeting of the far end, asks what it offers, and authenticates. When it returns, nothing behind the end of the
// last line has been read. A login that fails is left as it is: hang up.
//
// Errors: ErrImpostor, ErrProtocol, *RefusedError, *NotOfferedError, those of conn, and the cause of ctx.
func Login(ctx context.Context, conn Conn, o Options) error {
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(interrupted)
		past := time.Unix(1, 0)
		_, _ = conn.SetReadDeadline(past), conn.SetWriteDeadline(past)
	})
	defer func() {
		if !stop() {
			<-interrupted
		}
		_, _ = conn.SetReadDeadline(time.Time{}), conn.SetWriteDeadline(time.Time{})
	}()
	for _, f := range []*func(string){&o.Progress, &o.Received} {
		if *f == nil {
			*f = func(string) {}
		}
	}
	c := &login{Options: o, lines: lines{ctx: ctx, conn: conn}}
	if err := c.greeting(); err != nil {
		return err
	}
	if err := c.capabilities(); err != nil {
		return err
	}
	return c.exchange()
}

// login is one login.
type login struct {
	Options
	lines lines
	wire  *wire
	sent  []byte // the last line of ours, which a far end for people may echo
}

// kind is what an answer means.
type kind int

const (
	success kind = iota + 1
	challenge
	failure
)

// answer is what the far end said to a command.
type answer struct {
	kind  kind
	text  string   // behind the status; of the first line
	lines []string // of an answer in several lines, without the first
}

// greeting reads until the far end greets. What comes before, such as a banner or the noise of a line that begins, does not matter.
func (c *login) greeting() error {
	c.Progress("waiting for the far end's greeting")
	for range maxNoise {
		line, err := c.lines.read()
		if err != nil {
			return err
		}
		c.Received(quote(line))
		line = strings.TrimLeftFunc(line, func(r rune) bool { return r <= ' ' || r > '~' })
		for _, w := range wires() {
			if !slices.ContainsFunc(w.greetings, func(g string) bool { return strings.HasPrefix(line, g) }) {
				continue
			}
			a, more, ok := w.status(line)
			if !ok {
				continue
			}
			if c.Profile != "" && c.Profile != Auto && c.Profile != w.profile {
				return fmt.Errorf("%w: it greets as %s, and %s is wanted", ErrProtocol, w.profile, c.Profile)
			}
			c.wire = w
			if a.kind == failure {
				return &RefusedError{What: "the connection", Text: bounded(line)}
			}
			if more {
				return c.rest(&a, line)
			}
			return nil
		}
	}
	return fmt.Errorf("%w: no greeting in %d lines", ErrProtocol, maxNoise)
}

// capabilities asks what the far end offers, and stops where the mechanism is not among it. A far end that does not understand the
// question is tried all the same, under POP3.
func (c *login) capabilities() error {
	c.Progress("the far end speaks " + string(c.wire.profile) + "; asking for its mechanisms")
	if err := c.command(c.wire.ask); err != nil {
		return err
	}
	a, err := c.answer(true)
	if err == nil && a.kind == failure && c.Woken {
		a, err = c.second(a)
	}
	switch {
	case err != nil:
		return err
	case a.kind == challenge:
		return fmt.Errorf("%w: a challenge before AUTH", ErrProtocol)
	case a.kind == failure && c.wire.profile == SMTP:
		return &RefusedError{What: "EHLO", Text: bounded(a.text)}
	case a.kind == failure:
		return nil
	}
	offered := c.wire.mechanisms(a.lines)
	for _, m := range offered {
		if strings.EqualFold(m, c.Mechanism.Name()) {
			return nil
		}
	}
	return &NotOfferedError{Mechanism: c.Mechanism.Name(), Offered: offered}
}

// second waits a moment for another answer, because first may have been to the empty line that woke the far end.
func (c *login) second(first answer) (answer, error) {
	if err := c.lines.conn.SetReadDeadline(time.Now().Add(wokenWait)); err != nil {
		return first, err
	}
	a, err := c.answer(true)
	if c.lines.ctx.Err() != nil {
		return first, context.Cause(c.lines.ctx)
	}
	if resetErr := c.lines.conn.SetReadDeadline(time.Time{}); resetErr != nil {
		return first, resetErr
	}
	if err != nil && isTimeout(err) && len(c.lines.line) == 0 {
		return first, nil
	}
	return a, err
}

// exchange authenticates.
func (c *login) exchange() error {
	c.Progress("logging in with " + c.Mechanism.Name())
	c.lines.private, c.lines.challenge = c.Mechanism.Name() == PLAIN, strings.TrimRight(c.wire.challenge, " ")
	initial, err := c.Mechanism.Start()
	if err != nil {
		return err
	}
	defer clear(initial)
	command := []byte("AUTH " + c.Mechanism.Name() + " " + encode(initial))
	defer clear(command)
	waiting := len(command) > c.wire.command // then it goes behind an empty challenge
	if waiting {
		command = command[:len("AUTH ")+len(c.Mechanism.Name())]
	}
	if err := c.send(command); err != nil {
		return err
	}
	for range maxRounds {
		a, err := c.answer(false)
		switch {
		case err != nil:
			return err
		case a.kind == failure:
			return &RefusedError{What: "the login", Text: bounded(a.text)}
		case a.kind == success:
			return c.granted(a)
		}
		if waiting {
			waiting = false
			err = c.first(a, initial)
		} else {
			err = c.next(a)
		}
		if err != nil {
			return err
		}
	}
	return fmt.Errorf("%w: more than %d challenges", ErrProtocol, maxRounds)
}

// granted asks the mechanism whether the far end may be believed.
func (c *login) granted(a answer) error {
	if err := c.Mechanism.Finish(); err != nil {
		return err
	}
	proof := ""
	if c.Mechanism.Name() != PLAIN {
		proof = "; the far end has proven that it knows the password's key"
	}
	c.Progress("logged in: " + quote(a.text) + proof)
	return nil
}

// first sends the initial response that was too long for the command.
func (c *login) first(a answer, initial []byte) error {
	if a.text != "" {
		return fmt.Errorf("%w: a challenge where an empty one is due", ErrProtocol)
	}
	return c.send([]byte(encode(initial)))
}

// next answers a challenge. What the mechanism does not accept ends the exchange (RFC 4422, section 3.5).
func (c *login) next(a answer) error {
	data, err := base64.StdEncoding.Strict().DecodeString(a.text)
	if err != nil {
		err = fmt.Errorf("%w: a challenge that is not base64", ErrProtocol)
	}
	var response []byte
	if err == nil {
		response, err = c.Mechanism.Next(data)
	}
	if err != nil {
		_ = c.send([]byte("*")) // the call ends in any case
		return err
	}
	return c.send([]byte(base64.StdEncoding.EncodeToString(response)))
}

// encode is base64 as an initial response has it, where "=" is an empty one.
func encode(initial []byte) string {
	if len(initial) == 0 {
		return "="
	}
	return base64.StdEncoding.EncodeToString(initial)
}

// command sends a command that is no secret.
func (c *login) command(text string) error { return c.send([]byte(text)) }

// send sends a line. Its copy is wiped when the answer has come.
func (c *login) send(text []byte) error {
	line := append(slices.Clone(text), '\r', '\n')
	c.sent = line[:len(text)]
	return c.lines.write(line)
}

// answer reads the answer to a command. list says that a success has more lines, where the protocol can't tell from the first.
func (c *login) answer(list bool) (answer, error) {
	line, err := c.lines.read()
	if err == nil && len(c.sent) > 0 && line == string(c.sent) {
		line, err = c.lines.read() // the first was an echo
	}
	clear(c.sent)
	c.sent = nil
	if err != nil {
		return answer{}, err
	}
	a, more, ok := c.wire.status(line)
	if !ok {
		return a, fmt.Errorf("%w: an answer that is none of %s: %s", ErrProtocol, c.wire.profile, c.lines.show(line))
	}
	if a.kind == challenge {
		c.Received(fmt.Sprintf("%s and %d characters of a challenge", quote(c.wire.challenge), len(a.text)))
		return a, nil
	}
	if c.lines.private {
		a.text = public(line)
	}
	c.Received(c.lines.show(line))
	if more || list && a.kind == success && c.wire.dotted {
		return a, c.rest(&a, line)
	}
	return a, nil
}

// rest reads the further lines of an answer.
func (c *login) rest(a *answer, first string) error {
	for range maxList {
		line, err := c.lines.read()
		if err != nil {
			return err
		}
		c.Received(c.lines.show(line))
		text, last, ok := c.wire.further(first, line)
		if !ok {
			return fmt.Errorf("%w: %s within an answer that began with %s", ErrProtocol, c.lines.show(line), quote(first[:3]))
		}
		if text != "" {
			a.lines = append(a.lines, text)
		}
		if last {
			return nil
		}
	}
	return fmt.Errorf("%w: an answer of more than %d lines", ErrProtocol, maxList)
}

// isTimeout tells a deadline from everything else.
func isTimeout(err error) bool {
	t, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	return ok && t.Timeout()
}

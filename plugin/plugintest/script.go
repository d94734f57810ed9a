package plugintest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// Bounds of a script.
const (
	scriptLine  = 4096 // bytes of a line
	scriptSteps = 256  // steps of a login
)

// Script is what the robot caller must know of a plugin that it has never seen: one good login and, if the plugin refuses anybody, one bad
// login. It is a text file with a word and its text on each line:
//
//	good caller{n}        the user that Success must name; the steps follow
//	expect Name:          wait until the plugin has sent this
//	type caller{n}        type this and Return
//	expect Password:
//	secret secret-{n}     as type, for what must come back nowhere
//	bad caller{n}         the user that Failure must name, or nothing; the steps follow, through all attempts
//	send "\x03"           type these bytes, without Return
//
// {n} is the number of the caller, 0 to 19: callers who differ show a plugin that mixes them up. A text in double quotes is a Go string. Empty
// lines and those that begin with # are left out.
type Script struct {
	good, bad *scriptLogin
}

// scriptLogin is a login with {n} in its texts.
type scriptLogin struct {
	user  string
	steps []Step
}

// ParseScript reads a script. Its error names the line.
func ParseScript(r io.Reader) (*Script, error) {
	var s Script
	var now *scriptLogin
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, scriptLine)
	n := 0
	for lines.Scan() {
		n++
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		var err error
		if now, err = s.add(now, line); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	if s.good == nil {
		return nil, errors.New("there is no good login: a line `good USER`, and what the caller does below it")
	}
	return &s, nil
}

// add takes one line; now is the login that it belongs to.
func (s *Script) add(now *scriptLogin, line string) (*scriptLogin, error) {
	word, text, _ := strings.Cut(line, " ")
	text = strings.TrimSpace(text)
	if strings.HasPrefix(text, `"`) {
		plain, err := strconv.Unquote(text)
		if err != nil {
			return nil, fmt.Errorf("%s is no Go string", text)
		}
		text = plain
	}
	login := &scriptLogin{user: text}
	switch {
	case word == "good" && text == "":
		return nil, errors.New("good needs the user that Success names")
	case word == "good" && s.good == nil:
		s.good = login
		return login, nil
	case word == "bad" && s.bad == nil:
		s.bad = login
		return login, nil
	case word == "good" || word == "bad":
		return nil, fmt.Errorf("%s comes twice", word)
	case now == nil:
		return nil, fmt.Errorf("%q comes before good or bad", word)
	case text == "":
		return nil, fmt.Errorf("%s needs a text", word)
	case len(now.steps) == scriptSteps:
		return nil, fmt.Errorf("a login has %d steps at most", scriptSteps)
	}
	switch word {
	case "expect":
		now.steps = append(now.steps, Expect(text))
	case "send":
		now.steps = append(now.steps, Send(text))
	case "type":
		now.steps = append(now.steps, Send(text+"\r"))
	case "secret":
		now.steps = append(now.steps, SendSecret(text+"\r"))
	default:
		return nil, fmt.Errorf("%q is none of good, bad, expect, type, secret, send", word)
	}
	return now, nil
}

// Subject returns a Subject with the script's logins. New is still missing.
func (s *Script) Subject() Subject {
	subject := Subject{Good: s.good.login}
	if s.bad != nil {
		subject.Bad = s.bad.login
	}
	return subject
}

// login is the login of caller n.
func (l *scriptLogin) login(n int) Login {
	number := strings.NewReplacer("{n}", strconv.Itoa(n))
	login := Login{User: number.Replace(l.user)}
	for _, s := range l.steps {
		s.expect, s.send = number.Replace(s.expect), number.Replace(s.send)
		login.Steps = append(login.Steps, s)
	}
	return login
}

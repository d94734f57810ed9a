package password

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rashost/dialog/terminal"
	"rashost/plugin"
	"rashost/plugin/users"
)

// The fixed texts that a caller sees.
const (
	textDenied = "Access denied.\n"
	textMinute = "One minute left."
	textTimeUp = "Time is up."
)

// maxRestarts is how often ^C and empty names may bring the login prompt back before the caller counts as refused.
const maxRestarts = 20

// timeUpLead is how long before the host's limit the last text is sent, so that it arrives.
const timeUpLead = 2 * time.Second

// converse is the worker of one transaction: it talks until there is a verdict.
func (p *Plugin) converse(ctx context.Context, b plugin.Begin) {
	t := terminal.New(ctx, b)
	t.SetNotices(p.notices(time.Now())...)
	user, err := p.login(ctx, t, b.Call.Line)
	verdict, code := plugin.Failure, plugin.NoError
	switch {
	case err == nil && user.granted:
		verdict = plugin.Success
	case err == nil:
	case errors.Is(err, terminal.ErrGone) || ctx.Err() != nil:
		return // the host knows, and owes End
	case errors.Is(err, terminal.ErrFlood):
		p.log.Warn("caller floods the prompt", "line", b.Call.Line, "call", b.Call.ID)
		if t.Print("\n"+textDenied) != nil {
			return
		}
	default:
		verdict, code = plugin.Error, plugin.ErrorUnknown
		// The code in err is the host's own answer.
		_ = errors.As(err, &code)
		p.log.Error("password dialog failed", "line", b.Call.Line, "call", b.Call.ID, "error", err)
	}
	b.Complete(plugin.NewMessage(b.HPort, verdict, code, user.name, ""))
}

// caller is whom the dialog ended with.
type caller struct {
	name    string // as stored when granted, otherwise as typed last, "" when that is not a valid name
	granted bool
}

// login asks until somebody is let in or the attempts are used up. An error says why the conversation broke off.
func (p *Plugin) login(ctx context.Context, t *terminal.Terminal, line string) (last caller, err error) {
	if p.banner != "" {
		if err := t.Print(p.banner + "\n"); err != nil {
			return last, err
		}
	}
	for attempts, restarts := p.attempts, maxRestarts; attempts > 0 && restarts > 0; {
		name, secret, err := p.ask(t)
		if errors.Is(err, terminal.ErrInterrupted) || err == nil && name == "" {
			restarts--
			continue
		}
		if name != "" {
			last.name = ""
		}
		if plugin.ValidUserName(name) {
			last.name = name
		}
		if err != nil {
			return last, err
		}
		user, ok, err := p.check(ctx, name, secret, line)
		clear(secret)
		if err != nil {
			return last, err
		}
		if ok {
			return caller{name: user, granted: true}, nil
		}
		attempts--
		if err := t.Print(textDenied); err != nil {
			return last, err
		}
		if attempts == 0 {
			return last, nil
		}
	}
	return last, t.Print(textDenied)
}

// ask reads a name and a password. An empty name asks for no password. One byte more than the longest password is kept, so that a
// longer one is seen to be too long.
func (p *Plugin) ask(t *terminal.Terminal) (name string, secret []byte, err error) {
	text, err := t.ReadLine(terminal.Line{Prompt: p.options.Login})
	if err != nil || len(text) == 0 {
		return "", nil, err
	}
	name = string(text)
	secret, err = t.ReadLine(terminal.Line{Prompt: p.options.Password, Secret: true, Max: users.MaxSecret + 1})
	return name, secret, err
}

// notices are the warnings before the host's limit: one minute before, or at half time when there are not two minutes in all.
func (p *Plugin) notices(begin time.Time) []terminal.Notice {
	if p.timeout <= 2*timeUpLead {
		return nil
	}
	before, text := time.Minute, textMinute
	if p.timeout < 2*time.Minute {
		before = p.timeout / 2
		text = fmt.Sprintf("%d seconds left.", int(before/time.Second))
	}
	return []terminal.Notice{
		{At: begin.Add(p.timeout - before), Text: text},
		{At: begin.Add(p.timeout - timeUpLead), Text: textTimeUp},
	}
}

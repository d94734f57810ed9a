package sasl

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	"rashost/dialog/terminal"
	"rashost/plugin"
	"rashost/plugin/sasl/exchange"
)

const (
	// maxSilence is how many seconds a caller may say nothing.
	maxSilence = 60
	// maxMistakes is how many lines may be no more than errors, before the caller counts as refused.
	maxMistakes = 20
	// timeUpLead is how long before the host's limit the last text is sent, so that it arrives.
	timeUpLead = 2 * time.Second
	// maxDetail is how many bytes of an exchange's detail a log line takes.
	maxDetail = 200
)

// exchanger is one negotiation of a mechanism; it is *exchange.Exchange.
type exchanger interface {
	Start(ctx context.Context, mechanism string, initial []byte) (out []byte, code exchange.Code, detail string)
	Step(ctx context.Context, in []byte) (out []byte, code exchange.Code, detail string)
	Identity() (user string, ok bool)
	Renew(ctx context.Context)
	Name() string
	Close()
}

// session is one dialog with a caller. It belongs to one worker goroutine.
type session struct {
	ctx     context.Context
	plugin  *Plugin
	call    plugin.Call
	log     *slog.Logger
	conn    *conn
	began   time.Time
	state   state
	wire    *rendering
	offered []string // the mechanisms of this line

	heard      bool      // a command has been understood
	attempts   int       // that are left
	mistakes   int       // that are left
	pop3User   string    // of USER, until PASS
	shown      int       // bytes of the line that the echo has shown
	exchange   exchanger // nil: none is going on
	mechanism  string
	counted    bool   // lock-out has refused the try and counted it
	name       string // claimed last, "" when that is not a valid name
	identity   string // who was let in
	unreliable bool   // the last attempt failed for a reason that is ours
}

// newSession prepares the dialog of transaction b.
func newSession(ctx context.Context, p *Plugin, b plugin.Begin) *session {
	s := &session{
		ctx: ctx, plugin: p, call: b.Call, conn: newConn(ctx, b), began: time.Now(), wire: p.wire, attempts: p.attempts, mistakes: maxMistakes,
		log: p.log.With("line", b.Call.Line, "call", b.Call.ID),
	}
	s.offered = slices.DeleteFunc(slices.Clone(p.options.Mechanisms), func(m string) bool { return needsTrust(m) && !b.Call.Trusted })
	return s
}

// converse is the worker of one transaction: it talks until there is a verdict.
func (p *Plugin) converse(ctx context.Context, b plugin.Begin) {
	s := newSession(ctx, p, b)
	err := s.talk()
	s.drop()
	s.conn.framer.wipe()
	verdict, code, user := plugin.Failure, plugin.NoError, s.name
	switch {
	case errors.Is(err, terminal.ErrGone) || ctx.Err() != nil:
		return // the host knows, and owes End
	case err != nil:
		verdict, code = plugin.Error, plugin.ErrorUnknown
		// The code in err is the host's own answer.
		_ = errors.As(err, &code)
		s.log.Error("sasl dialog failed", "error", err)
	case s.identity != "":
		verdict, user = plugin.Success, s.identity
	case s.unreliable:
		verdict, code = plugin.Error, plugin.ErrorUnknown
	}
	b.Complete(plugin.NewMessage(b.HPort, verdict, code, user, ""))
}

// talk greets and runs the table until the dialog is over.
func (s *session) talk() error {
	if err := s.conn.discard(); err != nil {
		return s.broken(err)
	}
	if err := s.conn.print(s.wire.greeting + s.plugin.greeting + "\r\n"); err != nil {
		return err
	}
	for s.state != over {
		line, err := s.read()
		if err != nil && !errors.Is(err, errTooLong) && !errors.Is(err, errGarbled) {
			return s.broken(err)
		}
		r, arg := find(s.state, s.protocol(), line, err)
		answer, next := r.then(s, arg)
		s.state = next
		s.conn.framer.wipe()
		if s.ctx.Err() != nil {
			return terminal.ErrGone
		}
		if err := s.conn.print(answer); err != nil {
			return err
		}
	}
	if n := len(s.conn.next); n > 0 && s.identity != "" {
		s.log.Warn("a byte that followed the last line at once, after a CR alone, did not reach the service")
	}
	return nil
}

// read takes the next line.
func (s *session) read() ([]byte, error) {
	limit := maxResponse
	if s.state == atCommand {
		limit = s.wire.command
	}
	timeout := uint32(maxSilence)
	if s.plugin.timeout > 0 {
		left := s.plugin.timeout - timeUpLead - time.Since(s.began)
		if left < time.Second {
			return nil, terminal.ErrTimeout
		}
		timeout = min(timeout, uint32(left/time.Second))
	}
	if !s.plugin.options.Echo {
		return s.conn.readLine(limit, timeout, nil)
	}
	return s.conn.readLine(limit, timeout, s.echo)
}

// broken ends a dialog whose next line did not come.
func (s *session) broken(err error) error {
	switch {
	case errors.Is(err, terminal.ErrTimeout):
		return s.conn.print(s.wire.text(replyTimeUp))
	case errors.Is(err, terminal.ErrFlood):
		s.log.Warn("caller floods the dialog")
		return s.conn.print(s.wire.text(replyTooMuch))
	default:
		return err
	}
}

// protocol is the rendering as the table names it.
func (s *session) protocol() protocol {
	if s.wire == smtp {
		return inSMTP
	}
	return inPOP3
}

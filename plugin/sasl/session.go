package sasl

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
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
	waited     bool   // the exchange has paid for the failures before it
	judged     bool   // lock-out has judged the exchange
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

// say is an action's answer that leaves the next line a command.
func (s *session) say(what reply) (string, state) {
	s.heard = true
	return s.wire.text(what), atCommand
}

// mistake is say for a line that was an error; too many end the dialog.
func (s *session) mistake(what reply) (string, state) {
	if s.mistakes--; s.mistakes <= 0 {
		s.log.Warn("caller makes too many errors")
		return s.wire.text(replyTooMuch), over
	}
	return s.wire.text(what), atCommand
}

// The actions of the table for commands.

func (s *session) done([]byte) (string, state)       { return s.say(replyDone) }
func (s *session) loginFirst([]byte) (string, state) { return s.mistake(replyLoginFirst) }
func (s *session) tooLong([]byte) (string, state)    { return s.mistake(replyTooLong) }
func (s *session) garbled([]byte) (string, state)    { return s.mistake(replyGarbled) }
func (s *session) unknown([]byte) (string, state)    { return s.mistake(replyUnknown) }
func (s *session) quit([]byte) (string, state)       { return s.wire.text(replyBye), over }

// capabilities answers CAPA (RFC 2449; RFC 5034, section 3; RFC 3206).
func (s *session) capabilities([]byte) (string, state) {
	s.heard = true
	lines := []string{"Capability list follows"}
	if len(s.offered) > 0 {
		lines = append(lines, "SASL "+strings.Join(s.offered, " "))
	}
	if slices.Contains(s.offered, "PLAIN") {
		lines = append(lines, "USER")
	}
	return s.wire.list("", append(lines, "RESP-CODES", "AUTH-RESP-CODE")), atCommand
}

// extendedHello answers EHLO (RFC 5321, section 4.1.1.1; RFC 4954, section 3). As the first command under POP3's greeting it is a caller
// who speaks SMTP.
func (s *session) extendedHello([]byte) (string, state) {
	if s.wire == pop3 && s.heard {
		return s.mistake(replyUnknown)
	}
	s.heard, s.wire = true, smtp
	lines := []string{s.plugin.options.Hostname, "ENHANCEDSTATUSCODES"}
	if len(s.offered) > 0 {
		lines = append(lines, "AUTH "+strings.Join(s.offered, " "))
	}
	if slices.Contains(s.offered, "LOGIN") {
		lines = append(lines, "AUTH="+strings.Join(s.offered, " ")) // for clients older than the standard
	}
	return s.wire.list("250", append(lines, "HELP")), atCommand
}

// hello answers HELO.
func (s *session) hello([]byte) (string, state) {
	if s.wire == pop3 && s.heard {
		return s.mistake(replyUnknown)
	}
	s.heard, s.wire = true, smtp
	return s.wire.list("250", []string{s.plugin.options.Hostname}), atCommand
}

// help is for a person at a terminal.
func (s *session) help([]byte) (string, state) {
	s.heard = true
	list := "CAPA"
	if s.wire == smtp {
		list = "EHLO"
	}
	lines := []string{
		"Commands: AUTH, " + list + ", NOOP, QUIT, HELP.",
		"AUTH and a mechanism logs in. Answers to the challenges are base64; * cancels.",
		"Mechanisms: " + strings.Join(s.offered, " "),
	}
	if s.wire == pop3 && slices.Contains(s.offered, "PLAIN") {
		lines = append(lines, "Or type USER and your name, then PASS and your password.")
	}
	return s.wire.list("214", lines), atCommand
}

// user answers POP3's USER, where PLAIN, which says the same, is allowed.
func (s *session) user(arg []byte) (string, state) {
	switch {
	case !slices.Contains(s.offered, "PLAIN"):
		return s.mistake(replyEncrypt)
	case len(arg) == 0:
		return s.mistake(replySyntax)
	}
	s.pop3User = string(arg)
	return s.say(replyNextPassword)
}

// pass answers POP3's PASS by an exchange of PLAIN. The password is everything behind the first space.
func (s *session) pass(arg []byte) (string, state) {
	name := s.pop3User
	s.pop3User = ""
	switch {
	case !slices.Contains(s.offered, "PLAIN"):
		return s.mistake(replyEncrypt)
	case name == "":
		return s.mistake(replyUserFirst)
	}
	initial := slices.Concat([]byte("\x00"+name+"\x00"), arg)
	defer clear(initial)
	return s.begin("PLAIN", initial)
}

// auth answers AUTH (RFC 5034, section 4; RFC 4954, section 4). Without a mechanism POP3 lists them, as clients older than CAPA expect.
func (s *session) auth(arg []byte) (string, state) {
	word, text, given := bytes.Cut(arg, []byte(" "))
	mechanism := strings.ToUpper(string(word))
	switch {
	case mechanism == "" && s.wire == pop3:
		s.heard = true
		return s.wire.list("", append([]string{"Mechanisms follow"}, s.offered...)), atCommand
	case mechanism == "" || bytes.IndexByte(text, ' ') >= 0:
		return s.mistake(replySyntax)
	case !slices.Contains(s.plugin.options.Mechanisms, mechanism):
		return s.mistake(replyNoMechanism)
	case !slices.Contains(s.offered, mechanism):
		return s.mistake(replyEncrypt)
	}
	var initial []byte
	if given {
		var ok bool
		if initial, ok = decodeInitial(text); !ok {
			return s.mistake(replyMalformed)
		}
		defer clear(initial)
	}
	return s.begin(mechanism, initial)
}

// The actions of the table for responses, and the exchange.

// begin starts an exchange. initial is nil when the client sent none.
func (s *session) begin(mechanism string, initial []byte) (string, state) {
	s.heard = true
	s.drop()
	s.mechanism, s.waited, s.judged = mechanism, false, false
	var err error
	if s.exchange, err = s.plugin.newExchange(s.call, s.wire.service); err != nil {
		return s.failed(exchange.SASL_UNAVAIL, replyTemporary, err.Error())
	}
	return s.stepped(s.exchange.Start(s.ctx, mechanism, initial))
}

// response is the client's answer to a challenge.
func (s *session) response(line []byte) (string, state) {
	in, ok := decode(line)
	if !ok {
		return s.malformed(nil)
	}
	defer clear(in)
	return s.stepped(s.exchange.Step(s.ctx, in))
}

// cancel gives the exchange up (RFC 4422, section 3.5). It costs no attempt: nothing was judged, or the client did not like the proof.
func (s *session) cancel([]byte) (string, state) {
	s.drop()
	return s.mistake(replyCancelled)
}

func (s *session) malformed([]byte) (string, state) {
	return s.failed(exchange.SASL_BADPROT, replyMalformed, "not base64")
}

func (s *session) tooLongResponse([]byte) (string, state) {
	return s.failed(exchange.SASL_BADPROT, replyTooLong, "line too long")
}

// stepped goes on after a step of the exchange.
func (s *session) stepped(out []byte, code exchange.Code, detail string) (string, state) {
	if name := s.exchange.Name(); name != "" {
		s.name = ""
		if plugin.ValidUserName(name) {
			s.name = name
		}
		if err := s.slowDown(name); err != nil {
			return "", over
		}
	}
	switch {
	case s.ctx.Err() != nil:
		return "", over
	case code == exchange.SASL_OK || code == exchange.SASL_CONTINUE && s.proves(out):
		if !s.unlocked() {
			return s.failed(exchange.SASL_BADAUTH, replyDenied, "locked out")
		}
	}
	switch code {
	case exchange.SASL_OK:
		return s.grant()
	case exchange.SASL_CONTINUE:
		return s.wire.challenge + encode(out) + "\r\n", atResponse
	default:
		return s.failed(code, replyTo(code), detail)
	}
}

// slowDown lets the answer wait when the name has failed on this line before. Every exchange waits once, when the name is known and
// before anything tells right from wrong.
func (s *session) slowDown(name string) error {
	if s.waited {
		return nil
	}
	s.waited = true
	return s.conn.pause(s.plugin.attemptLog.Delay(name, s.call.Line))
}

// proves says whether a message of the server is its last, which it has only for a client that has given its proof: from then on the
// client knows how it ended (RFC 5802, section 5; RFC 2831, section 2.1.3).
func (s *session) proves(out []byte) bool {
	return strings.HasPrefix(s.mechanism, "SCRAM-") && bytes.HasPrefix(out, []byte("v=")) ||
		s.mechanism == "DIGEST-MD5" && bytes.HasPrefix(out, []byte("rspauth="))
}

// unlocked lets lock-out judge a right answer, once in an exchange.
func (s *session) unlocked() bool {
	if s.judged || s.plugin.lockout == nil {
		return true
	}
	s.judged = true
	return s.plugin.lockout.Judge(s.exchange.Name(), s.call.Line, true)
}

// grant lets the caller in.
func (s *session) grant() (string, state) {
	user, ok := s.exchange.Identity()
	if !ok || !plugin.ValidUserName(user) {
		return s.failed(exchange.SASL_FAIL, replyDenied, "an identity that is no user name")
	}
	s.plugin.attemptLog.Succeeded(s.exchange.Name(), s.call.Line)
	s.identity, s.unreliable = user, false
	s.log.Info("sasl login", "mechanism", s.mechanism, "user", user)
	s.drop()
	return s.wire.text(replyGranted), over
}

// failed ends an exchange that came to nothing, and counts it.
func (s *session) failed(code exchange.Code, what reply, detail string) (string, state) {
	name := ""
	if s.exchange != nil {
		name = s.exchange.Name()
	}
	s.unreliable = what == replyTemporary
	if name != "" && !s.unreliable {
		s.plugin.attemptLog.Failed(name, s.call.Line)
		if s.plugin.lockout != nil && !s.judged {
			s.plugin.lockout.Judge(name, s.call.Line, false)
		}
	}
	s.record(code, detail)
	s.drop()
	if s.attempts--; s.attempts <= 0 {
		return s.wire.text(what), over
	}
	return s.wire.text(what), atCommand
}

// record writes to the log what the caller is not told. A name that is not a user's may have been a password.
func (s *session) record(code exchange.Code, detail string) {
	name := "(unknown)"
	if s.name != "" && s.plugin.KnownUser(s.name) {
		name = s.name
	}
	level := slog.LevelInfo
	if s.unreliable {
		level = slog.LevelError
	}
	s.log.Log(s.ctx, level, "sasl login failed", "mechanism", s.mechanism, "user", name,
		"code", fmt.Sprintf("%v (%d)", code, int(code)), "detail", fmt.Sprintf("%.*q", maxDetail, detail))
}

// drop closes the exchange, if one is going on.
func (s *session) drop() {
	if s.exchange != nil {
		s.exchange.Close()
		s.exchange = nil
	}
}

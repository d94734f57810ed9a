package httpline

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"rashost/plugin"
	"rashost/plugin/sspi"
)

// paramBuffers is how many buffers say what was received; those for the answer follow.
const paramBuffers = 4

// maxRequests is how many requests a caller may make in one call.
const maxRequests = 64

// converse is the worker of one transaction: it serves requests until there is a verdict.
func (p *Plugin) converse(ctx context.Context, b plugin.Begin) {
	log := p.log.With("line", b.Call.Line, "call", b.Call.ID)
	d := &login{plugin: p, line: line{ctx: ctx, begin: b, event: plugin.NewEvent(false)}, name: b.Call.Line, log: log, left: p.attempts}
	defer d.end()
	verdict, err := d.serve()
	code := plugin.NoError
	switch {
	case err == nil:
	case errors.Is(err, errGone) || ctx.Err() != nil:
		return // the host knows, and owes End
	default:
		verdict, code = plugin.Error, plugin.ErrorUnknown
		// The code in err is the host's own answer.
		_ = errors.As(err, &code)
		log.Error("digest dialog failed", "error", err)
	}
	b.Complete(plugin.NewMessage(b.HPort, verdict, code, d.user, ""))
}

// login is one call.
type login struct {
	plugin *Plugin
	line   line
	name   string // of the line
	log    *slog.Logger

	left    int    // attempts
	claimed string // the name in the last response, "" when it had none
	user    string // for the verdict: the last name that was one, or the user who was let in

	cred   *sspi.CredHandle
	handle *sspi.CtxtHandle
}

// end forgets the context: it dies with the carrier.
func (d *login) end() {
	if d.handle != nil {
		_ = sspi.DeleteSecurityContext(d.handle) // there is a handle
	}
	if d.cred != nil {
		_ = sspi.FreeCredentialsHandle(d.cred)
	}
}

// serve answers requests until there is a verdict. An error is of the host, or says that nobody can be judged.
func (d *login) serve() (plugin.Verdict, error) {
	o := d.plugin.options
	var s sspi.Status
	d.cred, s = sspi.AcquireCredentialsHandle(sspi.PackageName, sspi.SECPKG_CRED_INBOUND, &sspi.AuthData{
		Mode: sspi.HTTP, Accounts: d.plugin.users, Realm: o.Realm, Algorithms: o.Algorithms, NonceLifetime: o.NonceLifetime,
		Rand: d.plugin.random, Log: d.log,
	})
	if err := s.Err(); err != nil {
		return 0, err
	}
	for range maxRequests {
		req, body, err := d.line.request()
		var bad *fault
		if errors.As(err, &bad) {
			d.log.Info("request refused", "http", bad.status, "reason", bad.reason)
			return plugin.Failure, d.send(request{}, reply{status: bad.status, body: textMalformed, last: true})
		}
		if err != nil {
			return 0, err
		}
		verdict, rep, err := d.answer(req, body)
		if sent := d.send(req, rep); sent != nil {
			return 0, sent
		}
		if verdict != 0 || err != nil {
			return verdict, err
		}
	}
	d.log.Info("too many requests")
	return plugin.Failure, nil
}

// send sends a reply.
func (d *login) send(req request, r reply) error { return d.line.send(r.text(req.method == "HEAD")) }

// answer judges one request. A verdict, or an error, is the end of the dialog once the reply was sent.
func (d *login) answer(req request, body []byte) (plugin.Verdict, reply, error) {
	if req.digest == "" || d.handle == nil { // a response without a challenge of this call is one of an earlier call
		return d.challenge()
	}
	r, err := sspi.ParseResponse(sspi.HTTP, []byte(req.digest))
	if err != nil {
		d.claimed = ""
		return d.refuse(sspi.SEC_E_INVALID_TOKEN, err.Error())
	}
	if d.claimed, d.user = r.Username, ""; plugin.ValidUserName(r.Username) {
		d.user = r.Username
	}
	if err := d.line.pause(d.plugin.slow.Delay(d.claimed, d.name)); err != nil {
		return 0, reply{}, err
	}
	if !req.names(r.URI) {
		verdict, rep, err := d.refuse(sspi.SEC_E_INVALID_TOKEN, "uri is not the target of the request")
		if rep.status == 401 {
			rep = reply{status: 400, body: textMalformed} // RFC 7616, section 3.4.6
		}
		return verdict, rep, err
	}
	return d.judge(req.path(), &sspi.SecBufferDesc{Buffers: []sspi.SecBuffer{
		{Type: sspi.SECBUFFER_TOKEN | sspi.SECBUFFER_READONLY, Buffer: []byte(req.digest)},
		{Type: sspi.SECBUFFER_PKG_PARAMS, Buffer: []byte(req.method)},
		{Type: sspi.SECBUFFER_PKG_PARAMS, Buffer: []byte(r.URI)},
		{Type: sspi.SECBUFFER_PKG_PARAMS, Buffer: sspi.EntityHash(r.Algorithm, body)},
	}})
}

// judge gives a response to the package and turns its status into a reply.
func (d *login) judge(path string, in *sspi.SecBufferDesc) (plugin.Verdict, reply, error) {
	out := d.room()
	var s sspi.Status
	d.handle, s = sspi.AcceptSecurityContext(d.line.ctx, d.cred, d.handle, in, d.plugin.require, out)
	switch s {
	case sspi.SEC_E_OK:
		return d.admit(out.Buffers[0].Buffer, false)
	case sspi.SEC_I_CONTINUE_NEEDED: // right, but too late
		return d.again(out)
	case sspi.SEC_I_COMPLETE_NEEDED:
		in.Buffers = append(in.Buffers, out.Buffers...)
		if s = sspi.CompleteAuthToken(d.handle, in); s == sspi.SEC_E_OK {
			return d.admit(in.Buffers[paramBuffers].Buffer, path == connectPath)
		}
	case sspi.SEC_I_COMPLETE_AND_CONTINUE:
		in.Buffers = append(in.Buffers, out.Buffers...)
		if s = sspi.CompleteAuthToken(d.handle, in); s == sspi.SEC_E_OK {
			return d.again(&sspi.SecBufferDesc{Buffers: in.Buffers[paramBuffers:]})
		}
	default:
	}
	return d.refuse(s, d.handle.Detail())
}

// admit takes a right response: it lets the caller in, or sends him on to the path that does. info is for Authentication-Info.
func (d *login) admit(info []byte, in bool) (plugin.Verdict, reply, error) {
	if d.lockedOut() {
		return d.deny()
	}
	headers := []string{"Authentication-Info: " + string(info)}
	if !in {
		return 0, reply{status: 302, headers: append(headers, "Location: "+connectPath)}, nil
	}
	name, s := sspi.QueryContextName(d.handle)
	if s != sspi.SEC_E_OK {
		return d.trouble(s, "the user has no name")
	}
	d.user = name
	d.plugin.slow.Succeeded(d.claimed, d.name)
	d.log.Info("digest login", "user", name)
	return plugin.Success, reply{status: 200, headers: headers}, nil
}

// again takes a response that is right but for the age of its nonce: out asks for another, which shows that the password was right.
func (d *login) again(out *sspi.SecBufferDesc) (plugin.Verdict, reply, error) {
	if d.lockedOut() {
		return d.deny()
	}
	return 0, d.unauthorized(out), nil
}

// lockedOut says whether a right response must look like a wrong one.
func (d *login) lockedOut() bool {
	l := d.plugin.lockout
	return l != nil && !l.Judge(d.claimed, d.name, true)
}

// deny refuses a right response of an account that is locked out. The next challenge is a new one, as after a wrong password.
func (d *login) deny() (plugin.Verdict, reply, error) {
	_ = sspi.DeleteSecurityContext(d.handle) // there is a handle
	d.handle = nil
	return d.refused(sspi.SEC_E_LOGON_DENIED, "the account is locked out on this line")
}

// refuse counts a response that was refused, or ends the dialog when nobody can be judged.
func (d *login) refuse(s sspi.Status, detail string) (plugin.Verdict, reply, error) {
	if s == sspi.SEC_E_NO_AUTHENTICATING_AUTHORITY || s == sspi.SEC_E_INTERNAL_ERROR {
		return d.trouble(s, detail)
	}
	if d.plugin.lockout != nil {
		d.plugin.lockout.Judge(d.claimed, d.name, false)
	}
	return d.refused(s, detail)
}

// refused replies to a response that was refused: a new challenge, and the end after the last attempt. The reason goes to the log, and
// the name only if it is a user's.
func (d *login) refused(s sspi.Status, detail string) (plugin.Verdict, reply, error) {
	d.plugin.slow.Failed(d.claimed, d.name)
	log := d.log
	if d.user != "" && d.plugin.KnownUser(d.user) {
		log = log.With("user", d.user)
	}
	log.Info("digest login refused", "status", s.String(), "detail", detail)
	if d.left--; d.left <= 0 {
		return plugin.Failure, reply{status: 403, body: textDenied, last: true}, nil
	}
	return d.challenge()
}

// trouble ends the dialog because nobody can be judged.
func (d *login) trouble(s sspi.Status, detail string) (plugin.Verdict, reply, error) {
	return 0, reply{status: 503, body: textTrouble, last: true}, fmt.Errorf("%s: %w", detail, s)
}

// challenge asks the client to log in.
func (d *login) challenge() (plugin.Verdict, reply, error) {
	out := d.room()
	var s sspi.Status
	d.handle, s = sspi.AcceptSecurityContext(d.line.ctx, d.cred, d.handle, nil, d.plugin.require, out)
	if s != sspi.SEC_I_CONTINUE_NEEDED {
		return d.trouble(s, "no challenge can be made")
	}
	return 0, d.unauthorized(out), nil
}

// room is one TOKEN buffer for each challenge.
func (d *login) room() *sspi.SecBufferDesc {
	out := new(sspi.SecBufferDesc)
	for range d.plugin.options.Algorithms {
		out.Buffers = append(out.Buffers, sspi.SecBuffer{Type: sspi.SECBUFFER_TOKEN})
	}
	return out
}

// unauthorized carries one challenge in each header.
func (d *login) unauthorized(out *sspi.SecBufferDesc) reply {
	r := reply{status: 401, body: d.plugin.body}
	for _, b := range out.Buffers {
		r.headers = append(r.headers, "WWW-Authenticate: Digest "+string(b.Buffer))
	}
	return r
}

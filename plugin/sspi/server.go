package sspi

import (
	"context"
	"io"
	"log/slog"
	"time"
)

// DigestConfig are the settings of one DIGEST-MD5 exchange; see AuthData for the fields.
type DigestConfig struct {
	Accounts       Accounts
	Realm, Service string
	Hosts          []string
	FakeKey        []byte
	Rand           io.Reader
	Now            func() time.Time
	Log            *slog.Logger
}

// DigestServer is the server of one DIGEST-MD5 exchange with qop auth: one challenge, one response. It belongs to one goroutine. Close
// it at the end.
type DigestServer struct {
	cred     *CredHandle
	opened   Status
	handle   *CtxtHandle
	answered bool
}

// NewDigestServer prepares an exchange. Settings that make no sense are the status of Challenge.
func NewDigestServer(c DigestConfig) *DigestServer {
	d := new(DigestServer)
	d.cred, d.opened = AcquireCredentialsHandle(PackageName, SECPKG_CRED_INBOUND, &AuthData{
		Mode: SASL, Accounts: c.Accounts, Realm: c.Realm, Service: c.Service, Hosts: c.Hosts,
		FakeKey: c.FakeKey, Rand: c.Rand, Now: c.Now, Log: c.Log,
	})
	return d
}

// Challenge returns the challenge with SEC_I_CONTINUE_NEEDED; any other status is an error.
func (d *DigestServer) Challenge() ([]byte, Status) {
	if d.opened != SEC_E_OK {
		return nil, d.opened
	}
	return d.step(context.Background(), nil)
}

// Response judges the client's response. SEC_E_OK comes with rspauth, which the client must get and answer with nothing; any other
// status is a refusal, and SEC_I_CONTINUE_NEEDED one of a right response that came too late. There is no second try.
func (d *DigestServer) Response(ctx context.Context, in []byte) (rspauth []byte, s Status) {
	if d.handle == nil || d.answered {
		return nil, SEC_E_INVALID_HANDLE
	}
	d.answered = true
	if len(in) == 0 {
		return nil, SEC_E_INVALID_TOKEN
	}
	out, s := d.step(ctx, in)
	if s != SEC_E_OK {
		return nil, s
	}
	return out, SEC_E_OK
}

// step is one AcceptSecurityContext.
func (d *DigestServer) step(ctx context.Context, token []byte) ([]byte, Status) {
	in := &SecBufferDesc{Buffers: []SecBuffer{{SECBUFFER_TOKEN, token}}}
	out := &SecBufferDesc{Buffers: []SecBuffer{{Type: SECBUFFER_TOKEN}}}
	var s Status
	d.handle, s = AcceptSecurityContext(ctx, d.cred, d.handle, in, ASC_REQ_ALLOCATE_MEMORY, out)
	return out.Buffers[0].Buffer, s
}

// User returns the name that the client claimed, in UTF-8; "" before its response. It is no proof of anything.
func (d *DigestServer) User() string { return d.handle.ClaimedName() }

// Account returns the user as the accounts spell the name, and false unless Response has returned SEC_E_OK.
func (d *DigestServer) Account() (string, bool) {
	name, s := QueryContextName(d.handle)
	return name, s == SEC_E_OK
}

// Detail says why the last step failed, for a log.
func (d *DigestServer) Detail() string { return d.handle.Detail() }

// Close ends the exchange and forgets its key. Calling it again does nothing.
func (d *DigestServer) Close() {
	if d.handle != nil {
		_ = DeleteSecurityContext(d.handle) // there is a handle
	}
}

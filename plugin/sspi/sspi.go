// Package sspi is the server side of the Security Support Provider Interface with one security package, WDigest: HTTP Digest (RFC 7616)
// and SASL DIGEST-MD5 (RFC 2831). It does what Windows' functions of the same names do, with their status codes, and needs no Windows.
//
// A server acquires credentials, gives each message of the peer to AcceptSecurityContext, and sends what it puts out:
//
//	challenge   AcceptSecurityContext(no token)       SEC_I_CONTINUE_NEEDED and the challenge
//	first       AcceptSecurityContext(response)       SEC_E_OK or the reason; it decides itself
//	later       AcceptSecurityContext(response)       SEC_I_COMPLETE_NEEDED, and CompleteAuthToken decides,
//	                                                  by the session key that the first response left behind
//	stale       AcceptSecurityContext(response)       SEC_I_COMPLETE_AND_CONTINUE, and CompleteAuthToken decides and challenges anew
//
// Reading order: credentials.go and context.go (what is kept), accept.go, complete.go, signature.go (the calls), then directive.go,
// response.go, digest.go (the text and the arithmetic of Digest). DigestServer wraps it all for one DIGEST-MD5 exchange.
package sspi

// Buffer types (sspi.h, SECBUFFER_*). The bits of SECBUFFER_ATTRMASK do not belong to the type.
const (
	SECBUFFER_VERSION          = 0
	SECBUFFER_DATA             = 1
	SECBUFFER_TOKEN            = 2
	SECBUFFER_PKG_PARAMS       = 3
	SECBUFFER_PADDING          = 9
	SECBUFFER_STREAM           = 10
	SECBUFFER_CHANNEL_BINDINGS = 14
	SECBUFFER_TARGET_HOST      = 16
	SECBUFFER_READONLY         = 0x80000000
	SECBUFFER_ATTRMASK         = 0xF0000000
)

// SecBuffer is one buffer of a call (sspi.h, SecBuffer). As output, its length is the room there is, and afterwards what was written.
type SecBuffer struct {
	Type   uint32
	Buffer []byte
}

// SecBufferDesc is the list of buffers of a call (sspi.h, SecBufferDesc with ulVersion SECBUFFER_VERSION). Nil is an empty list.
//
// Input of a response: TOKEN, the response without the word Digest; in HTTP mode three PKG_PARAMS follow: the method, the request's URI,
// and the hash of its body in hex (EntityHash), which only auth-int needs. CHANNEL_BINDINGS names the connection.
type SecBufferDesc struct {
	Buffers []SecBuffer
}

// find returns the n-th buffer of a type, counted from 0; nil when there is none.
func (d *SecBufferDesc) find(kind uint32, n int) *SecBuffer {
	if d == nil {
		return nil
	}
	for i := range d.Buffers {
		if d.Buffers[i].Type&^SECBUFFER_ATTRMASK != kind {
			continue
		}
		if n--; n < 0 {
			return &d.Buffers[i]
		}
	}
	return nil
}

// bytes returns the content of the n-th buffer of a type; nil when there is none.
func (d *SecBufferDesc) bytes(kind uint32, n int) []byte {
	if b := d.find(kind, n); b != nil {
		return b.Buffer
	}
	return nil
}

// put writes each text to a TOKEN buffer of its own, the first to the one numbered from. With allocate it makes the room itself,
// otherwise nothing is written unless all of them fit.
func (d *SecBufferDesc) put(from int, allocate bool, texts ...string) Status {
	for i, text := range texts {
		b := d.find(SECBUFFER_TOKEN, from+i)
		if b == nil || b.Type&SECBUFFER_READONLY != 0 || !allocate && len(b.Buffer) < len(text) {
			return SEC_E_BUFFER_TOO_SMALL
		}
	}
	for i, text := range texts {
		b := d.find(SECBUFFER_TOKEN, from+i)
		if allocate {
			b.Buffer = []byte(text)
		} else {
			b.Buffer = b.Buffer[:copy(b.Buffer, text)]
		}
	}
	return SEC_E_OK
}

// ContextReq is what the server asks of a context (sspi.h, ASC_REQ_*).
type ContextReq uint32

// The requirements. INTEGRITY, REPLAY_DETECT or SEQUENCE_DETECT offer qop auth-int, otherwise it is auth. CONFIDENTIALITY cannot be
// given: there are no ciphers. The other bits change nothing but ALLOCATE_MEMORY: output buffers are made by the package.
const (
	ASC_REQ_REPLAY_DETECT   ContextReq = 0x4
	ASC_REQ_SEQUENCE_DETECT ContextReq = 0x8
	ASC_REQ_CONFIDENTIALITY ContextReq = 0x10
	ASC_REQ_ALLOCATE_MEMORY ContextReq = 0x100
	ASC_REQ_CONNECTION      ContextReq = 0x800
	ASC_REQ_EXTENDED_ERROR  ContextReq = 0x8000
	ASC_REQ_INTEGRITY       ContextReq = 0x20000
	ASC_REQ_PROXY_BINDINGS  ContextReq = 0x4000000
)

// reqIntegrity offers auth-int; reqKnown are the bits that mean something to the package and can be had.
const (
	reqIntegrity = ASC_REQ_INTEGRITY | ASC_REQ_REPLAY_DETECT | ASC_REQ_SEQUENCE_DETECT
	reqKnown     = reqIntegrity | ASC_REQ_ALLOCATE_MEMORY | ASC_REQ_CONNECTION | ASC_REQ_EXTENDED_ERROR | ASC_REQ_PROXY_BINDINGS
)

// CredentialUse is what credentials are for (sspi.h, SECPKG_CRED_*).
type CredentialUse uint32

// The uses. The package is a server: only INBOUND can be had.
const (
	SECPKG_CRED_INBOUND  CredentialUse = 1
	SECPKG_CRED_OUTBOUND CredentialUse = 2
	SECPKG_CRED_BOTH     CredentialUse = 3
)

// Mode is which form of Digest credentials speak. sspi.h has the bit ASC_REQ_HTTP for it, whose number means something else as well.
type Mode int

// The modes.
const (
	HTTP Mode = iota + 1 // RFC 7616: MD5, MD5-sess, SHA-256
	SASL                 // RFC 2831: DIGEST-MD5
)

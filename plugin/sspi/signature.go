package sspi

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/subtle"
	"encoding/binary"
	"io"
)

// The integrity layer of SASL (RFC 2831, section 2.3): a packet is its length in four bytes, the message, and a signature.
const (
	// signatureSize is ten bytes of HMAC-MD5, the type 0001, and the sequence number in four bytes.
	signatureSize = 16
	macSize       = 10
	packetType    = 1
	// MaxPacket is the longest packet that the server takes, without its length (maxbuf; RFC 2831's default).
	MaxPacket = defaultMaxBuf
)

// layer is the state of the integrity layer; the zero value is no layer.
type layer struct {
	toClient, toServer []byte // Kis and Kic
	sent, received     uint32 // the next sequence numbers
	maxBuf             uint32 // of the client
}

// newLayer makes the keys (RFC 2831, section 2.3).
func newLayer(r *Response, key session) layer {
	if r.QOP != qopInt || key.raw == nil {
		return layer{}
	}
	derive := func(magic string) []byte {
		sum := md5.Sum(append(key.raw[:len(key.raw):len(key.raw)], magic...))
		return sum[:]
	}
	return layer{
		toClient: derive("Digest session key to server-to-client signing key magic constant"),
		toServer: derive("Digest session key to client-to-server signing key magic constant"),
		maxBuf:   r.MaxBuf,
	}
}

// signature returns the 16 bytes that follow a message.
func signature(key []byte, seq uint32, message []byte) []byte {
	mac := hmac.New(md5.New, key)
	var number [4]byte
	binary.BigEndian.PutUint32(number[:], seq)
	mac.Write(number[:])
	mac.Write(message)
	sig := mac.Sum(nil)[:macSize]
	sig = binary.BigEndian.AppendUint16(sig, packetType)
	return append(sig, number[:]...)
}

// MakeSignature signs a message to the client (sspi.h, MakeSignature; SASL with auth-int). message holds DATA, the message, and TOKEN,
// which takes the 16 bytes of the signature. qop and seq must be 0; the context counts by itself. The statuses besides SEC_E_OK:
// SEC_E_INVALID_HANDLE, SEC_E_UNSUPPORTED_FUNCTION (HTTP mode: there the client signs), SEC_E_QOP_NOT_SUPPORTED (no integrity was agreed,
// or qop or seq not 0), SEC_E_INVALID_TOKEN (no buffers), SEC_E_BUFFER_TOO_SMALL (the TOKEN, or the client takes no message so long).
func MakeSignature(h *CtxtHandle, qop uint32, message *SecBufferDesc, seq uint32) Status {
	if h == nil {
		return SEC_E_INVALID_HANDLE
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	data := message.find(SECBUFFER_DATA, 0)
	switch {
	case h.state != established:
		return SEC_E_INVALID_HANDLE
	case h.cred.auth.Mode == HTTP:
		return SEC_E_UNSUPPORTED_FUNCTION
	case h.layer.toClient == nil || qop != 0 || seq != 0:
		return SEC_E_QOP_NOT_SUPPORTED
	case data == nil || message.find(SECBUFFER_TOKEN, 0) == nil:
		return SEC_E_INVALID_TOKEN
	case uint64(len(data.Buffer))+signatureSize > uint64(h.layer.maxBuf):
		return SEC_E_BUFFER_TOO_SMALL
	}
	if s := message.put(0, h.allocate, string(signature(h.layer.toClient, h.layer.sent, data.Buffer))); s != SEC_E_OK {
		return s
	}
	h.layer.sent++
	return SEC_E_OK
}

// VerifySignature checks what the client has signed (sspi.h, VerifySignature). In SASL mode message holds DATA, the message, and TOKEN,
// its signature. In HTTP mode it holds the buffers of a later response, as for CompleteAuthToken, which it judges in the same way. seq
// must be 0. The statuses besides SEC_E_OK: SEC_E_INVALID_HANDLE, SEC_E_QOP_NOT_SUPPORTED (no integrity was agreed, or seq not 0),
// SEC_E_INVALID_TOKEN, SEC_E_MESSAGE_ALTERED, SEC_E_OUT_OF_SEQUENCE. After any of these the connection must be closed (RFC 4422, section
// 3.7); the count has not advanced.
func VerifySignature(h *CtxtHandle, message *SecBufferDesc, seq uint32) (s Status) {
	if h == nil {
		return SEC_E_INVALID_HANDLE
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.recovered(&s)
	data, sig := message.find(SECBUFFER_DATA, 0), message.find(SECBUFFER_TOKEN, 0)
	switch {
	case h.state != established:
		return SEC_E_INVALID_HANDLE
	case h.qop != qopInt || seq != 0:
		return SEC_E_QOP_NOT_SUPPORTED
	case h.cred.auth.Mode == HTTP:
		return h.later(message, true, -1)
	case data == nil || sig == nil || len(sig.Buffer) != signatureSize:
		return SEC_E_INVALID_TOKEN
	}
	number := binary.BigEndian.Uint32(sig.Buffer[signatureSize-4:])
	if subtle.ConstantTimeCompare(signature(h.layer.toServer, number, data.Buffer), sig.Buffer) != 1 {
		return SEC_E_MESSAGE_ALTERED
	}
	if number != h.layer.received {
		return SEC_E_OUT_OF_SEQUENCE
	}
	h.layer.received++
	return SEC_E_OK
}

// ReadPacket reads one packet of the integrity layer and returns buffers for VerifySignature. A length below that of a signature or over
// MaxPacket is SEC_E_INVALID_TOKEN; an end before the packet is io.EOF, within it io.ErrUnexpectedEOF. After any error the connection
// must be closed.
func ReadPacket(r io.Reader) (*SecBufferDesc, error) {
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(head[:])
	if n < signatureSize || n > MaxPacket {
		return nil, SEC_E_INVALID_TOKEN
	}
	packet := make([]byte, n)
	if _, err := io.ReadFull(r, packet); err != nil {
		return nil, io.ErrUnexpectedEOF
	}
	at := n - signatureSize
	return &SecBufferDesc{Buffers: []SecBuffer{{SECBUFFER_DATA, packet[:at:at]}, {SECBUFFER_TOKEN, packet[at:]}}}, nil
}

// AppendPacket appends a message and its signature as one packet of the integrity layer.
func AppendPacket(dst, message, signature []byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(message)+len(signature)))
	return append(append(dst, message...), signature...)
}

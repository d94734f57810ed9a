package sspi

import (
	"bytes"
	"crypto/hmac"
	"crypto/md5"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"io"
	"testing"
	"testing/iotest"
)

// signs is the client's side of the integrity layer, written without the package's.
func (c *client) signs(direction string, seq uint32, message string) []byte {
	ha1, err := hex.DecodeString(c.ha1())
	if err != nil {
		panic(err)
	}
	key := md5raw(string(ha1) + "Digest session key to " + direction + " signing key magic constant")
	mac := hmac.New(md5.New, []byte(key))
	number := binary.BigEndian.AppendUint32(nil, seq)
	mac.Write(number)
	mac.Write([]byte(message))
	return append(append(mac.Sum(nil)[:10], 0, 1), number...)
}

// layered is a SASL context with auth-int.
func layered(t *testing.T) (*server, *client) {
	t.Helper()
	s := serve(t, SASL, nil)
	s.req |= ASC_REQ_INTEGRITY
	c := s.answering(MD5)
	s.must("first", s.accept(c.request()), SEC_E_OK)
	return s, c
}

func packet(message string, sig []byte) *SecBufferDesc {
	return &SecBufferDesc{Buffers: []SecBuffer{{SECBUFFER_DATA, []byte(message)}, {SECBUFFER_TOKEN, sig}}}
}

func TestIntegrityLayer(t *testing.T) {
	s, c := layered(t)
	for seq, message := range []string{"first", "", "third"} {
		m := packet(message, nil)
		s.must("make", MakeSignature(s.h, 0, m, 0), SEC_E_OK)
		if want := c.signs("server-to-client", uint32(seq), message); !bytes.Equal(m.Buffers[1].Buffer, want) {
			t.Errorf("signature %x, want %x", m.Buffers[1].Buffer, want)
		}
		s.must("verify", VerifySignature(s.h, packet(message, c.signs("client-to-server", uint32(seq), message)), 0), SEC_E_OK)
	}
}

func TestIntegrityLayerRefuses(t *testing.T) {
	s, c := layered(t)
	s.must("verify", VerifySignature(s.h, packet("zero", c.signs("client-to-server", 0, "zero")), 0), SEC_E_OK)
	good := c.signs("client-to-server", 1, "hello")
	for i := range good {
		for bit := range 8 {
			sig := bytes.Clone(good)
			sig[i] ^= 1 << bit
			s.must("a bit flipped", VerifySignature(s.h, packet("hello", sig), 0), SEC_E_MESSAGE_ALTERED)
		}
	}
	for name, c := range map[string]struct {
		m    *SecBufferDesc
		seq  uint32
		want Status
	}{
		"another message":   {packet("hellp", good), 0, SEC_E_MESSAGE_ALTERED},
		"our own signature": {packet("hello", c.signs("server-to-client", 1, "hello")), 0, SEC_E_MESSAGE_ALTERED},
		"repeated":          {packet("zero", c.signs("client-to-server", 0, "zero")), 0, SEC_E_OUT_OF_SEQUENCE},
		"skipped":           {packet("hello", c.signs("client-to-server", 2, "hello")), 0, SEC_E_OUT_OF_SEQUENCE},
		"short":             {packet("hello", good[:15]), 0, SEC_E_INVALID_TOKEN},
		"long":              {packet("hello", append(bytes.Clone(good), 0)), 0, SEC_E_INVALID_TOKEN},
		"no signature":      {&SecBufferDesc{Buffers: []SecBuffer{{SECBUFFER_DATA, nil}}}, 0, SEC_E_INVALID_TOKEN},
		"no message":        {&SecBufferDesc{Buffers: []SecBuffer{{SECBUFFER_TOKEN, good}}}, 0, SEC_E_INVALID_TOKEN},
		"nothing":           {nil, 0, SEC_E_INVALID_TOKEN},
		"own count":         {packet("hello", good), 1, SEC_E_QOP_NOT_SUPPORTED},
	} {
		s.must(name, VerifySignature(s.h, c.m, c.seq), c.want)
	}
	s.must("the right one", VerifySignature(s.h, packet("hello", good), 0), SEC_E_OK)
	s.must("delete", DeleteSecurityContext(s.h), SEC_E_OK)
	s.must("deleted", VerifySignature(s.h, packet("hello", good), 0), SEC_E_INVALID_HANDLE)
	s.must("no handle", VerifySignature(nil, nil, 0), SEC_E_INVALID_HANDLE)
}

// A new authentication starts the layer's counts again.
func TestIntegrityLayerAfterSubsequent(t *testing.T) {
	s, c := layered(t)
	s.must("make", MakeSignature(s.h, 0, packet("x", nil), 0), SEC_E_OK)
	s.must("verify", VerifySignature(s.h, packet("x", c.signs("client-to-server", 0, "x")), 0), SEC_E_OK)
	c = c.next()
	s.must("later", s.after(c), SEC_E_OK)
	s.must("verify", VerifySignature(s.h, packet("x", c.signs("client-to-server", 0, "x")), 0), SEC_E_OK)
}

func TestMakeSignature(t *testing.T) {
	s, _ := layered(t)
	s.must("no handle", MakeSignature(nil, 0, nil, 0), SEC_E_INVALID_HANDLE)
	s.must("qop", MakeSignature(s.h, 1, packet("x", nil), 0), SEC_E_QOP_NOT_SUPPORTED)
	s.must("own count", MakeSignature(s.h, 0, packet("x", nil), 1), SEC_E_QOP_NOT_SUPPORTED)
	s.must("nothing", MakeSignature(s.h, 0, nil, 0), SEC_E_INVALID_TOKEN)
	s.must("no token", MakeSignature(s.h, 0, &SecBufferDesc{Buffers: []SecBuffer{{SECBUFFER_DATA, nil}}}, 0), SEC_E_INVALID_TOKEN)
	s.h.allocate = false
	s.must("small", MakeSignature(s.h, 0, packet("x", make([]byte, 15)), 0), SEC_E_BUFFER_TOO_SMALL)
	m := packet("x", make([]byte, 20))
	s.must("room", MakeSignature(s.h, 0, m, 0), SEC_E_OK)
	if len(m.Buffers[1].Buffer) != 16 {
		t.Errorf("%d bytes", len(m.Buffers[1].Buffer))
	}
	s.must("longer than the client takes", MakeSignature(s.h, 0, packet(string(make([]byte, 65536)), make([]byte, 16)), 0), SEC_E_BUFFER_TOO_SMALL)

	s, _ = loggedIn(t, SASL, MD5, nil)
	s.must("auth only", MakeSignature(s.h, 0, packet("x", nil), 0), SEC_E_QOP_NOT_SUPPORTED)
	s.must("auth only", VerifySignature(s.h, packet("x", make([]byte, 16)), 0), SEC_E_QOP_NOT_SUPPORTED)
	s, _ = loggedIn(t, HTTP, MD5, nil)
	s.must("HTTP", MakeSignature(s.h, 0, packet("x", nil), 0), SEC_E_UNSUPPORTED_FUNCTION)
	s.must("HTTP, auth only", VerifySignature(s.h, packet("x", nil), 0), SEC_E_QOP_NOT_SUPPORTED)
	s = serve(t, SASL, nil)
	s.answering(MD5)
	s.must("partial", MakeSignature(s.h, 0, packet("x", nil), 0), SEC_E_INVALID_HANDLE)
}

// The client's maxbuf bounds what the server sends.
func TestClientsMaxBuf(t *testing.T) {
	s := serve(t, SASL, nil)
	s.req |= ASC_REQ_INTEGRITY
	c := s.answering(MD5)
	c.extra = ",maxbuf=18"
	s.must("first", s.accept(c.request()), SEC_E_OK)
	s.must("2 bytes", MakeSignature(s.h, 0, packet("ab", nil), 0), SEC_E_OK)
	s.must("3 bytes", MakeSignature(s.h, 0, packet("abc", nil), 0), SEC_E_BUFFER_TOO_SMALL)
}

func TestVerifySignatureHTTP(t *testing.T) {
	s := serve(t, HTTP, nil)
	s.req |= ASC_REQ_INTEGRITY
	c := s.answering(SHA256)
	s.must("first", s.accept(c.request()), SEC_E_OK)
	c = c.next()
	c.body = "body"
	evil := c.next()
	s.must("skipped", VerifySignature(s.h, evil.request(), 0), SEC_E_OUT_OF_SEQUENCE)
	altered := buffers(c.token(), c.method, c.uri, string(EntityHash(SHA256, nil)))
	s.must("altered", VerifySignature(s.h, altered, 0), SEC_E_MESSAGE_ALTERED)
	s.must("junk", VerifySignature(s.h, buffers("junk", "GET", "/", ""), 0), SEC_E_INVALID_TOKEN)
	s.must("right", VerifySignature(s.h, c.request(), 0), SEC_E_OK)
	s.must("replay", VerifySignature(s.h, c.request(), 0), SEC_E_OUT_OF_SEQUENCE)
}

func TestPackets(t *testing.T) {
	s, c := layered(t)
	var wire []byte
	for seq, message := range []string{"one", "", "three"} {
		wire = AppendPacket(wire, []byte(message), c.signs("client-to-server", uint32(seq), message))
	}
	r := iotest.OneByteReader(bytes.NewReader(wire)) // split everywhere
	for _, message := range []string{"one", "", "three"} {
		m, err := ReadPacket(r)
		if err != nil || string(m.Buffers[0].Buffer) != message {
			t.Fatalf("%+v, %v; want %q", m, err, message)
		}
		s.must(message, VerifySignature(s.h, m, 0), SEC_E_OK)
	}
	if _, err := ReadPacket(r); !errors.Is(err, io.EOF) {
		t.Errorf("the end: %v", err)
	}
	for name, c := range map[string]struct {
		wire string
		want error
	}{
		"length 0":      {"\x00\x00\x00\x00", SEC_E_INVALID_TOKEN},
		"length 15":     {"\x00\x00\x00\x0f" + string(make([]byte, 15)), SEC_E_INVALID_TOKEN},
		"over maxbuf":   {"\x00\x01\x00\x01", SEC_E_INVALID_TOKEN},
		"huge":          {"\xff\xff\xff\xff", SEC_E_INVALID_TOKEN},
		"cut in length": {"\x00\x00", io.ErrUnexpectedEOF},
		"cut after it":  {"\x00\x00\x00\x10", io.ErrUnexpectedEOF},
		"cut":           {"\x00\x00\x00\x10abc", io.ErrUnexpectedEOF},
	} {
		if _, err := ReadPacket(bytes.NewReader([]byte(c.wire))); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

package client

import (
	"bytes"
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"fmt"
	"hash"
	"io"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/xdg-go/stringprep"
)

// The bounds of what a server may ask.
const (
	// minIterations is RFC 7677, section 4. Fewer would make the answer easy to guess for a far end that only pretends.
	minIterations = 4096
	// maxIterations is about a second of work, so that a hostile far end can't keep this machine busy.
	maxIterations = 1_000_000
	maxSalt       = 256  // bytes
	maxNonce      = 1024 // characters
	nonceBytes    = 24   // of ours, random
	maxMessage    = 4096 // of the server
)

// gs2Header says: no channel binding, no other identity (RFC 5802, section 7).
const gs2Header = "n,,"

// scramStep is what a scram expects next.
type scramStep int

const (
	scramStart scramStep = iota
	scramServerFirst
	scramServerFinal
	scramProved
	scramBroken
)

// scram is RFC 5802 and RFC 7677 without channel binding.
type scram struct {
	name      string
	hash      func() hash.Hash
	password  string // prepared
	nonce     string // ours
	bare      string // client-first-message-bare
	signature []byte // what the server must send
	step      scramStep
}

// scramHash returns the hash of a mechanism, nil for one that is not SCRAM.
func scramHash(name string) func() hash.Hash {
	switch name {
	case SCRAMSHA1:
		return sha1.New
	case SCRAMSHA256:
		return sha256.New
	case SCRAMSHA512:
		return sha512.New
	default:
		return nil
	}
}

func newSCRAM(name string, hash func() hash.Hash, c Credentials, random io.Reader) (*scram, error) {
	user, err := prepare("the name", []byte(c.User))
	if err != nil {
		return nil, err
	}
	password, err := prepare("the secret", c.Secret)
	if err != nil {
		return nil, err
	}
	if random == nil {
		random = rand.Reader
	}
	nonce := make([]byte, nonceBytes)
	if _, err := io.ReadFull(random, nonce); err != nil {
		return nil, fmt.Errorf("nonce: %w", err)
	}
	s := &scram{name: name, hash: hash, password: password, nonce: base64.StdEncoding.EncodeToString(nonce)}
	s.bare = "n=" + strings.NewReplacer("=", "=3D", ",", "=2C").Replace(user) + ",r=" + s.nonce
	return s, nil
}

// prepare is SASLprep (RFC 4013). The library's error names the character, which may be part of a secret.
func prepare(what string, text []byte) (string, error) {
	if !utf8.Valid(text) {
		return "", fmt.Errorf("%w: %s is not UTF-8", ErrCredentials, what)
	}
	prepared, err := stringprep.SASLprep.Prepare(string(text))
	if err != nil {
		return "", fmt.Errorf("%w: %s has a character that SCRAM does not allow (RFC 4013)", ErrCredentials, what)
	}
	if prepared == "" {
		return "", fmt.Errorf("%w: nothing is left of %s (RFC 4013)", ErrCredentials, what)
	}
	return prepared, nil
}

// Name implements Mechanism.
func (s *scram) Name() string { return s.name }

// Start implements Mechanism: the client-first-message.
func (s *scram) Start() ([]byte, error) {
	if s.step != scramStart {
		return nil, fmt.Errorf("%s: started twice", s.name)
	}
	s.step = scramServerFirst
	return []byte(gs2Header + s.bare), nil
}

// Next implements Mechanism: the client-final-message, and then the empty answer to the server's proof.
func (s *scram) Next(challenge []byte) ([]byte, error) {
	step := s.step
	s.step = scramBroken // unless all goes well
	if len(challenge) > maxMessage {
		return nil, s.violated("a message longer than %d bytes", maxMessage)
	}
	switch step {
	case scramServerFirst:
		final, err := s.final(string(challenge))
		if err == nil {
			s.step = scramServerFinal
		}
		return final, err
	case scramServerFinal:
		if err := s.verify(string(challenge)); err != nil {
			return nil, err
		}
		s.step = scramProved
		return []byte{}, nil
	default:
		return nil, s.violated("a challenge too many")
	}
}

// Finish implements Mechanism.
func (s *scram) Finish() error {
	if s.step != scramProved {
		return ErrImpostor
	}
	return nil
}

// final answers the server-first-message.
func (s *scram) final(serverFirst string) ([]byte, error) {
	nonce, salt, iterations, err := s.parseFirst(serverFirst)
	if err != nil {
		return nil, err
	}
	salted, err := pbkdf2.Key(s.hash, s.password, salt, iterations, s.hash().Size())
	if err != nil {
		return nil, fmt.Errorf("%s: %w", s.name, err)
	}
	defer clear(salted)
	s.password = ""
	withoutProof := "c=" + base64.StdEncoding.EncodeToString([]byte(gs2Header)) + ",r=" + nonce
	message := s.bare + "," + serverFirst + "," + withoutProof
	clientKey := s.mac(salted, "Client Key")
	defer clear(clientKey)
	stored := s.hash()
	stored.Write(clientKey)
	proof := s.mac(stored.Sum(nil), message)
	for i := range proof {
		proof[i] ^= clientKey[i]
	}
	s.signature = s.mac(s.mac(salted, "Server Key"), message)
	return []byte(withoutProof + ",p=" + base64.StdEncoding.EncodeToString(proof)), nil
}

// parseFirst takes the server-first-message apart: r, s and i in this order, then extensions, which are ignored (RFC 5802, section 7).
func (s *scram) parseFirst(message string) (nonce string, salt []byte, iterations int, err error) {
	if strings.HasPrefix(message, "m=") {
		return "", nil, 0, s.violated("an extension that this client must understand, and does not")
	}
	parts := strings.Split(message, ",")
	if len(parts) < 3 || !strings.HasPrefix(parts[0], "r=") || !strings.HasPrefix(parts[1], "s=") || !strings.HasPrefix(parts[2], "i=") {
		return "", nil, 0, s.violated("a first message without nonce, salt and count")
	}
	nonce = parts[0][2:]
	if !strings.HasPrefix(nonce, s.nonce) || len(nonce) == len(s.nonce) || len(nonce) > maxNonce || !printable(nonce) {
		return "", nil, 0, s.violated("a nonce that does not go on from ours")
	}
	salt, err = base64.StdEncoding.Strict().DecodeString(parts[1][2:])
	if err != nil || len(salt) == 0 || len(salt) > maxSalt {
		return "", nil, 0, s.violated("a salt that is not base64, empty or too long")
	}
	count := parts[2][2:]
	iterations, err = strconv.Atoi(count)
	if err != nil || count[0] < '1' || count[0] > '9' {
		return "", nil, 0, s.violated("an iteration count that is no number")
	}
	if iterations < minIterations || iterations > maxIterations {
		return "", nil, 0, s.violated("an iteration count of %d, where %d to %d are accepted", iterations, minIterations, maxIterations)
	}
	return nonce, salt, iterations, nil
}

// verify checks the server-final-message.
func (s *scram) verify(message string) error {
	value, _, _ := strings.Cut(message, ",")
	if text, ok := strings.CutPrefix(value, "e="); ok {
		return &RefusedError{What: "the login", Text: bounded(text)}
	}
	text, ok := strings.CutPrefix(value, "v=")
	if !ok {
		return s.violated("a last message without a signature")
	}
	signature, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || !hmac.Equal(signature, s.signature) {
		return ErrImpostor
	}
	return nil
}

func (s *scram) mac(key []byte, text string) []byte {
	m := hmac.New(s.hash, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}

func (s *scram) violated(format string, args ...any) error {
	return fmt.Errorf("%w: %s: "+format, append([]any{ErrProtocol, s.name}, args...)...)
}

// printable says whether text holds only the characters of a nonce (RFC 5802, section 7: printable).
func printable(text string) bool {
	return bytes.IndexFunc([]byte(text), func(r rune) bool { return r <= ' ' || r > '~' || r == ',' }) < 0
}

package users

import (
	"bytes"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"math/big"
	"strings"

	"golang.org/x/crypto/md4" //nolint:staticcheck // one-time passwords that are in use with it can still be checked
)

// Numbers of RFC 2289 and of new one-time passwords.
const (
	// OTPSize is the size of a one-time password in bytes.
	OTPSize = 8
	// OTPSequence is the sequence number that a user starts with.
	OTPSequence = 499
	// MaxOTPSequence is the largest sequence number.
	MaxOTPSequence = 9999

	minPassPhrase, maxPassPhrase = 10, 63 // bytes (RFC 2289, section 6.0 and appendix B)
	maxSeed                      = 16     // letters and digits (section 6.0)
	defaultOTP                   = "md5"
)

// What is wrong with what one-time passwords begin with.
var (
	ErrPassPhrase = fmt.Errorf("the pass phrase must have %d to %d bytes", minPassPhrase, maxPassPhrase)
	ErrSeed       = fmt.Errorf("the seed must be 1 to %d letters and digits", maxSeed)
	errAlgorithm  = errors.New("the algorithm of one-time passwords must be md5 or sha1")
)

// OTPStep computes the one-time password before value, which has OTPSize bytes: one hash, folded to 64 bits (RFC 2289, section 6.0 and
// appendix A). algorithm is "md4", "md5" or "sha1". A login is right when OTPStep of what the caller sent equals OTP.Last.
func OTPStep(algorithm string, value []byte) ([]byte, error) {
	switch algorithm {
	case "md4":
		h := md4.New()
		h.Write(value)
		return fold128(h.Sum(nil)), nil
	case "md5":
		sum := md5.Sum(value)
		return fold128(sum[:]), nil
	case "sha1":
		sum := sha1.Sum(value)
		return foldSHA1(sum), nil
	default:
		return nil, errAlgorithm
	}
}

// OTPStart computes the one-time password with number n of a pass phrase (RFC 2289, section 6.0): the seed in lower case and the pass
// phrase, hashed once and then n times more. Errors: ErrPassPhrase, ErrSeed, an unknown algorithm, n outside of 0 to MaxOTPSequence.
func OTPStart(algorithm, seed string, passPhrase []byte, n int) ([]byte, error) {
	if len(passPhrase) < minPassPhrase || len(passPhrase) > maxPassPhrase {
		return nil, ErrPassPhrase
	}
	if !ValidSeed(seed) {
		return nil, ErrSeed
	}
	if n < 0 || n > MaxOTPSequence {
		return nil, fmt.Errorf("the sequence number must be 0 to %d", MaxOTPSequence)
	}
	first := append([]byte(strings.ToLower(seed)), passPhrase...)
	defer clear(first)
	value, err := OTPStep(algorithm, first)
	for range n {
		if err != nil {
			break
		}
		value, err = OTPStep(algorithm, value)
	}
	return value, err
}

// ValidSeed says whether seed is 1 to 16 letters and digits (RFC 2289, section 6.0).
func ValidSeed(seed string) bool {
	return seed != "" && len(seed) <= maxSeed && !strings.ContainsFunc(seed, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z')
	})
}

// fold128 folds a hash of 128 bits.
func fold128(sum []byte) []byte {
	out := make([]byte, OTPSize)
	for i := range out {
		out[i] = sum[i] ^ sum[i+OTPSize]
	}
	return out
}

// foldSHA1 folds five words and writes the two that are left with the least significant byte first.
func foldSHA1(sum [sha1.Size]byte) []byte {
	word := func(i int) uint32 { return binary.BigEndian.Uint32(sum[4*i:]) }
	out := binary.LittleEndian.AppendUint32(make([]byte, 0, OTPSize), word(0)^word(2)^word(4))
	return binary.LittleEndian.AppendUint32(out, word(1)^word(3))
}

// newOTP sets up one-time passwords with a new seed.
func newOTP(algorithm string, passPhrase []byte) (*OTP, error) {
	if algorithm != "md5" && algorithm != "sha1" {
		return nil, errAlgorithm
	}
	seed, err := newSeed()
	if err != nil {
		return nil, err
	}
	last, err := OTPStart(algorithm, seed, passPhrase, OTPSequence)
	if err != nil {
		return nil, err
	}
	return &OTP{Algorithm: algorithm, Seed: seed, Sequence: OTPSequence, Last: last}, nil
}

// newSeed makes a seed as people can type it: two letters and five digits.
func newSeed() (string, error) {
	n, err := rand.Int(rand.Reader, big.NewInt(26*26*100_000))
	if err != nil {
		return "", fmt.Errorf("seed: %w", err)
	}
	v := n.Int64()
	return fmt.Sprintf("%c%c%05d", 'a'+v%26, 'a'+v/26%26, v/(26*26)), nil
}

// equal compares two states.
func (o OTP) equal(other OTP) bool {
	return o.Algorithm == other.Algorithm && o.Seed == other.Seed && o.Sequence == other.Sequence && bytes.Equal(o.Last, other.Last)
}

// check refuses a state that could not be read again.
func (o OTP) check() error {
	switch {
	case o.Algorithm != "md4" && o.Algorithm != "md5" && o.Algorithm != "sha1":
		return errAlgorithm
	case !ValidSeed(o.Seed):
		return ErrSeed
	case o.Sequence < 0 || o.Sequence > MaxOTPSequence:
		return fmt.Errorf("the sequence number must be 0 to %d", MaxOTPSequence)
	case len(o.Last) != OTPSize:
		return fmt.Errorf("a one-time password has %d bytes", OTPSize)
	}
	return nil
}

// ordinary says whether a chain looks like one that newOTP makes with the default algorithm, as those that are made up for unknown names
// do: two letters and five digits, and a number that only goes down.
func (o *OTP) ordinary() bool {
	if o.Algorithm != "md5" || o.Sequence > OTPSequence || len(o.Seed) != 7 {
		return false
	}
	for i, c := range []byte(o.Seed) {
		letter, number := c >= 'a' && c <= 'z', c >= '0' && c <= '9'
		if i < 2 && !letter || i >= 2 && !number {
			return false
		}
	}
	return true
}

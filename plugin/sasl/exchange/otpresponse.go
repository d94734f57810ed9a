package exchange

import (
	_ "embed" // the dictionary
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"

	"rashost/plugin/users"
)

// otpResponse is what a client answers (RFC 2243, sections 3 and 4).
type otpResponse struct {
	value []byte     // the one-time password, users.OTPSize bytes
	renew *users.OTP // the state to begin anew with; nil for none
}

// What is wrong with a response, for a log.
var (
	errOTPKind       = errors.New("the response is none of hex:, word:, init-hex: and init-word: with what belongs there")
	errOTPHex        = errors.New("the one-time password is not 16 hex digits")
	errOTPWords      = errors.New("the one-time password is not six words of the dictionary")
	errOTPParity     = errors.New("the two bits of parity in the six words are wrong")
	errOTPParameters = errors.New("the new parameters are not md5 or sha1, a number from 2 to 9999, and a seed of 1 to 16 letters and digits")
)

// parseOTP reads a response. Blanks are allowed anywhere in it, and any case.
func parseOTP(in string) (r otpResponse, err error) {
	parts := strings.Split(in, ":")
	for i := range parts {
		parts[i] = strings.Join(strings.Fields(parts[i]), " ")
	}
	kind, read := strings.ToLower(parts[0]), otpHex
	if strings.HasSuffix(kind, "word") {
		read = otpWords
	}
	switch {
	case (kind == "hex" || kind == "word") && len(parts) == 2:
		r.value, err = read(parts[1])
		return r, err
	case (kind == "init-hex" || kind == "init-word") && len(parts) == 4:
	default:
		return r, errOTPKind
	}
	if r.value, err = read(parts[1]); err != nil {
		return r, err
	}
	if r.renew, err = otpParameters(parts[2]); err != nil {
		return r, err
	}
	r.renew.Last, err = read(parts[3])
	return r, err
}

// otpParameters reads an algorithm, a number and a seed, such as "md5 499 ke1235".
func otpParameters(text string) (*users.OTP, error) {
	f := strings.Fields(text)
	if len(f) != 3 || len(f[1]) > 4 {
		return nil, errOTPParameters
	}
	n, err := strconv.ParseUint(f[1], 10, 16)
	algorithm := strings.ToLower(f[0])
	if err != nil || n < 2 || algorithm != "md5" && algorithm != "sha1" || !users.ValidSeed(f[2]) {
		return nil, errOTPParameters
	}
	return &users.OTP{Algorithm: algorithm, Sequence: int(n), Seed: f[2]}, nil
}

// otpHex reads 16 hex digits, with blanks between any of them (RFC 2289, section 6.0).
func otpHex(text string) ([]byte, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil || len(b) != users.OTPSize {
		return nil, errOTPHex
	}
	return b, nil
}

// otpDictionary is RFC 2289, appendix D: 571 words of up to three letters, then 1477 of four, each part sorted. A word's place is its 11 bits.
//
//go:embed otpwords.txt
var otpDictionary string

const (
	otpWordCount  = 2048
	otpShortWords = 571
)

// otpWords reads six words (RFC 2289, section 6.0): 11 bits each, 64 for the one-time password and two of parity.
func otpWords(text string) ([]byte, error) {
	words := strings.Fields(strings.ToUpper(text))
	if len(words) != 6 {
		return nil, errOTPWords
	}
	dictionary := strings.Fields(otpDictionary)
	var value, last uint64
	for i, word := range words {
		part, first := dictionary[:otpShortWords], 0
		if len(word) == 4 {
			part, first = dictionary[otpShortWords:], otpShortWords
		}
		at, ok := slices.BinarySearch(part, word)
		if !ok {
			return nil, errOTPWords
		}
		last = uint64(first + at)
		if i < 5 {
			value = value<<11 | last
		}
	}
	value = value<<9 | last>>2
	if otpParity(value) != last&3 {
		return nil, errOTPParity
	}
	return binary.BigEndian.AppendUint64(nil, value), nil
}

// otpParity adds up the pairs of bits and keeps two bits of the sum.
func otpParity(value uint64) (sum uint64) {
	for ; value != 0; value >>= 2 {
		sum += value & 3
	}
	return sum & 3
}

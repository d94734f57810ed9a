package exchange

import (
	_ "embed" // the dictionary
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"rashost/plugin/users"
)

// dictionary is that of RFC 2289, appendix D, in its order: 571 words of up to three letters, then 1477 of four, both sorted.
//
//go:embed otpwords.txt
var dictionary string

const shortWords = 571

// otpWords reads six words (RFC 2289, section 6.0 and appendix D): 11 bits each, 64 for the value and two of checksum.
func otpWords(text string) ([]byte, error) {
	words := strings.Fields(strings.ToUpper(text))
	if len(words) != 6 {
		return nil, errors.New("not six words")
	}
	all := strings.Fields(dictionary)
	var value uint64
	var last int
	for i, w := range words {
		part, from := all[:shortWords], 0
		if len(w) == 4 {
			part, from = all[shortWords:], shortWords
		}
		at, found := slices.BinarySearch(part, w)
		if !found {
			return nil, errors.New("a word that is not in the dictionary")
		}
		last = from + at
		if i < 5 {
			value = value<<11 | uint64(last)
		}
	}
	value = value<<9 | uint64(last)>>2
	if otpChecksum(value) != last&3 {
		return nil, errors.New("the checksum of the words is wrong")
	}
	return binary.BigEndian.AppendUint64(make([]byte, 0, users.OTPSize), value), nil
}

// otpChecksum adds up the pairs of bits.
func otpChecksum(value uint64) int {
	sum := uint64(0)
	for ; value != 0; value >>= 2 {
		sum += value & 3
	}
	return int(sum & 3)
}

package users

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"github.com/go-crypt/crypt"
	"github.com/go-crypt/crypt/algorithm"
	"github.com/go-crypt/crypt/algorithm/argon2"
	"github.com/go-crypt/crypt/algorithm/bcrypt"
	"github.com/go-crypt/crypt/algorithm/scrypt"
	"github.com/go-crypt/crypt/algorithm/shacrypt"
)

// The default hash: argon2id with 19 MiB, two passes, one lane.
const (
	defaultMemory = 19 << 10 // KiB
	defaultPasses = 2
	defaultLanes  = 1
)

// The most that a hash in the file may cost. A hash beyond is refused when the file is read, before anything is computed.
const (
	maxArgon2Memory = 256 << 10 // KiB
	maxArgon2Passes = 10
	maxArgon2Lanes  = 4
	maxBcryptCost   = 14
	minShaRounds    = 1000 // glibc computes with at least this many
	maxShaRounds    = 1_000_000
	maxYescryptMiB  = 256
	maxYescryptLogN = 18
)

// maxBcryptSecret is how many bytes of a secret bcrypt uses; every implementation ignores the rest.
const maxBcryptSecret = 72

// digest is a hash from the file, ready to be compared.
type digest interface{ MatchBytes(secret []byte) bool }

// parsed is what a hash text says.
type parsed struct {
	digest  digest
	kind    string // as `user list` names it
	current bool   // kind and cost are the default's
}

// kind is one accepted form of a hash.
type kind struct {
	name    string
	pattern *regexp.Regexp
	decode  algorithm.DecodeFunc
	check   func(fields []string) error // fields are the pattern's groups; nil means that nothing is to be checked
}

// hasher knows the accepted hashes and makes new ones.
type hasher struct {
	kinds  []kind
	argon2 *argon2.Hasher
}

// newHasher registers exactly the accepted algorithms.
func newHasher() (*hasher, error) {
	decoder := crypt.NewDecoder()
	for _, register := range []func(algorithm.DecoderRegister) error{
		argon2.RegisterDecoderArgon2id, bcrypt.RegisterDecoderStandard, scrypt.RegisterDecoderYescrypt,
		shacrypt.RegisterDecoderSHA256, shacrypt.RegisterDecoderSHA512,
	} {
		if err := register(decoder); err != nil {
			return nil, fmt.Errorf("hashes: %w", err)
		}
	}
	defaults, err := argon2.New(argon2.WithVariant(argon2.VariantID), argon2.WithM(defaultMemory), argon2.WithT(defaultPasses),
		argon2.WithP(defaultLanes), argon2.WithK(32), argon2.WithS(16))
	if err != nil {
		return nil, fmt.Errorf("hashes: %w", err)
	}
	const b64, crypt64 = `[A-Za-z0-9+/]`, `[./A-Za-z0-9]`
	return &hasher{argon2: defaults, kinds: []kind{
		{"argon2id", regexp.MustCompile(`^\$argon2id\$v=19\$m=(\d{1,10}),t=(\d{1,10}),p=(\d{1,10})\$(` + b64 + `{11,86})\$(` + b64 + `{22,86})$`),
			decoder.Decode, checkArgon2},
		{"bcrypt", regexp.MustCompile(`^\$2[aby]\$(\d\d)\$` + crypt64 + `{53}$`), decoder.Decode, checkBcrypt},
		{"yescrypt", regexp.MustCompile(`^\$y\$j(` + crypt64 + `)(` + crypt64 + `)\$` + crypt64 + `{1,86}\$` + crypt64 + `{43}$`),
			decoder.Decode, checkYescrypt},
		{"sha512crypt", regexp.MustCompile(`^\$6\$(?:rounds=(\d{1,10})\$)?[^$:\s]{1,16}\$` + crypt64 + `{86}$`), decoder.Decode, checkSha},
		{"sha256crypt", regexp.MustCompile(`^\$5\$(?:rounds=(\d{1,10})\$)?[^$:\s]{1,16}\$` + crypt64 + `{43}$`), decoder.Decode, checkSha},
	}}, nil
}

// parse reads a hash text and refuses what costs too much. Nothing is computed. The error never repeats the hash.
func (h *hasher) parse(text string) (parsed, error) {
	for _, k := range h.kinds {
		fields := k.pattern.FindStringSubmatch(text)
		if fields == nil {
			continue
		}
		if err := k.check(fields[1:]); err != nil {
			return parsed{}, fmt.Errorf("%s: %w", k.name, err)
		}
		d, err := k.decode(text)
		if err != nil {
			return parsed{}, fmt.Errorf("%s: the hash is damaged", k.name)
		}
		p := parsed{digest: d, kind: k.name, current: k.name == "argon2id" &&
			fields[1] == strconv.Itoa(defaultMemory) && fields[2] == strconv.Itoa(defaultPasses) && fields[3] == strconv.Itoa(defaultLanes)}
		if k.name == "bcrypt" {
			p.digest = bcryptDigest{d}
		}
		return p, nil
	}
	return parsed{}, errors.New("not a hash that is accepted: argon2id, bcrypt ($2a$ $2b$ $2y$), yescrypt ($y$), sha512crypt ($6$), sha256crypt ($5$)")
}

// make returns the default hash of secret.
func (h *hasher) make(secret []byte) (string, error) {
	d, err := h.argon2.Hash(string(secret))
	if err != nil {
		return "", fmt.Errorf("hash: %w", err)
	}
	return d.Encode(), nil
}

// bcryptDigest cuts the secret as bcrypt always has.
type bcryptDigest struct{ digest }

func (b bcryptDigest) MatchBytes(secret []byte) bool {
	return b.digest.MatchBytes(secret[:min(len(secret), maxBcryptSecret)])
}

// within checks one number of a hash.
func within(what, text string, least, most int) error {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return fmt.Errorf("%s is %s, allowed is %d to %d", what, text, least, most)
	}
	return nil
}

func checkArgon2(f []string) error {
	if err := within("m", f[0], 8*maxArgon2Lanes, maxArgon2Memory); err != nil {
		return err
	}
	if err := within("t", f[1], 1, maxArgon2Passes); err != nil {
		return err
	}
	return within("p", f[2], 1, maxArgon2Lanes)
}

func checkBcrypt(f []string) error { return within("cost", f[0], 4, maxBcryptCost) }

func checkSha(f []string) error {
	if f[0] == "" {
		return nil
	}
	return within("rounds", f[0], minShaRounds, maxShaRounds)
}

// checkYescrypt bounds N and the memory, 128 * r * N bytes (yescrypt's setting: log2(N)-1 and r-1, one character each).
func checkYescrypt(f []string) error {
	logN, r := crypt64Value(f[0][0])+1, crypt64Value(f[1][0])+1
	if logN > maxYescryptLogN || 128*r<<logN > maxYescryptMiB<<20 {
		return fmt.Errorf("N=2^%d r=%d, allowed are N up to 2^%d and %d MiB", logN, r, maxYescryptLogN, maxYescryptMiB)
	}
	return nil
}

// crypt64Value returns the value of a character in crypt's base 64.
func crypt64Value(c byte) int {
	switch {
	case c >= 'a':
		return int(c-'a') + 38
	case c >= 'A':
		return int(c-'A') + 12
	default:
		return int(c - '.') // '.', '/', '0' to '9'
	}
}

package users

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf8"
)

// Verifiers says what is kept of a user, or what a dialog needs of every user.
type Verifiers struct {
	// Hash is for plugin password, PLAIN and LOGIN.
	Hash bool
	// SCRAM holds mechanisms, such as "SCRAM-SHA-256".
	SCRAM []string
	// Digest is for HTTP Digest and DIGEST-MD5.
	Digest []DigestKind
	// Plain is for CRAM-MD5, which works only with the password itself.
	Plain bool
	// OTP is for one-time passwords. Their pass phrase should protect nothing else, so that File.StartOTP sets them up, and Add and
	// Passwd do so only where nothing else is asked for.
	OTP bool
}

// DigestKind says of which realm and by which algorithm ("MD5" or "SHA-256") a DigestKey is.
type DigestKind struct{ Realm, Algorithm string }

// Union returns what v or other has, in a fixed order.
func (v Verifiers) Union(other Verifiers) Verifiers {
	return Verifiers{
		Hash:   v.Hash || other.Hash,
		SCRAM:  sorted(slices.Concat(v.SCRAM, other.SCRAM), cmp.Compare),
		Digest: sorted(slices.Concat(v.Digest, other.Digest), compareKinds),
		Plain:  v.Plain || other.Plain,
		OTP:    v.OTP || other.OTP,
	}
}

// Without returns what v has and other has not.
func (v Verifiers) Without(other Verifiers) Verifiers {
	return Verifiers{
		Hash: v.Hash && !other.Hash,
		SCRAM: slices.DeleteFunc(slices.Clone(v.SCRAM), func(m string) bool {
			return slices.Contains(other.SCRAM, m)
		}),
		Digest: slices.DeleteFunc(slices.Clone(v.Digest), func(k DigestKind) bool {
			return slices.Contains(other.Digest, k)
		}),
		Plain: v.Plain && !other.Plain,
		OTP:   v.OTP && !other.OTP,
	}
}

// Empty says that v has nothing.
func (v Verifiers) Empty() bool { return !v.OTP && !v.fromPassword() }

// OnlyOTP says that v has one-time passwords and nothing else: then they are made from what is otherwise the password.
func (v Verifiers) OnlyOTP() bool { return v.OTP && !v.fromPassword() }

// Names returns a word for each verifier: "password", a SCRAM mechanism, `digest MD5 "REALM"`, "CRAM-MD5", "OTP".
func (v Verifiers) Names() []string {
	var names []string
	if v.Hash {
		names = append(names, "password")
	}
	names = append(names, v.SCRAM...)
	for _, k := range v.Digest {
		names = append(names, fmt.Sprintf("digest %s %q", k.Algorithm, k.Realm))
	}
	if v.Plain {
		names = append(names, "CRAM-MD5")
	}
	if v.OTP {
		names = append(names, "OTP")
	}
	return names
}

// fromPassword says that v has something that is made from the password.
func (v Verifiers) fromPassword() bool {
	return v.Hash || len(v.SCRAM) > 0 || len(v.Digest) > 0 || v.Plain
}

// Verifiers says what the account has.
func (a Account) Verifiers() Verifiers {
	v := Verifiers{Hash: a.Hash != "", Plain: a.Secret != "", OTP: a.OTP != nil}
	if len(a.SCRAM) > 0 {
		v.SCRAM = slices.Sorted(maps.Keys(a.SCRAM))
	}
	for _, k := range a.Digest {
		v.Digest = append(v.Digest, DigestKind{k.Realm, k.Algorithm})
	}
	v.Digest = sorted(v.Digest, compareKinds)
	return v
}

// set replaces everything that the account has by what v asks for, made from secret. What is not asked for goes: it would let the old
// password in. The one-time passwords stay, unless v asks for nothing else.
func (a *Account) set(h *hasher, secret []byte, v Verifiers) error {
	next := Account{Name: a.Name, Disabled: a.Disabled, OTP: a.OTP, Created: a.Created, Changed: a.Changed}
	var err error
	if v.Hash {
		if next.Hash, err = h.make(secret); err != nil {
			return err
		}
	}
	for _, mechanism := range v.SCRAM {
		keys, err := newSCRAMKeys(mechanism, secret)
		if err != nil {
			return err
		}
		if next.SCRAM == nil {
			next.SCRAM = map[string]SCRAMKeys{}
		}
		next.SCRAM[mechanism] = keys
	}
	for _, kind := range sorted(v.Digest, compareKinds) {
		key, err := DigestKeyFor(kind.Realm, kind.Algorithm, a.Name, secret)
		if err != nil {
			return err
		}
		next.Digest = append(next.Digest, key)
	}
	if v.Plain {
		if !utf8.Valid(secret) {
			return errors.New("the password is not UTF-8, and CRAM-MD5 would keep it as text")
		}
		next.Secret = string(secret)
	}
	if v.OnlyOTP() {
		if next.OTP, err = newOTP(defaultOTP, secret); err != nil {
			return err
		}
	}
	*a = next
	return nil
}

// sorted returns a sorted copy of list without repetitions, nil when empty.
func sorted[T comparable](list []T, compare func(a, b T) int) []T {
	list = slices.Clone(list)
	slices.SortFunc(list, compare)
	return slices.Compact(list)
}

func compareKinds(a, b DigestKind) int {
	return cmp.Or(cmp.Compare(a.Realm, b.Realm), cmp.Compare(a.Algorithm, b.Algorithm))
}

package users

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"

	"gopkg.in/yaml.v3"

	"rashost/plugin"
)

// maxFileSize is the largest user file that is read, in bytes: about 80,000 users with a hash each.
const maxFileSize = 16 << 20

// maxDigests is how many DigestKeys a user may have.
const maxDigests = 64

// parseUsers reads a user file strictly. The error holds every fault, one a line, each with its place. No fault repeats a hash, a key or
// a secret.
func parseUsers(data []byte, h *hasher) ([]Account, error) {
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	if err := decoder.Decode(&doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, errors.New("the file is empty; version: 1 is missing")
		}
		return nil, err
	}
	if err := decoder.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, errors.New("more than one YAML document")
	}
	p := &usersParser{hasher: h, seen: map[string]int{}}
	p.document(doc.Content[0])
	if p.faults != nil {
		return nil, errors.Join(p.faults...)
	}
	return p.users, nil
}

// usersParser walks the document and collects the faults.
type usersParser struct {
	hasher *hasher
	users  []Account
	seen   map[string]int // folded name -> line
	faults []error
}

// fault notes what is wrong at n.
func (p *usersParser) fault(n *yaml.Node, format string, args ...any) {
	p.faults = append(p.faults, fmt.Errorf("line %d: "+format, append([]any{n.Line}, args...)...))
}

// fields calls take for every key of a mapping, once each.
func (p *usersParser) fields(n *yaml.Node, what string, take func(key string, value *yaml.Node) bool) {
	if n.Kind != yaml.MappingNode {
		p.fault(n, "%s must be a mapping", what)
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case seen[key.Value]:
			p.fault(key, "%s: %s stands twice", what, strconv.Quote(clip(key.Value)))
		case value.Kind == yaml.AliasNode || value.Anchor != "":
			p.fault(value, "%s: anchors and aliases are not allowed", what)
		case key.Kind != yaml.ScalarNode || !take(key.Value, value):
			p.fault(key, "%s: unknown key %s", what, strconv.Quote(clip(key.Value)))
		}
		seen[key.Value] = true
	}
}

// list calls take for every element of a list. No value at all is an empty list.
func (p *usersParser) list(n *yaml.Node, what string, take func(element *yaml.Node)) {
	if n.Kind == yaml.ScalarNode && n.Tag == "!!null" {
		return
	}
	if n.Kind != yaml.SequenceNode {
		p.fault(n, "%s must be a list", what)
		return
	}
	for _, element := range n.Content {
		take(element)
	}
}

// scalar decodes one value.
func (p *usersParser) scalar(n *yaml.Node, what string, into any) {
	if n.Kind != yaml.ScalarNode || n.Decode(into) != nil {
		p.fault(n, "%s: wrong kind of value", what)
	}
}

// number decodes one number.
func (p *usersParser) number(n *yaml.Node, what string, into *int, least, most int) {
	before := len(p.faults)
	if p.scalar(n, what, into); len(p.faults) == before && (*into < least || *into > most) {
		p.fault(n, "%s is %d, allowed is %d to %d", what, *into, least, most)
	}
}

// binary decodes one value of least to most bytes, written as base64 or in hex.
func (p *usersParser) binary(n *yaml.Node, what string, decode func(string) ([]byte, error), into *[]byte, least, most int) {
	data, err := decode(n.Value)
	switch {
	case n.Kind != yaml.ScalarNode:
		p.fault(n, "%s: wrong kind of value", what)
	case err != nil:
		p.fault(n, "%s: %w", what, err)
	case len(data) < least || len(data) > most:
		p.fault(n, "%s has %d bytes, %s", what, len(data), sizeRule(least, most))
	default:
		*into = data
	}
}

func sizeRule(least, most int) string {
	if least == most {
		return fmt.Sprintf("it must have %d", least)
	}
	return fmt.Sprintf("allowed are %d to %d", least, most)
}

func fromBase64(text string) ([]byte, error) {
	data, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil || base64.StdEncoding.EncodeToString(data) != text { // the decoder skips line ends
		return nil, errors.New("not base64")
	}
	return data, nil
}

func fromHex(text string) ([]byte, error) {
	data, err := hex.DecodeString(text)
	if err != nil {
		return nil, errors.New("not hexadecimal")
	}
	return data, nil
}

func (p *usersParser) document(n *yaml.Node) {
	version := false
	p.fields(n, "the file", func(key string, value *yaml.Node) bool {
		switch key {
		case "version":
			version = true
			if value.Kind != yaml.ScalarNode || value.Value != strconv.Itoa(fileVersion) {
				p.fault(value, "version must be %d", fileVersion)
			}
		case "users":
			p.list(value, "users", p.entry)
		default:
			return false
		}
		return true
	})
	if !version {
		p.fault(n, "version: %d is missing", fileVersion)
	}
}

func (p *usersParser) entry(n *yaml.Node) {
	var u Account
	before := len(p.faults)
	p.fields(n, "user", func(key string, value *yaml.Node) bool { return p.userField(&u, key, value) })
	if n.Kind != yaml.MappingNode {
		return
	}
	switch first, twice := p.seen[Fold(u.Name)]; {
	case !plugin.ValidUserName(u.Name):
		p.fault(n, "name: %s is not allowed; %s", strconv.Quote(clip(u.Name)), nameRule)
	case twice:
		p.fault(n, "name: %s stands on line %d already (names compare without case)", strconv.Quote(u.Name), first)
	default:
		p.seen[Fold(u.Name)] = n.Line
	}
	if len(p.faults) > before {
		return
	}
	if u.Verifiers().Empty() {
		p.fault(n, "hash is missing, and scram, digest, secret and otp too: there is nothing to check the user by")
		return
	}
	p.users = append(p.users, u)
}

// userField takes one key of a user.
func (p *usersParser) userField(u *Account, key string, value *yaml.Node) bool {
	switch key {
	case "name":
		p.scalar(value, key, &u.Name)
	case "hash":
		p.scalar(value, key, &u.Hash)
		if _, err := p.hasher.parse(u.Hash); err != nil {
			p.fault(value, "hash: %w", err)
		}
	case "disabled":
		p.scalar(value, key, &u.Disabled)
	case "created":
		p.scalar(value, key, &u.Created)
	case "changed":
		p.scalar(value, key, &u.Changed)
	case "scram":
		p.scram(u, value)
	case "digest":
		p.list(value, key, func(n *yaml.Node) { p.digest(u, n) })
	case "secret":
		p.scalar(value, key, &u.Secret)
		if err := checkSecret([]byte(u.Secret)); err != nil {
			p.fault(value, "secret: %w", err)
		}
	case "otp":
		p.otp(u, value)
	default:
		return false
	}
	return true
}

func (p *usersParser) scram(u *Account, n *yaml.Node) {
	p.fields(n, "scram", func(mechanism string, keys *yaml.Node) bool {
		hash := scramHash(mechanism)
		if hash == nil {
			return false
		}
		var k SCRAMKeys
		size := hash().Size()
		p.fields(keys, mechanism, func(key string, value *yaml.Node) bool {
			switch key {
			case "iterations":
				p.number(value, key, &k.Iterations, minSCRAMIterations, maxSCRAMIterations)
			case "salt":
				p.binary(value, key, fromBase64, &k.Salt, minSCRAMSalt, maxSCRAMSalt)
			case "stored_key":
				p.binary(value, key, fromBase64, &k.StoredKey, size, size)
			case "server_key":
				p.binary(value, key, fromBase64, &k.ServerKey, size, size)
			default:
				return false
			}
			return true
		})
		p.complete(keys, mechanism, "iterations", "salt", "stored_key", "server_key")
		if u.SCRAM == nil {
			u.SCRAM = map[string]SCRAMKeys{}
		}
		u.SCRAM[mechanism] = k
		return true
	})
}

func (p *usersParser) digest(u *Account, n *yaml.Node) {
	var k DigestKey
	var ha1, second *yaml.Node
	p.fields(n, "digest", func(key string, value *yaml.Node) bool {
		switch key {
		case "realm":
			p.scalar(value, key, &k.Realm)
			if err := checkRealm(k.Realm); err != nil {
				p.fault(value, "realm: %w", err)
			}
		case "algorithm":
			p.scalar(value, key, &k.Algorithm)
		case "ha1":
			ha1 = value
		case "latin1":
			second = value
		default:
			return false
		}
		return true
	})
	p.complete(n, "digest", "realm", "algorithm", "ha1")
	hash := digestHash(k.Algorithm)
	if hash == nil || ha1 == nil {
		if ha1 != nil {
			p.fault(n, "digest: algorithm must be MD5 or SHA-256")
		}
		return
	}
	size := hash().Size()
	p.binary(ha1, "ha1", fromHex, &k.HA1, size, size)
	if second != nil {
		p.binary(second, "latin1", fromHex, &k.Latin1, size, size)
	}
	same := func(other DigestKey) bool { return other.Realm == k.Realm && other.Algorithm == k.Algorithm }
	switch {
	case slices.ContainsFunc(u.Digest, same):
		p.fault(n, "digest: %s of realm %s stands twice", k.Algorithm, strconv.Quote(clip(k.Realm)))
	case len(u.Digest) == maxDigests:
		p.fault(n, "digest: more than %d", maxDigests)
	default:
		u.Digest = append(u.Digest, k)
	}
}

func (p *usersParser) otp(u *Account, n *yaml.Node) {
	o := new(OTP)
	before := len(p.faults)
	p.fields(n, "otp", func(key string, value *yaml.Node) bool {
		switch key {
		case "algorithm":
			p.scalar(value, key, &o.Algorithm)
		case "seed":
			p.scalar(value, key, &o.Seed)
		case "sequence":
			p.number(value, key, &o.Sequence, 0, MaxOTPSequence)
		case "last":
			p.binary(value, key, fromHex, &o.Last, OTPSize, OTPSize)
		default:
			return false
		}
		return true
	})
	p.complete(n, "otp", "algorithm", "seed", "sequence", "last")
	if len(p.faults) > before {
		return
	}
	if err := o.check(); err != nil {
		p.fault(n, "otp: %w", err)
		return
	}
	u.OTP = o
}

// complete wants every one of keys in a mapping.
func (p *usersParser) complete(n *yaml.Node, what string, keys ...string) {
	if n.Kind != yaml.MappingNode {
		return // said already
	}
	for _, key := range keys {
		has := false
		for i := 0; i < len(n.Content); i += 2 {
			has = has || n.Content[i].Value == key
		}
		if !has {
			p.fault(n, "%s: %s is missing", what, key)
		}
	}
}

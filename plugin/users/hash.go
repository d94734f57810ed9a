package users

import (
	"context"
	"crypto/rand"
	"runtime"

	"golang.org/x/sync/semaphore"
)

// Hashes compares passwords with hashes and makes new ones: one hash per core at a time, first come first served. Dialogs that share
// one Hashes share that bound. All methods may be called from any goroutine.
type Hashes struct {
	hasher *hasher
	gate   *semaphore.Weighted
	nobody digest // compared where there is no hash
}

// NewHashes makes the hash that is compared for users who have none, which takes as long as one login.
func NewHashes() (*Hashes, error) {
	h, err := newHasher()
	if err != nil {
		return nil, err
	}
	text, err := h.make([]byte(rand.Text()))
	if err != nil {
		return nil, err
	}
	nobody, err := h.parse(text)
	if err != nil {
		return nil, err
	}
	return &Hashes{hasher: h, gate: semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0))), nobody: nobody.digest}, nil
}

// Check says whether secret belongs to hash, which is an Account's Hash, or "" for a user who is unknown, disabled or has none: that
// costs a default hash and gives false, as an empty secret does and one longer than MaxSecret. It waits for its turn; when ctx ends
// first, nothing is computed and ctx's error returned. The other error is that of a hash that can't be read.
func (h *Hashes) Check(ctx context.Context, hash string, secret []byte) (bool, error) {
	against, usable := h.nobody, false
	var fault error
	if hash != "" && checkSecret(secret) == nil {
		p, err := h.hasher.parse(hash)
		if err == nil {
			against, usable = p.digest, true
		}
		fault = err
	}
	if err := h.gate.Acquire(ctx, 1); err != nil {
		return false, err
	}
	defer h.gate.Release(1)
	matched := against.MatchBytes(secret)
	return matched && usable, fault
}

// Renew returns the default hash of secret, which has just been checked against hash, and "" when hash is of that kind and cost
// already. It waits for its turn as Check does.
func (h *Hashes) Renew(ctx context.Context, hash string, secret []byte) (string, error) {
	p, err := h.hasher.parse(hash)
	if err != nil || p.current {
		return "", err
	}
	if err := h.gate.Acquire(ctx, 1); err != nil {
		return "", err
	}
	defer h.gate.Release(1)
	return h.hasher.make(secret)
}

// Kind names the kind of a hash: argon2id, bcrypt, yescrypt, sha512crypt, sha256crypt, or "" for one that is not accepted.
func (h *Hashes) Kind(hash string) string {
	p, err := h.hasher.parse(hash)
	if err != nil {
		return ""
	}
	return p.kind
}

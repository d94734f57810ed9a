package users

import (
	"context"
	"log/slog"
)

// Renewer makes hashes of the default kind and cost; it is *Hashes.
type Renewer interface {
	// Renew returns a new hash of secret, "" when the old one is as new ones are.
	Renew(ctx context.Context, hash string, secret []byte) (string, error)
	Kind(hash string) string
}

// HashStore keeps them; it is *Store.
type HashStore interface {
	UpdateHash(ctx context.Context, name, old, next string) error
}

// Rehash gives a user who has just logged in with secret a hash of the default kind and cost, if it is another one. A failure is only
// logged: the user is who the user is.
func Rehash(ctx context.Context, s HashStore, r Renewer, a Account, secret []byte, log *slog.Logger) {
	next, err := r.Renew(ctx, a.Hash, secret)
	if err == nil && next == "" {
		return
	}
	if err == nil {
		err = s.UpdateHash(ctx, a.Name, a.Hash, next)
	}
	kind := r.Kind(a.Hash)
	if err != nil {
		log.Warn("password not rehashed", "user", a.Name, "kind", kind, "error", err)
		return
	}
	log.Info("password rehashed", "user", a.Name, "from", kind)
}

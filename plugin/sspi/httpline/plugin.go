// Package httpline is the built-in plugin for devices with an HTTP client: it speaks HTTP/1.1 on the line and lets in whoever logs in by
// HTTP Digest. The first right response is sent on to /connect; the request there, on the same nonce, is what lets the caller in.
// Nothing after that request is read: it belongs to the service.
//
// All judging is package sspi's. Unknown, disabled and locked-out users meet the same replies and the same work as a wrong password.
package httpline

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"rashost/plugin"
	"rashost/plugin/sspi"
	"rashost/plugin/users"
)

// Limits and defaults of the dialog.
const (
	defaultRealm    = "rashost"
	defaultAttempts = 3
	maxAttempts     = 100
	maxBanner       = 4096 // bytes
)

// Options are the plugin's own settings, `dialogs.NAME.options`.
type Options struct {
	// File is the user file, relative to the configuration file. Required. If it is missing, nobody can log in.
	File string `yaml:"file"`
	// Realm is what the users' keys are made for; "" means "rashost". Printable, no quotes or backslashes, at most 255 bytes.
	Realm string `yaml:"realm"`
	// Algorithms are those on offer, the preferred one first: SHA-256, MD5, MD5-sess. Nil means SHA-256 alone.
	Algorithms []string `yaml:"algorithms"`
	// QOP is auth or auth-int, which signs the body too; "" means auth.
	QOP string `yaml:"qop"`
	// NonceLifetime is how long a nonce may be used, at most 5m; 0 means that.
	NonceLifetime time.Duration `yaml:"nonce_lifetime"`
}

// Plugin is the plugin of one dialog.
type Plugin struct {
	log      *slog.Logger
	options  Options
	require  sspi.ContextReq
	body     string // of a challenge
	attempts int

	users   accounts
	slow    *users.Attempts
	lockout *users.Lockout // nil: off
	random  io.Reader      // nil: crypto/rand
}

// accounts are the users. *users.Store is one.
type accounts interface {
	sspi.Accounts
	// Known says whether there is such a user.
	Known(name string) bool
}

// New is a plugin.Factory.
func New(s plugin.Setup) (plugin.Plugin, error) { return NewFactory(users.NewAttempts(0, nil))(s) }

// NewFactory returns a plugin.Factory whose plugins count the failures of a name in attempts, over all of them.
func NewFactory(attempts *users.Attempts) plugin.Factory {
	return func(s plugin.Setup) (plugin.Plugin, error) {
		p, err := newPlugin(s, attempts)
		if err != nil {
			return nil, fmt.Errorf("sspi: %w", err) // not p: a nil *Plugin in a Plugin is not nil
		}
		return p, nil
	}
}

// newPlugin checks the settings and reads the files.
func newPlugin(s plugin.Setup, attempts *users.Attempts) (*Plugin, error) {
	o, err := options(s.Decode)
	if err != nil {
		return nil, err
	}
	p := &Plugin{log: s.Log, options: o, attempts: s.Attempts, slow: attempts, require: sspi.ASC_REQ_ALLOCATE_MEMORY}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.log = p.log.With("dialog", s.Dialog, "plugin", "sspi")
	if o.QOP == "auth-int" {
		p.require |= sspi.ASC_REQ_INTEGRITY
	}
	if err := p.settings(s); err != nil {
		return nil, err
	}
	if err := p.open(s); err != nil {
		return nil, err
	}
	return p, nil
}

// Needs reads the options and says which user file they name, as it stands there, and what must be kept of each user.
func Needs(decode func(into any) error) (file string, v users.Verifiers, err error) {
	o, err := options(decode)
	if err != nil {
		return "", users.Verifiers{}, fmt.Errorf("sspi: %w", err)
	}
	for _, name := range o.Algorithms {
		kind := users.DigestKind{Realm: o.Realm, Algorithm: strings.TrimSuffix(name, "-sess")}
		if !slices.Contains(v.Digest, kind) {
			v.Digest = append(v.Digest, kind)
		}
	}
	return o.File, v, nil
}

// options reads and checks the options and fills in the defaults.
func options(decode func(into any) error) (Options, error) {
	var o Options
	if decode != nil {
		if err := decode(&o); err != nil {
			return Options{}, fmt.Errorf("options: %w", err)
		}
	}
	if o.Realm == "" {
		o.Realm = defaultRealm
	}
	if o.QOP == "" {
		o.QOP = "auth"
	}
	if o.Algorithms == nil {
		o.Algorithms = []string{sspi.SHA256}
	}
	if o.NonceLifetime == 0 {
		o.NonceLifetime = sspi.MaxNonceLifetime
	}
	known := []string{sspi.SHA256, sspi.MD5, sspi.MD5Sess}
	for i, name := range o.Algorithms {
		if !slices.Contains(known, name) {
			return Options{}, fmt.Errorf("options: algorithms: %q is not one of %s", name, strings.Join(known, ", "))
		}
		if slices.Contains(o.Algorithms[:i], name) {
			return Options{}, fmt.Errorf("options: algorithms: %s stands there twice", name)
		}
	}
	switch {
	case o.File == "":
		return Options{}, errors.New("options: file is missing: name the user file, for instance users.yaml")
	case !sspi.ValidRealm(o.Realm) || strings.ContainsAny(o.Realm, `"\`) || strings.Contains(o.Realm, "+++"):
		return Options{}, errors.New("options: realm must be printable, at most 255 bytes, without quotes, backslashes and +++")
	case len(o.Algorithms) == 0:
		return Options{}, fmt.Errorf("options: algorithms is empty: name at least one of %s", strings.Join(known, ", "))
	case o.QOP != "auth" && o.QOP != "auth-int":
		return Options{}, fmt.Errorf("options: qop is %q, allowed is auth or auth-int", o.QOP)
	case o.NonceLifetime < time.Second || o.NonceLifetime > sspi.MaxNonceLifetime:
		return Options{}, fmt.Errorf("options: nonce_lifetime is %v, allowed is 1s to %v", o.NonceLifetime, sspi.MaxNonceLifetime)
	}
	return o, nil
}

// settings checks what every dialog has.
func (p *Plugin) settings(s plugin.Setup) error {
	if p.attempts == 0 {
		p.attempts = defaultAttempts
	}
	switch {
	case p.attempts < 0 || p.attempts > maxAttempts:
		return fmt.Errorf("attempts is %d, allowed is 1 to %d", p.attempts, maxAttempts)
	case s.LockoutDenials < 0 || s.LockoutReset < 0:
		return errors.New("lockout: denials and reset must not be negative")
	case len(s.Banner) > maxBanner:
		return fmt.Errorf("banner is longer than %d bytes", maxBanner)
	case strings.Contains(s.Banner, "+++"):
		return errors.New("banner contains +++, which the caller's modem may take as its escape")
	case strings.ContainsFunc(s.Banner, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f }):
		return errors.New("banner contains a control character")
	}
	p.body = textChallenge
	if s.Banner != "" {
		p.body = s.Banner + "\n" + p.body
	}
	weak := func(name string) bool { return strings.HasPrefix(name, sspi.MD5) }
	if s.Warn != nil && slices.ContainsFunc(p.options.Algorithms, weak) {
		s.Warn("algorithms: MD5 is weak; offer it only for devices that know nothing else")
	}
	return nil
}

// open reads the user file and the lock-out state.
func (p *Plugin) open(s plugin.Setup) error {
	path := p.options.File
	if s.Resolve != nil {
		path = s.Resolve(path)
	}
	store, err := users.OpenStore(path, p.log)
	if err != nil {
		return err
	}
	p.users = store
	if s.LockoutDenials > 0 {
		reset := time.Duration(s.LockoutReset) * time.Second
		p.lockout, err = users.OpenLockout(users.LockoutPath(s.StateDir, s.Dialog), s.LockoutDenials, reset, p.log)
	}
	return err
}

// SecurityDialogBegin starts the dialog (rasshost.h, RasSecurityDialogBegin).
func (p *Plugin) SecurityDialogBegin(b plugin.Begin) plugin.Code {
	if !b.Host.Go(b.HPort, func(ctx context.Context) { p.converse(ctx, b) }) {
		return plugin.ErrorInvalidPortHandle
	}
	return plugin.NoError
}

// SecurityDialogEnd has nothing to clean up: the worker's context has ended or ends now (rasshost.h, RasSecurityDialogEnd).
func (p *Plugin) SecurityDialogEnd(plugin.HPORT) plugin.Code { return plugin.ErrorPortDisconnected }

// KnownUser says whether the name is in the user file. A record may show such a name.
func (p *Plugin) KnownUser(name string) bool { return p.users.Known(name) }

// Package sasl is the built-in plugin that lets a caller log in by a SASL mechanism. What is spoken on the line is POP3's AUTH (RFC 5034)
// or SMTP's (RFC 4954), so that stock mail clients, small devices and a person at a terminal can all do it: one state machine
// (table.go) with two renderings (reply.go). The mechanisms themselves are package exchange.
//
// After the answer to a successful login nothing more is read: the line belongs to the service.
package sasl

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"rashost/plugin"
	"rashost/plugin/sasl/exchange"
	"rashost/plugin/users"
)

// accounts is where users are looked up; it is *users.Store.
type accounts interface {
	exchange.Accounts
	Known(name string) bool
}

// attemptLog counts failures and says how long the answer to the next try waits; it is *users.Attempts.
type attemptLog interface {
	Failed(name, line string)
	Succeeded(name, line string)
	Delay(name, line string) time.Duration
}

// lockout judges the outcome of a try; it is *users.Lockout.
type lockout interface {
	Judge(name, line string, matched bool) bool
}

// Plugin is the sasl plugin of one dialog.
type Plugin struct {
	log      *slog.Logger
	options  Options
	wire     *rendering // of the greeting
	greeting string     // without "+OK " or "220 "
	attempts int
	timeout  time.Duration // of the whole dialog, 0 when unknown

	users      accounts
	attemptLog attemptLog
	lockout    lockout // nil: off
	// newExchange makes what negotiates one login on a line, service being "pop" or "smtp". allowed is exchange.Config's.
	newExchange func(call plugin.Call, service string, allowed func() bool) (exchanger, error)
}

// Needs says for `rashost user` which user file the options name and what the mechanisms need of every user. Error: options that New
// would refuse.
func Needs(decode func(into any) error) (file string, v users.Verifiers, err error) {
	o, err := decodeOptions(decode)
	if err != nil {
		return "", users.Verifiers{}, err
	}
	return o.File, o.verifiers(), nil
}

// New makes the plugin of one dialog; it is a plugin.Factory. Where several dialogs check passwords, NewFactory keeps the number of
// hashes bounded over all of them.
func New(s plugin.Setup) (plugin.Plugin, error) {
	return NewFactory(users.NewHashes, users.NewAttempts(0, nil))(s)
}

// NewFactory returns a plugin.Factory whose plugins compute their hashes with what shared returns, which it asks for when the first is
// made: with one *users.Hashes for all plugins, they compute at most one hash per core at a time together. Failures of a name count in
// attempts, over all of them.
func NewFactory(shared func() (*users.Hashes, error), attempts *users.Attempts) plugin.Factory {
	return func(s plugin.Setup) (plugin.Plugin, error) {
		p, err := newPlugin(s, shared, attempts)
		if err != nil {
			return nil, err // not p: a nil *Plugin in a Plugin is not nil
		}
		return p, nil
	}
}

// newPlugin checks the settings and reads the files. hashes is asked only when a mechanism needs them.
func newPlugin(s plugin.Setup, hashes func() (*users.Hashes, error), attempts attemptLog) (*Plugin, error) {
	p := &Plugin{log: s.Log, attempts: s.Attempts, timeout: time.Duration(s.Timeout) * time.Second, attemptLog: attempts}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.log = p.log.With("dialog", s.Dialog, "plugin", "sasl")
	var err error
	if p.options, err = decodeOptions(s.Decode); err != nil {
		return nil, err
	}
	if err := p.settings(s); err != nil {
		return nil, err
	}
	if s.Warn != nil {
		p.options.warn(s.Warn)
	}
	return p, p.open(s, hashes)
}

// settings takes over what stands outside the options.
func (p *Plugin) settings(s plugin.Setup) error {
	if p.attempts == 0 {
		p.attempts = defaultAttempts
	}
	if p.attempts < 0 || p.attempts > maxAttempts {
		return fault("attempts is %d, allowed is 1 to %d", s.Attempts, maxAttempts)
	}
	if s.LockoutDenials < 0 || s.LockoutReset < 0 {
		return fault("lockout: denials and reset must not be negative")
	}
	if err := checkGreeting(s.Banner); err != nil {
		return fault("banner: %w", err)
	}
	p.wire, p.greeting = pop3, "POP3 "+p.options.Hostname
	if p.options.Profile == profileSMTP {
		p.wire, p.greeting = smtp, p.options.Hostname+" ESMTP"
	}
	if s.Banner != "" {
		p.greeting += " " + s.Banner
	}
	return nil
}

// open reads the user file and the lock-out state. It writes nothing: `rashost check` makes plugins too.
func (p *Plugin) open(s plugin.Setup, hashes func() (*users.Hashes, error)) error {
	path := p.options.File
	if s.Resolve != nil {
		path = s.Resolve(path)
	}
	store, err := users.OpenStore(path, p.log)
	if err != nil {
		return fault("%w", err)
	}
	p.users = store
	if s.LockoutDenials > 0 {
		reset := time.Duration(s.LockoutReset) * time.Second
		l, err := users.OpenLockout(users.LockoutPath(s.StateDir, s.Dialog), s.LockoutDenials, reset, p.log)
		if err != nil {
			return fault("%w", err)
		}
		p.lockout = l
	}
	config := exchange.Config{Accounts: store, Mechanisms: p.options.Mechanisms, Realm: p.options.Realm, Hosts: p.options.Hosts, Log: p.log}
	if p.options.verifiers().Hash {
		h, err := hashes()
		if err != nil {
			return fault("%w", err)
		}
		config.Passwords = h
		config.Rehash = func(ctx context.Context, a users.Account, secret []byte) {
			users.Rehash(ctx, store, h, a, secret, p.log)
		}
	}
	fake := fakeKey{dir: s.StateDir}
	p.newExchange = func(call plugin.Call, service string, allowed func() bool) (exchanger, error) {
		c := config
		var err error
		if c.FakeKey, err = fake.get(); err != nil {
			return nil, err
		}
		c.Service, c.CallerID, c.Trusted, c.Allowed = service, call.CallerID, call.Trusted, allowed
		return exchange.New(c), nil
	}
	return nil
}

// fakeKey is the key for unknown users of users.FakeKey, which the first login makes.
type fakeKey struct {
	dir string
	mu  sync.Mutex
	key []byte
}

// get returns the key. What failed is tried again at the next login.
func (f *fakeKey) get() ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.key != nil {
		return f.key, nil
	}
	key, err := users.FakeKey(f.dir)
	if err == nil {
		f.key = key
	}
	return key, err
}

// SecurityDialogBegin starts the conversation (rasshost.h, RasSecurityDialogBegin).
func (p *Plugin) SecurityDialogBegin(b plugin.Begin) plugin.Code {
	if !b.Host.Go(b.HPort, func(ctx context.Context) { p.converse(ctx, b) }) {
		return plugin.ErrorInvalidPortHandle
	}
	return plugin.NoError
}

// SecurityDialogEnd has nothing to clean up: the worker's context has ended or ends now (rasshost.h, RasSecurityDialogEnd).
func (p *Plugin) SecurityDialogEnd(plugin.HPORT) plugin.Code { return plugin.ErrorPortDisconnected }

// KnownUser says whether the name is in the user file. A record may show such a name; any other may have been a password.
func (p *Plugin) KnownUser(name string) bool { return p.users.Known(name) }

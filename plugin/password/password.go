// Package password is the built-in plugin that asks a caller for a name and a password and compares them with a user file.
//
// Unknown, disabled and ill-formed names meet the same text and the same work as a wrong password. At most one hash per core is
// computed at a time, first come first served, over all dialogs of one factory.
package password

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"golang.org/x/sync/semaphore"

	"rashost/plugin"
)

// Limits and defaults of the dialog.
const (
	defaultAttempts = 3
	maxAttempts     = 100
	maxPrompt       = 256  // bytes
	maxBanner       = 4096 // bytes
)

// Options are the plugin's own settings, `dialogs.NAME.options`.
type Options struct {
	// File is the user file, relative to the configuration file. Required. If it is missing, nobody can log in.
	File string `yaml:"file"`
	// Login and Password are the prompts; "" means "login: " and "Password: ".
	Login    string `yaml:"login"`
	Password string `yaml:"password"`
}

// Plugin is the password plugin of one dialog.
type Plugin struct {
	log      *slog.Logger
	options  Options
	banner   string
	attempts int
	timeout  time.Duration // of the whole dialog, 0 when unknown

	users   *store
	file    *File
	hashes  *hashes
	gate    *semaphore.Weighted
	nobody  digest   // compared for names that have no hash
	lockout *lockout // nil: off
}

// New makes the plugin of one dialog; it is a plugin.Factory. Where several dialogs use the plugin, NewFactory keeps the number of
// hashes bounded over all of them.
func New(s plugin.Setup) (plugin.Plugin, error) { return NewFactory()(s) }

// NewFactory returns a plugin.Factory whose plugins together compute at most one hash per core at a time.
func NewFactory() plugin.Factory {
	gate := semaphore.NewWeighted(int64(runtime.GOMAXPROCS(0)))
	return func(s plugin.Setup) (plugin.Plugin, error) {
		h, err := newHashes()
		if err != nil {
			return nil, err
		}
		p, err := newPlugin(s, gate, h)
		if err != nil {
			return nil, err // not p: a nil *Plugin in a Plugin is not nil
		}
		return p, nil
	}
}

// newPlugin checks the settings and reads the files.
func newPlugin(s plugin.Setup, gate *semaphore.Weighted, h *hashes) (*Plugin, error) {
	p := &Plugin{
		log: s.Log, gate: gate, hashes: h, attempts: s.Attempts, banner: s.Banner, timeout: time.Duration(s.Timeout) * time.Second,
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	p.log = p.log.With("dialog", s.Dialog, "plugin", "password")
	if s.Decode != nil {
		if err := s.Decode(&p.options); err != nil {
			return nil, fmt.Errorf("password: options: %w", err)
		}
	}
	if err := p.settings(s); err != nil {
		return nil, fmt.Errorf("password: %w", err)
	}
	path := p.options.File
	if s.Resolve != nil {
		path = s.Resolve(path)
	}
	if err := p.open(path, s); err != nil {
		return nil, fmt.Errorf("password: %w", err)
	}
	return p, nil
}

// settings checks the numbers and texts and fills in the defaults.
func (p *Plugin) settings(s plugin.Setup) error {
	if p.options.File == "" {
		return errors.New("options: file is missing: name the user file, for instance users.yaml")
	}
	if p.attempts == 0 {
		p.attempts = defaultAttempts
	}
	if p.attempts < 0 || p.attempts > maxAttempts {
		return fmt.Errorf("attempts is %d, allowed is 1 to %d", p.attempts, maxAttempts)
	}
	if s.LockoutDenials < 0 || s.LockoutReset < 0 {
		return errors.New("lockout: denials and reset must not be negative")
	}
	if p.options.Login == "" {
		p.options.Login = "login: "
	}
	if p.options.Password == "" {
		p.options.Password = "Password: "
	}
	return errors.Join(
		checkText("banner", p.banner, maxBanner),
		checkText("options: login", p.options.Login, maxPrompt),
		checkText("options: password", p.options.Password, maxPrompt),
	)
}

// checkText refuses what a caller's modem or terminal would take as a command.
func checkText(what, text string, most int) error {
	if len(text) > most {
		return fmt.Errorf("%s is longer than %d bytes", what, most)
	}
	if strings.Contains(text, "+++") {
		return fmt.Errorf("%s contains +++, which the caller's modem may take as its escape", what)
	}
	if strings.ContainsFunc(text, func(r rune) bool { return r < ' ' && r != '\n' && r != '\r' && r != '\t' || r == 0x7f }) {
		return fmt.Errorf("%s contains a control character", what)
	}
	return nil
}

// open reads the user file and the lock-out state and makes the hash for names that have none.
func (p *Plugin) open(path string, s plugin.Setup) error {
	var err error
	p.file = &File{path: path, hashes: p.hashes}
	if p.users, err = openStore(path, p.hashes, p.log); err != nil {
		return err
	}
	if s.LockoutDenials > 0 {
		reset := time.Duration(s.LockoutReset) * time.Second
		if reset == 0 {
			reset = defaultReset
		}
		if p.lockout, err = openLockout(LockoutPath(s.StateDir, s.Dialog), s.LockoutDenials, reset, p.log); err != nil {
			return err
		}
	}
	hash, err := p.hashes.make([]byte(rand.Text()))
	if err != nil {
		return err
	}
	parsed, err := p.hashes.parse(hash)
	p.nobody = parsed.digest
	return err
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

// KnownUser says whether the name is in the user file. A record may show such a name; any other may have been a password typed at
// the wrong prompt.
func (p *Plugin) KnownUser(name string) bool {
	_, ok := p.users.known(name)
	return ok
}

// check compares a name and a password and returns the user that they belong to. Every outcome but an ended ctx costs one hash.
func (p *Plugin) check(ctx context.Context, name string, secret []byte, line string) (user account, ok bool, err error) {
	user, known := p.users.find(name)
	against := p.nobody
	usable := known && !user.Disabled && plugin.ValidUserName(name) && checkSecret(secret) == nil
	if usable {
		against = user.parsed.digest
	}
	matched, err := p.compare(ctx, against, secret)
	if err != nil {
		return account{}, false, err
	}
	ok = matched && usable
	if p.lockout != nil {
		ok = p.lockout.judge(name, line, ok)
	}
	if !ok {
		return account{}, false, nil
	}
	if !user.parsed.current {
		p.rehash(ctx, user, secret)
	}
	return user, true, nil
}

// compare waits for its turn and computes one hash.
func (p *Plugin) compare(ctx context.Context, against digest, secret []byte) (bool, error) {
	if err := p.gate.Acquire(ctx, 1); err != nil {
		return false, err
	}
	defer p.gate.Release(1)
	return against.MatchBytes(secret), nil
}

// rehash gives a user who has just logged in the default hash. A failure is only logged: the user is who the user is.
func (p *Plugin) rehash(ctx context.Context, user account, secret []byte) {
	hash, err := p.newHash(ctx, secret)
	if err == nil {
		err = p.file.rehash(ctx, user.Name, user.Hash, hash)
	}
	if err != nil {
		p.log.Warn("password not rehashed", "user", user.Name, "kind", user.parsed.kind, "error", err)
		return
	}
	p.log.Info("password rehashed", "user", user.Name, "from", user.parsed.kind)
}

// newHash waits for its turn and computes a default hash.
func (p *Plugin) newHash(ctx context.Context, secret []byte) (string, error) {
	if err := p.gate.Acquire(ctx, 1); err != nil {
		return "", err
	}
	defer p.gate.Release(1)
	return p.hashes.make(secret)
}

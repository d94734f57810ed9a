// Package password is the built-in plugin that asks a caller for a name and a password and compares them with a user file.
//
// Unknown, disabled and ill-formed names meet the same text and the same work as a wrong password. At most one hash per core is
// computed at a time, first come first served, over all dialogs of one factory.
package password

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"rashost/plugin"
	"rashost/plugin/users"
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

// passwords compares one password with a hash; it is *users.Hashes.
type passwords interface {
	Check(ctx context.Context, hash string, secret []byte) (bool, error)
	Renew(ctx context.Context, hash string, secret []byte) (string, error)
	Kind(hash string) string
}

// Plugin is the password plugin of one dialog.
type Plugin struct {
	log      *slog.Logger
	options  Options
	banner   string
	attempts int
	timeout  time.Duration // of the whole dialog, 0 when unknown

	users   *users.Store
	hashes  passwords
	lockout *users.Lockout // nil: off
}

// Needs says for `rashost user` which user file the options name and what the plugin needs of every user.
func Needs(decode func(into any) error) (file string, v users.Verifiers, err error) {
	var o Options
	err = decode(&o)
	return o.File, users.Verifiers{Hash: true}, err
}

// New makes the plugin of one dialog; it is a plugin.Factory. Where several dialogs check passwords, NewFactory keeps the number of
// hashes bounded over all of them.
func New(s plugin.Setup) (plugin.Plugin, error) { return NewFactory(users.NewHashes)(s) }

// NewFactory returns a plugin.Factory whose plugins compute their hashes with what shared returns, which it asks for when the first is
// made: with one *users.Hashes for all plugins, they compute at most one hash per core at a time together.
func NewFactory(shared func() (*users.Hashes, error)) plugin.Factory {
	return func(s plugin.Setup) (plugin.Plugin, error) {
		h, err := shared()
		if err != nil {
			return nil, err
		}
		p, err := newPlugin(s, h)
		if err != nil {
			return nil, err // not p: a nil *Plugin in a Plugin is not nil
		}
		return p, nil
	}
}

// newPlugin checks the settings and reads the files.
func newPlugin(s plugin.Setup, hashes passwords) (*Plugin, error) {
	p := &Plugin{log: s.Log, hashes: hashes, attempts: s.Attempts, banner: s.Banner, timeout: time.Duration(s.Timeout) * time.Second}
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

// open reads the user file and the lock-out state.
func (p *Plugin) open(path string, s plugin.Setup) (err error) {
	if p.users, err = users.OpenStore(path, p.log); err != nil || s.LockoutDenials == 0 {
		return err
	}
	reset := time.Duration(s.LockoutReset) * time.Second
	p.lockout, err = users.OpenLockout(users.LockoutPath(s.StateDir, s.Dialog), s.LockoutDenials, reset, p.log)
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
func (p *Plugin) KnownUser(name string) bool { return p.users.Known(name) }

// check compares a name and a password and returns the name of the user that they belong to, as stored. Every outcome but an ended ctx
// costs one hash.
func (p *Plugin) check(ctx context.Context, name string, secret []byte, line string) (user string, ok bool, err error) {
	account, known, err := p.users.Lookup(ctx, name)
	if err != nil {
		return "", false, err
	}
	hash := ""
	if known && !account.Disabled && plugin.ValidUserName(name) {
		hash = account.Hash
	}
	if ok, err = p.hashes.Check(ctx, hash, secret); err != nil {
		return "", false, err
	}
	if p.lockout != nil {
		ok = p.lockout.Judge(name, line, ok)
	}
	if !ok {
		return "", false, nil
	}
	users.Rehash(ctx, p.users, p.hashes, account, secret, p.log)
	return account.Name, true, nil
}

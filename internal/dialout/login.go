package dialout

import (
	"context"
	"errors"
	"fmt"
	"time"

	"rashost/internal/caller"
	"rashost/plugin/sasl/client"
)

// Login says how to log in: by Script, or by SASL when that is nil.
type Login struct {
	Script *caller.Script
	// Mechanism, User and Profile are for SASL.
	Mechanism, User string
	Profile         client.Profile
	// Secret stays the caller's to wipe.
	Secret []byte
	// Timeout is how long the whole login may take; 0 is a minute.
	Timeout time.Duration
}

// NeedsSecret says whether the login uses Secret.
func (l *Login) NeedsSecret() bool {
	if l.Script == nil {
		return true
	}
	for _, s := range l.Script.Steps {
		if s.Verb == caller.Secret && s.Text == "" {
			return true
		}
	}
	return false
}

// login logs in. The connection is left at the end of the last line of the login.
func (c *Call) login(ctx context.Context, conn *connection) error {
	limit := c.Login.Timeout
	if limit <= 0 {
		limit = time.Minute
	}
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the login was not over within %v", limit))
	defer cancel()
	ctx, stop := conn.watch(ctx)
	defer stop()
	var err error
	if c.Login.Script != nil {
		err = c.loginByScript(ctx, conn)
	} else {
		err = c.loginBySASL(ctx, conn)
	}
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, ErrHungUp) {
		return fmt.Errorf("login: %w", cause)
	}
	return err
}

// loginByScript runs the script. It reads single bytes: what follows the last text that it waits for belongs to others.
func (c *Call) loginByScript(ctx context.Context, conn *connection) error {
	script := c.Login.Script
	if !c.dialled() && len(script.Steps) > 0 && script.Steps[0].Verb == caller.Expect {
		if _, err := conn.wake(ctx); err != nil {
			return fmt.Errorf("login: waiting for the first byte: %w", err)
		}
	}
	if err := script.Run(ctx, caller.New(singly{conn}), c.Login.Secret, c.Progress); err != nil {
		return err
	}
	c.Progress("logged in")
	return nil
}

// singly reads one byte at a time.
type singly struct{ *connection }

// Read implements io.Reader.
func (s singly) Read(p []byte) (int, error) { return s.connection.Read(p[:min(len(p), 1)]) }

// loginBySASL logs in with a mechanism over POP3's or SMTP's commands.
func (c *Call) loginBySASL(ctx context.Context, conn *connection) error {
	mechanism, err := client.New(c.Login.Mechanism, client.Credentials{User: c.Login.User, Secret: c.Login.Secret}, nil)
	if err != nil {
		return err
	}
	woken := false
	if !c.dialled() {
		if woken, err = conn.wake(ctx); err != nil {
			return fmt.Errorf("login: waiting for the far end's greeting: %w", err)
		}
	}
	return client.Login(ctx, conn, client.Options{
		Mechanism: mechanism, Profile: c.Login.Profile, Woken: woken, Progress: c.Progress, Received: c.Received,
	})
}

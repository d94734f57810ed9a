package dialout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// Then says what happens with a line that is connected, and logged in.
type Then string

// What can happen then.
const (
	Terminal Then = "terminal" // a person talks on it
	Exit     Then = "exit"     // it is left open for whoever has it next
	Command  Then = "command"  // a command has it as its standard input and output
)

// Call is one call, from the opening of the line to its end.
type Call struct {
	Target Target
	// Modem dials; nil for a line without a modem, or one that is connected already.
	Modem *Modem
	// Login logs in; nil does not.
	Login *Login
	// Then is what happens afterwards. Command is for that case: the program and its arguments.
	Then    Then
	Command []string
	// Group gives the command a process group of its own, so that whatever ends it ends its children too. It is not for a caller with a
	// controlling terminal, which tells by the group who is in front, nor for one on a line that somebody else has opened, who may signal
	// the group that they started.
	Group bool
	// Stdin and Stdout are the person's terminal, for Terminal. Stderr is the command's.
	Stdin, Stdout *os.File
	Stderr        io.Writer
	// Progress is told each step in plain words, Received what the far end says in a SASL login, quoted. Neither is ever told a
	// secret. Nil drops them.
	Progress, Received func(text string)
}

// dialled says whether there is a modem in between, so that the far end knows of the call.
func (c *Call) dialled() bool { return c.Modem != nil || c.Target.Telephone != "" }

// Run makes the call. status is the command's exit status, otherwise 0. Whatever happens, the terminal is as it was, and the line is hung
// up, unless Then is Exit and all went well.
//
// Errors: *DialError, ErrHungUp, *port.LockedError, those of a login, and the cause of ctx.
func (c *Call) Run(ctx context.Context) (status int, err error) {
	for _, f := range []*func(string){&c.Progress, &c.Received} {
		if *f == nil {
			*f = func(string) {}
		}
	}
	line, err := Open(ctx, c.Target)
	if err != nil {
		return 0, err
	}
	var t *talk
	conn := &connection{Line: line, modem: c.Modem != nil}
	if c.Modem != nil {
		if t, err = c.dial(ctx, line); err != nil {
			c.hangUp(context.WithoutCancel(ctx), t)
			c.close(line)
			return 0, err
		}
		conn.skipLF = t.split.AfterCR()
	}
	status, err = c.connected(ctx, conn)
	if err == nil && c.Then == Exit {
		drain(ctx, line)
		return status, line.Leave()
	}
	if !errors.Is(err, ErrHungUp) && ctx.Err() == nil {
		drain(ctx, line)
	}
	if t != nil {
		c.hangUp(context.WithoutCancel(ctx), t)
	}
	c.close(line)
	return status, err
}

// close gives the line up. What goes wrong with that changes nothing about how the call went.
func (c *Call) close(line Line) {
	if err := line.Close(); err != nil {
		c.Progress(err.Error())
	}
}

// connected does what the call is for.
func (c *Call) connected(ctx context.Context, conn *connection) (status int, err error) {
	if c.Login != nil {
		if err := c.login(ctx, conn); err != nil {
			return 0, err
		}
	}
	switch c.Then {
	case Terminal:
		return 0, c.terminal(ctx, conn)
	case Command:
		return c.command(ctx, conn)
	case Exit:
		return 0, nil
	default:
		return 0, fmt.Errorf("nothing to do then: %q", c.Then)
	}
}

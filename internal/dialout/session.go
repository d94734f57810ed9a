package dialout

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"

	"golang.org/x/term"
)

// relayBuffer is the size of a relay's buffers, one for each direction.
const relayBuffer = 4 << 10

// relayed is how one direction of a relay ended: err is nil for the end of what there was to copy.
type relayed struct {
	toFar bool
	err   error
}

// copyAll copies until from ends. change, which may be nil, sees what was read, and ends the copy by true.
func copyAll(to io.Writer, from io.Reader, change func([]byte) ([]byte, bool)) error {
	buf := make([]byte, relayBuffer)
	for {
		n, err := from.Read(buf)
		send, last := buf[:n], false
		if change != nil {
			send, last = change(send)
		}
		if len(send) > 0 {
			if _, err := to.Write(send); err != nil {
				return err
			}
		}
		switch {
		case last, errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
	}
}

// terminal connects a person's terminal with the line until ~. or the end of either side. Whoever ends it, it is no fault: a line can't
// tell a session that is over from one that broke off.
func (c *Call) terminal(ctx context.Context, conn *connection) error {
	in := int(c.Stdin.Fd())
	c.Progress("connected; ~. at the beginning of a line hangs up")
	before, err := term.MakeRaw(in)
	if err != nil {
		return fmt.Errorf("the terminal: %w", err)
	}
	defer func() { _ = term.Restore(in, before) }()
	person, err := newFiles(c.Stdin, c.Stdout)
	if err != nil {
		return err
	}
	defer func() { _ = person.Close() }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	watched, stop := conn.watch(ctx)
	defer stop()
	defer interrupt(watched, conn)()
	defer interrupt(watched, person)()
	ends := make(chan relayed, 2)
	go func() { ends <- relayed{true, copyAll(conn, person, newEscape().feed)} }()
	go func() { ends <- relayed{false, copyAll(person, conn, nil)} }()
	first := <-ends
	lostWhy := context.Cause(watched)
	cancel()
	<-ends
	_ = term.Restore(in, before)
	fmt.Fprintln(c.Stdout)
	switch {
	case lostWhy != nil && !errors.Is(lostWhy, ErrHungUp):
		return lostWhy
	case lostWhy != nil:
		c.Progress(lostWhy.Error())
	case errors.Is(first.err, ErrHungUp):
		c.Progress(first.err.Error())
	case first.err != nil && !errors.Is(first.err, syscall.EIO): // EIO: the person's terminal is gone
		return first.err
	}
	return nil
}

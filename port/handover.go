package port

import (
	"errors"
	"fmt"
	"os"
	"sync"
)

// errHandedOver is what Read and Write of a Call give once its device was given to a program.
var errHandedOver = errors.New("the device was given to a program")

// TTY gives the call's device to a program that the handler starts, such as pppd: tty is a description of its own, without
// O_NONBLOCK, and bears the device node's name. From then on, also after release, Read and Write fail: the data belongs to the
// program, and after the call the line closes the device and opens it anew, whatever state the program left it in. The line keeps the
// control signals and the locks. The program must not make the device its controlling terminal, or its end would hang the device up.
//
// release closes tty; call it when the program has ended, any number of times. errors.ErrUnsupported: the device is no tty (pty:PATH is
// the other end of one); the call goes on as before.
func (c *Call) TTY() (tty *os.File, release func(), err error) {
	c.io.Lock() // until nobody reads or writes
	defer c.io.Unlock()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.over != nil {
		return nil, nil, c.over
	}
	lender, ok := c.dev.(interface{ Lend() (*os.File, error) })
	if !ok {
		return nil, nil, fmt.Errorf("%s cannot be given to a program: %w", c.Device, errors.ErrUnsupported)
	}
	if tty, err = lender.Lend(); err != nil {
		return nil, nil, err
	}
	c.handed = sync.OnceFunc(func() { _ = tty.Close() })
	c.over = errHandedOver
	c.ended.Store(true)
	c.tail.forget()
	return tty, c.handed, nil
}

// handedOver says whether the device was given to a program. There may be no call.
func (c *Call) handedOver() bool {
	if c == nil {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.handed != nil
}

// AddOctets adds to the call's count what a program carried while it had the device.
func (c *Call) AddOctets(in, out uint64) {
	c.in.Add(in)
	c.out.Add(out)
}

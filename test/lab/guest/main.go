// Guest is the laboratory's program in the guest: the agent that obeys the tests, the two ends of a TCP transfer, a break
// on a line, and a look at a UART's divisor.
package main

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"rashost/port"
	"rashost/test/lab/agent"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "guest:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "agent":
		return serve()
	case len(args) == 3 && (args[0] == "listen" || args[0] == "dial"):
		n, err := strconv.ParseInt(args[2], 10, 64)
		if err != nil {
			return err
		}
		return transfer(args[0] == "listen", args[1], n)
	case len(args) == 2 && args[0] == "break":
		return sendBreak(args[1])
	case len(args) == 2 && args[0] == "divisor":
		return readDivisor(args[1])
	default:
		return errors.New("usage: guest agent | guest listen ADDRESS BYTES | guest dial ADDRESS BYTES | guest break DEVICE | guest divisor DEVICE")
	}
}

// serve obeys on the virtio port named "lab" until the machine is switched off.
func serve() error {
	for range 400 { // the driver names its ports a moment after it is loaded
		names, err := filepath.Glob("/sys/class/virtio-ports/*/name")
		if err != nil {
			return err
		}
		for _, file := range names {
			name, err := os.ReadFile(file)
			if err != nil || strings.TrimSpace(string(name)) != "lab" {
				continue
			}
			port, err := os.OpenFile(filepath.Join("/dev", filepath.Base(filepath.Dir(file))), os.O_RDWR, 0)
			if err != nil {
				return err
			}
			return agent.Serve(port)
		}
		time.Sleep(25 * time.Millisecond)
	}
	return errors.New("there is no virtio port named lab")
}

// transfer sends n random bytes over TCP and at the same time receives as many. It prints the sums of what it sent and received.
func transfer(listen bool, address string, n int64) error {
	conn, err := connect(listen, address)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	sent, received := sha256.New(), sha256.New()
	failed := make(chan error, 1)
	go func() {
		_, err := io.CopyN(io.MultiWriter(conn, sent), rand.Reader, n)
		failed <- err
	}()
	_, err = io.CopyN(received, conn, n)
	if err := errors.Join(err, <-failed); err != nil {
		return err
	}
	if err := conn.CloseWrite(); err != nil {
		return err
	}
	_, _ = io.Copy(io.Discard, conn) // the other end has all of it, too
	fmt.Printf("sent %x received %x\n", sent.Sum(nil), received.Sum(nil))
	return nil
}

// sendBreak sends a break, as a line does.
func sendBreak(device string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	dev, err := port.NewOpener(device, port.Settings{CLOCAL: true}).Open(ctx)
	if err != nil {
		return err
	}
	return errors.Join(dev.Break(ctx, 250*time.Millisecond), dev.Close())
}

// readDivisor prints what a 16550 divides 115200 bit/s by, as its registers have it. The line must be idle, because the driver gets the
// divisor for data meanwhile.
func readDivisor(device string) error {
	base, err := os.ReadFile(filepath.Join("/sys/class/tty", filepath.Base(device), "port"))
	if err != nil {
		return err
	}
	at, err := strconv.ParseInt(strings.TrimSpace(string(base)), 0, 64)
	if err != nil {
		return err
	}
	ports, err := os.OpenFile("/dev/port", os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer func() { _ = ports.Close() }()
	const lcr, dlab = 3, 0x80
	var control, low, high [1]byte
	_, err = ports.ReadAt(control[:], at+lcr)
	if err == nil {
		_, err = ports.WriteAt([]byte{control[0] | dlab}, at+lcr)
	}
	if err != nil {
		return err
	}
	_, lowErr := ports.ReadAt(low[:], at)
	_, highErr := ports.ReadAt(high[:], at+1)
	_, err = ports.WriteAt(control[:], at+lcr)
	fmt.Println(int(high[0])<<8 | int(low[0]))
	return errors.Join(lowErr, highErr, err)
}

func connect(listen bool, address string) (*net.TCPConn, error) {
	if !listen {
		c, err := net.DialTimeout("tcp", address, 30*time.Second)
		if err != nil {
			return nil, err
		}
		return c.(*net.TCPConn), nil
	}
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	fmt.Println("listening")
	c, err := l.Accept()
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

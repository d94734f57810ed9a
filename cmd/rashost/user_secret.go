package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"

	"rashost/plugin/users"
)

// withSecret reads the secret that what names and hands it to use. On a terminal it asks twice, without echo; otherwise it takes the first line.
func (a *app) withSecret(what string, use func([]byte) error) error {
	secret, err := a.readSecret(what)
	if err != nil {
		return err
	}
	defer clear(secret)
	return use(secret)
}

func (a *app) readSecret(what string) ([]byte, error) {
	in, ok := a.stdin.(*os.File)
	if !ok || !term.IsTerminal(int(in.Fd())) {
		line, err := bufio.NewReaderSize(a.stdin, 2*users.MaxSecret).ReadSlice('\n')
		if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) { // too long as it is then, which use says
			return nil, fmt.Errorf("read the password from standard input: %w", err)
		}
		return bytes.Clone(bytes.TrimSuffix(bytes.TrimSuffix(line, []byte("\n")), []byte("\r"))), nil
	}
	first, err := a.ask(in, what+": ")
	if err != nil {
		return nil, err
	}
	second, err := a.ask(in, "Once more: ")
	if err != nil {
		return nil, err
	}
	defer clear(second)
	if !bytes.Equal(first, second) {
		clear(first)
		return nil, errors.New("the two passwords differ: nothing was changed")
	}
	return first, nil
}

// ask prompts for a secret without echo. A signal that would end the program gives the terminal its echo back first.
func (a *app) ask(in *os.File, prompt string) ([]byte, error) {
	before, err := term.GetState(int(in.Fd()))
	if err != nil {
		return nil, fmt.Errorf("read the password from the terminal: %w", err)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT)
	answered := make(chan struct{})
	go func() {
		select {
		case <-signals:
			_ = term.Restore(int(in.Fd()), before)
			fmt.Fprintln(a.stderr, "\nnothing was changed")
			os.Exit(exitInterrupted)
		case <-answered:
		}
	}()
	defer close(answered)
	defer signal.Stop(signals)
	fmt.Fprint(a.stderr, prompt)
	secret, err := term.ReadPassword(int(in.Fd()))
	fmt.Fprintln(a.stderr)
	if err != nil {
		return nil, fmt.Errorf("read the password from the terminal: %w", err)
	}
	return secret, nil
}

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
	"rashost/port/modemsim"
)

// modem is the far end of a line: a modem that answers OK to everything, and its caller. It does as little as possible, since its
// CPU time is taken from the same cores. One goroutine uses it.
type modem struct {
	pty    *modemsim.PTY
	host   *os.File // keeps the pty alive while the daemon has its end closed
	buf    []byte
	got    []byte // came and was not yet taken
	number []byte // in S8, by which the host knows its modem after a call
	// obeyed is when the last command was answered.
	obeyed time.Time
}

func newModem() (*modem, error) {
	pty, err := modemsim.OpenPTY()
	if err != nil {
		return nil, err
	}
	host, err := os.OpenFile(pty.Path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
	if err != nil {
		pty.Close()
		return nil, err
	}
	return &modem{pty: pty, host: host, buf: make([]byte, 4096)}, nil
}

func newModems(n int) ([]*modem, error) {
	all := make([]*modem, n)
	for i := range all {
		m, err := newModem()
		if err != nil {
			closeAll(all[:i])
			return nil, err
		}
		all[i] = m
	}
	return all, nil
}

func closeAll(all []*modem) {
	for _, m := range all {
		m.close()
	}
}

func (m *modem) close() {
	m.pty.Close()
	if m.host != nil {
		m.host.Close()
	}
}

// say sends a modem's message.
func (m *modem) say(text string) error {
	_, err := m.pty.Write([]byte("\r\n" + text + "\r\n"))
	return err
}

func (m *modem) rings() error { return m.say("RING") }

func (m *modem) more() error {
	n, err := m.pty.Read(m.buf)
	m.got = append(m.got, m.buf[:n]...)
	return err
}

// until reads until text has come, and returns what came with it.
func (m *modem) until(text string) (string, error) {
	for {
		if i := bytes.Index(m.got, []byte(text)); i >= 0 {
			end := i + len(text)
			taken := string(m.got[:end])
			m.got = append(m.got[:0], m.got[end:]...)
			return taken, nil
		}
		if err := m.more(); err != nil {
			return "", fmt.Errorf("%s: waiting for %q, got %q: %w", m.pty.Path, text, m.got, err)
		}
	}
}

// first waits for any byte.
func (m *modem) first() error {
	for len(m.got) == 0 {
		if err := m.more(); err != nil {
			return fmt.Errorf("%s: waiting for a byte: %w", m.pty.Path, err)
		}
	}
	return nil
}

// limit bounds everything that follows.
func (m *modem) limit(d time.Duration) { _ = m.pty.SetDeadline(time.Now().Add(d)) }

// obey answers commands until ctx ends.
func (m *modem) obey(ctx context.Context) error {
	_ = m.pty.SetDeadline(time.Time{})
	defer context.AfterFunc(ctx, func() { _ = m.pty.SetReadDeadline(time.Unix(1, 0)) })()
	for {
		line, err := m.until("\r")
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded):
			return nil
		case err != nil:
			return err
		}
		if err := m.answer(line); err != nil {
			return err
		}
	}
}

// answer answers a command line. Every one is OK.
func (m *modem) answer(line string) error {
	_, command, ok := strings.Cut(strings.TrimSuffix(line, "\r"), "AT")
	if !ok {
		return nil
	}
	if n, ok := strings.CutPrefix(command, "S8="); ok {
		m.number = append(m.number[:0], n...)
	}
	if command == asksNumber {
		if err := m.say(string(m.number)); err != nil {
			return err
		}
	}
	m.obeyed = time.Now()
	return m.say("OK")
}

// asksNumber is the last of the commands by which the host proves that a modem has hung up.
const asksNumber = "S8?"

// onHook answers these commands. The first of them, AT, was taken by talk.
func (m *modem) onHook() error {
	if err := m.say("OK"); err != nil {
		return err
	}
	for {
		line, err := m.until("\r")
		if err == nil {
			err = m.answer(line)
		}
		if err != nil || strings.HasSuffix(line, asksNumber+"\r") {
			return err
		}
	}
}

// marks are the times of one call.
type marks struct{ ring, answer, connect, prompt, over time.Time }

// script is what the far end of a call does.
type script struct {
	prompts []prompt
	end     string // must come before the hang-up
}

// prompt is a text to wait for and what is typed then.
type prompt struct{ text, typed string }

// named logs in at plugin anyone.
func named(name, end string) script { return script{[]prompt{{"name: ", name}}, end} }

// call makes one call from RING to the hang-up's AT, whose answer is left to the caller: see onHook.
func (m *modem) call(s script) (k marks, err error) {
	m.limit(20 * time.Second)
	k.ring = time.Now()
	if err = m.rings(); err == nil {
		_, err = m.until("ATA\r")
	}
	k.answer = time.Now()
	if err != nil {
		return k, err
	}
	return k, m.talk(&k, s)
}

// talk is the call after ATA.
func (m *modem) talk(k *marks, s script) error {
	k.connect = time.Now()
	if err := m.say("CONNECT 115200/V42"); err != nil {
		return err
	}
	if err := m.first(); err != nil {
		return err
	}
	k.prompt = time.Now()
	for _, p := range s.prompts {
		if _, err := m.until(p.text); err != nil {
			return err
		}
		if _, err := m.pty.Write([]byte(p.typed + "\r")); err != nil {
			return err
		}
	}
	text, err := m.until("AT\r")
	if err != nil {
		return err
	}
	k.over = time.Now()
	if !strings.Contains(text, s.end) {
		return fmt.Errorf("the caller got %q, not %q", text, s.end)
	}
	return nil
}

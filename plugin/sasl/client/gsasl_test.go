package client

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestAgainstGNUSASL logs in to Debian's gsasl as the server, which speaks bare base64: the far end here only puts POP3's words around it.
func TestAgainstGNUSASL(t *testing.T) {
	if _, err := exec.LookPath("gsasl"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("NOT RUN: needs Debian package gsasl")
		}
		t.Skip("NOT RUN: needs Debian package gsasl")
	}
	for _, name := range []string{SCRAMSHA256, SCRAMSHA1} {
		for _, password := range []string{"pencil, and = more", "wrong"} {
			t.Run(name+" "+password, func(t *testing.T) {
				m, err := New(name, Credentials{"us=er,", []byte(password)}, nil)
				if err != nil {
					t.Fatal(err)
				}
				_, told, err := loginWith(t, Options{Mechanism: m}, func(f *far) { f.gsasl(name, "pencil, and = more") })
				right := password != "wrong"
				if right != (err == nil) || !right && !isRefused(err, "the login") {
					t.Errorf("%v\n%s", err, told)
				}
			})
		}
	}
}

// gsasl is a POP3 server around `gsasl --server`.
func (f *far) gsasl(mechanism, password string) {
	f.say("+OK\r\n")
	f.hear("CAPA")
	f.say("+OK\r\nSASL " + mechanism + "\r\n.\r\n")
	cmd := exec.Command("gsasl", "--server", "--quiet", "-d", "--mechanism", mechanism, "--password", password,
		"--service", "pop", "--hostname", "line.example", "--realm", "")
	in, err := cmd.StdinPipe()
	if err != nil {
		f.t.Error(err)
		return
	}
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		f.t.Error(err)
		return
	}
	ended := make(chan struct{})
	go func() { // gsasl's words to the client
		defer close(ended)
		lines := bufio.NewScanner(out)
		for skip := 2; lines.Scan(); skip-- { // the mechanism's name, and an empty message before the client's first
			if skip <= 0 && lines.Text() != "" {
				f.say("+ " + lines.Text() + "\r\n")
			}
		}
		_ = cmd.Wait()
		if cmd.ProcessState.Success() {
			f.say("+OK\r\n")
		} else {
			f.say("-ERR\r\n")
		}
		_ = f.conn.Close()
	}()
	for {
		line, err := f.r.ReadString('\n')
		if err != nil {
			break
		}
		line = strings.TrimSuffix(line, "\r\n")
		_, _ = io.WriteString(in, line[strings.LastIndexByte(line, ' ')+1:]+"\n")
	}
	_ = in.Close()
	<-ended
}

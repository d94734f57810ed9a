package agent

import (
	"net"
	"net/http"
	"net/rpc"
	"net/rpc/jsonrpc"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// ask returns a function that asks an agent, and fails the test when it does not answer well.
func ask(t *testing.T) func(method string, args, reply any) {
	t.Helper()
	ours, its := net.Pipe()
	done := make(chan error, 1)
	go func() { done <- Serve(its) }()
	client := rpc.NewClientWithCodec(jsonrpc.NewClientCodec(ours))
	t.Cleanup(func() {
		_ = client.Close()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return func(method string, args, reply any) {
		t.Helper()
		if err := client.Call(Name+"."+method, args, reply); err != nil {
			t.Fatalf("%s: %v", method, err)
		}
	}
}

func TestRun(t *testing.T) {
	call := ask(t)
	for _, tc := range []struct {
		c    Command
		want Result
	}{
		{Command{Args: []string{"sh", "-c", "cat; echo $X >&2; exit 3"}, Stdin: "in ", Env: []string{"X=out"}}, Result{3, "in out\n"}},
		{Command{Args: []string{"sh", "-c", "kill -9 $$"}}, Result{128 + 9, ""}},
		{Command{Args: []string{"sleep", "1000"}, Limit: 10 * time.Millisecond}, Result{-1, ""}},
	} {
		var got Result
		call("Run", tc.c, &got)
		if got != tc.want {
			t.Errorf("%v: %+v, want %+v", tc.c.Args, got, tc.want)
		}
	}
}

func TestStartedProgram(t *testing.T) {
	call := ask(t)
	dir := t.TempDir()
	program, log := filepath.Join(dir, "lab-sleeper"), filepath.Join(dir, "log")
	var f File
	call("Write", File{Path: program, Data: []byte("#!/bin/sh\necho up\nread -r forever <\"$0.fifo\"\n"), Mode: 0o755}, new(struct{}))
	call("Run", Command{Args: []string{"mkfifo", program + ".fifo"}}, new(Result))
	var pid, code int
	call("Start", Command{Args: []string{program}, Log: log}, &pid)
	for string(f.Data) != "up\n" {
		call("Read", log, &f)
	}
	var alive bool
	var pids []int
	if call("Alive", pid, &alive); !alive {
		t.Error("a program that waits is not alive")
	}
	if call("Programs", "lab-sleeper", &pids); !slices.Equal(pids, []int{pid}) {
		t.Errorf("programs of that name: %v, want %d", pids, pid)
	}
	call("Kill", Signal{pid, 15}, new(struct{}))
	if call("Wait", pid, &code); code != 128+15 {
		t.Errorf("it ended with %d", code)
	}
	call("Kill", Signal{pid, 15}, new(struct{})) // nothing happens
	alive, pids = true, nil
	if call("Alive", pid, &alive); alive {
		t.Error("a program that has ended is alive")
	}
	if call("Programs", "lab-sleeper", &pids); len(pids) > 0 {
		t.Errorf("programs of that name: %v", pids)
	}
}

func TestAskSocket(t *testing.T) {
	call := ask(t)
	path := filepath.Join(t.TempDir(), "s")
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		_, _ = w.Write([]byte(r.Method + " " + r.URL.Path))
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	var r Reply
	call("Ask", Request{Socket: path, Method: "POST", Path: "/v1/x"}, &r)
	if r.Status != http.StatusTeapot || string(r.Body) != "POST /v1/x" {
		t.Errorf("%d %q", r.Status, r.Body)
	}
}

func TestNetworkOfItsOwn(t *testing.T) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("needs root")
		}
		t.Skip("NOT RUN: needs root")
	}
	call := ask(t)
	names := map[string]string{}
	for _, space := range []string{"", "a", "b", "a"} {
		var r Result
		call("Run", Command{Args: []string{"readlink", "/proc/self/ns/net"}, Net: space}, &r)
		name := strings.TrimSpace(r.Out)
		if before := names[space]; r.Code != 0 || before != "" && before != name {
			t.Errorf("network %q is %s, was %s", space, name, before)
		}
		names[space] = name
	}
	if names["a"] == names["b"] || names["a"] == names[""] {
		t.Errorf("not of their own: %v", names)
	}
}

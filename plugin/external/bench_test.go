package external

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"rashost/dialog"
	"rashost/plugin"
)

// benchPlugin makes a plugin on the example in Go, through the real launcher.
func benchPlugin(b *testing.B) plugin.Plugin {
	s := exampleSetup(b, porter(b))
	s.Log = slog.New(slog.DiscardHandler)
	x, err := New(s)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = x.(io.Closer).Close() })
	return x
}

// benchCall is one good login; first is the time to the first byte of the prompt.
func benchCall(b *testing.B, host *dialog.Host, x plugin.Plugin, line string) (first time.Duration) {
	caller, end := net.Pipe()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	start := time.Now()
	done := make(chan dialog.Outcome, 1)
	go func() {
		done <- host.Run(ctx, end, x, dialog.Options{Call: plugin.Call{ID: "1", Line: line}})
		_ = end.Close()
	}()
	var seen strings.Builder
	buf := make([]byte, 256)
	for _, step := range []struct{ prompt, answer string }{{"Name: ", "caller7\r"}, {"Password: ", "secret-7\r"}} {
		for !strings.Contains(seen.String(), step.prompt) {
			n, err := caller.Read(buf)
			if err != nil {
				b.Error(err)
				return 0
			}
			if first == 0 {
				first = time.Since(start)
			}
			seen.Write(buf[:n])
		}
		go func() { _, _ = io.WriteString(caller, step.answer) }()
	}
	go func() { _, _ = io.Copy(io.Discard, caller) }()
	if o := <-done; !o.Granted() {
		b.Errorf("%+v", o)
	}
	_ = caller.Close()
	return first
}

// BenchmarkBeginToPrompt measures the time from the call's arrival to the first byte of the prompt.
func BenchmarkBeginToPrompt(b *testing.B) {
	x, host := benchPlugin(b), dialog.New(nil)
	var times []time.Duration
	for b.Loop() {
		times = append(times, benchCall(b, host, x, "modem1"))
	}
	slices.Sort(times)
	for _, q := range []int{50, 99} {
		b.ReportMetric(float64(times[(len(times)-1)*q/100].Microseconds())/1000, fmt.Sprintf("ms-p%d", q))
	}
}

// BenchmarkCalls64 measures complete logins on 64 lines at once.
func BenchmarkCalls64(b *testing.B) {
	x, host := benchPlugin(b), dialog.New(nil)
	calls := make(chan int)
	var lines sync.WaitGroup
	for line := range 64 {
		lines.Go(func() {
			for range calls {
				benchCall(b, host, x, fmt.Sprintf("modem%d", line))
			}
		})
	}
	start, n := time.Now(), 0
	for b.Loop() {
		calls <- n
		n++
	}
	close(calls)
	lines.Wait()
	b.ReportMetric(float64(n)/time.Since(start).Seconds(), "calls/s")
}

package record

import (
	"fmt"
	"sync"
	"testing"
	"time"

	"rashost/plugin"
	"rashost/port"
)

// BenchmarkCalls writes whole calls from 64 lines at once: start, verdict and end, where the dialog waits for the start to be on
// disk. One operation is one call, which is three writes.
func BenchmarkCalls(b *testing.B) {
	s, err := Open(b.Context(), b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	const lines = 64
	var wg sync.WaitGroup
	b.ResetTimer()
	for line := range lines {
		wg.Go(func() {
			for i := line; i < b.N; i += lines {
				id := fmt.Sprintf("%d-%d", line, i)
				if err := s.Start(Row{ID: id, Line: fmt.Sprint("line", line), Start: time.Now()}).Wait(b.Context()); err != nil {
					b.Error(err)
					return
				}
				s.Verdict(id, VerdictUpdate{User: "alice", Verdict: plugin.Success, Service: "shell", Steps: chain(8)})
				if err := s.Flush(b.Context()); err != nil {
					b.Error(err)
					return
				}
				s.End(id, EndUpdate{Cause: port.UserRequest, Steps: chain(4)})
			}
		})
	}
	wg.Wait()
	if err := s.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(3*b.N)/b.Elapsed().Seconds(), "writes/s")
}

// BenchmarkStart is one line alone: the time until a start is on disk.
func BenchmarkStart(b *testing.B) {
	s, err := Open(b.Context(), b.TempDir(), Options{})
	if err != nil {
		b.Fatal(err)
	}
	for i := range b.N {
		id := fmt.Sprint(i)
		if err := s.Start(Row{ID: id, Line: "line1"}).Wait(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	if err := s.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}

func chain(n int) []Step {
	steps := make([]Step, n)
	for i := range steps {
		steps[i] = Step{At: time.Now(), What: "the caller typed a name and a password that were accepted"}
	}
	return steps
}

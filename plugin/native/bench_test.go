package native

import (
	"runtime"
	"slices"
	"testing"
	"time"
)

// BenchmarkPrompt is the time from the start of a call to the first byte of its prompt, process and all. Goal: 8 ms at p50.
func BenchmarkPrompt(b *testing.B) {
	r := newRig(b, "guard.c", Options{})
	var took []time.Duration
	for b.Loop() {
		start := time.Now()
		c := r.call("line1")
		c.expect("Name: ")
		took = append(took, time.Since(start))
		c.send("caller1\rsecret-1\r")
		c.want(granted("caller1"))
	}
	slices.Sort(took)
	b.ReportMetric(float64(took[len(took)/2].Microseconds())/1000, "ms-p50")
	b.ReportMetric(float64(took[len(took)*99/100].Microseconds())/1000, "ms-p99")
}

// BenchmarkCalls is whole calls on 64 lines at once. Goal: 150 a second.
func BenchmarkCalls(b *testing.B) {
	r := newRig(b, "guard.c", Options{})
	b.SetParallelism(max(1, 64/runtime.GOMAXPROCS(0)))
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			c := r.call("line")
			c.expect("Name: ")
			c.send("caller1\rsecret-1\r")
			c.want(granted("caller1"))
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}

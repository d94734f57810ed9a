package launch

import (
	"os"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"rashost/plugin"
)

// BenchmarkStart is the price of one process: Start and Wait of a program that does nothing. RASHOST_BIN=bin/rashost measures the helper
// that is shipped; without it, the helper is the test binary.
func BenchmarkStart(b *testing.B) {
	s := Spec{
		Helper: os.Getenv("RASHOST_BIN"), Name: "bench", Command: []string{"/bin/true"},
		Limits: plugin.Limits{Files: 256, Processes: 64, FileSize: 16},
	}
	if os.Geteuid() == 0 {
		s.User = "nobody"
	}
	before := processorTime(b)
	for b.Loop() {
		p, err := Start(s)
		if err != nil {
			b.Fatal(err)
		}
		if err := p.Wait(); err != nil {
			b.Fatal(err)
		}
		p.Stdout.Close()
		p.Stderr.Close()
	}
	b.ReportMetric(float64(processorTime(b)-before)/float64(b.N)/float64(time.Millisecond), "cpu-ms/op")
}

// processorTime is that of this process and of its children.
func processorTime(b *testing.B) time.Duration {
	var sum time.Duration
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if err := unix.Getrusage(who, &u); err != nil {
			b.Fatal(err)
		}
		sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	return sum
}

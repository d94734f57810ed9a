// Command bench measures the speed and the size of bin/rashost on ptys and prints one table: what was wanted, what was measured, and
// the same for mgetty, ser2net and socat where they are installed. docs/benchmarks.md explains every row. Run it with `make bench`.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// options are the command line.
type options struct {
	binary string
	only   string        // sections, comma-separated; "" for all
	calls  time.Duration // how long each calls/s run takes
	rounds int           // calls on one line for the latencies
	idle   time.Duration // how long context switches are counted
	lines  int           // idle lines
	megs   int           // MB for each relay run
	runs   int           // relay runs of each program
	peers  bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, unix.SIGTERM)
	defer stop()
	if err := run(ctx, parse()); err != nil {
		fmt.Fprintln(os.Stderr, "bench: "+err.Error())
		os.Exit(1)
	}
}

func parse() options {
	var o options
	flag.StringVar(&o.binary, "binary", "bin/rashost", "the program to measure")
	flag.StringVar(&o.only, "only", "", "sections to run, of: latency,calls,plugins,logins,deaf,idle,relay (all)")
	flag.DurationVar(&o.calls, "calls", 10*time.Second, "length of each calls/s run")
	flag.IntVar(&o.rounds, "rounds", 500, "calls for the latencies")
	flag.DurationVar(&o.idle, "idle", time.Minute, "how long the wake-ups of idle lines are counted")
	flag.IntVar(&o.lines, "lines", 1000, "idle lines")
	flag.IntVar(&o.megs, "mb", 64, "MB for each run of the relay, each way")
	flag.IntVar(&o.runs, "runs", 5, "runs of the relay, by turns with its peers")
	flag.BoolVar(&o.peers, "peers", true, "measure mgetty, ser2net and socat too")
	flag.Parse()
	return o
}

// section is one group of rows.
type section struct {
	name string
	run  func(ctx context.Context, o options, t *table) error
}

func run(ctx context.Context, o options) error {
	if err := needs(o); err != nil {
		return err
	}
	sections := []section{{"latency", latency}, {"calls", throughput}, {"plugins", plugins}, {"logins", logins}, {"deaf", deaf}, {"idle", idle}, {"relay", relays}}
	t := newTable()
	var faults []error
	for _, s := range sections {
		if o.only != "" && !strings.Contains(","+o.only+",", ","+s.name+",") {
			continue
		}
		began := time.Now()
		fmt.Fprintf(os.Stderr, "%-8s ... ", s.name)
		if err := s.run(ctx, o, t); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", s.name, err))
			fmt.Fprintln(os.Stderr, "failed:", err)
			continue
		}
		fmt.Fprintf(os.Stderr, "%s\n", time.Since(began).Round(time.Second))
	}
	t.print(os.Stdout)
	return errors.Join(faults...)
}

// needs says what the machine lacks, and what to do about it.
func needs(o options) error {
	if _, err := os.Stat(o.binary); err != nil {
		return fmt.Errorf("%w: run make build first", err)
	}
	ptys, err := readNumber("/proc/sys/kernel/pty/max")
	if want := o.lines + 100; err == nil && ptys < want {
		return fmt.Errorf("kernel.pty.max is %d and %d are needed: as root, sysctl kernel.pty.max=%d", ptys, want, want)
	}
	var lim unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return err
	}
	// The daemon has four files for each line, this program two.
	want := uint64(5*o.lines + 200)
	if lim.Cur = lim.Max; lim.Max < want {
		lim.Cur, lim.Max = want, want
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &lim); err != nil {
		return fmt.Errorf("%d open files are needed and can't be had: ulimit -n %d as root first, or -lines with less: %w", want, want, err)
	}
	return nil
}

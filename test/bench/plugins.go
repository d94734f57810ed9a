package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"rashost/plugin/users"
)

// foreign is a plugin in a process of its own, as a dialog.
type foreign struct {
	name, dialog string
	script       script
}

// plugins measures dialogs whose plugin is another program: two programs are started for every call.
func plugins(ctx context.Context, o options, t *table) error {
	g, err := newGreeter()
	if err != nil {
		return err
	}
	defer g.listener.Close()
	dir, err := os.MkdirTemp("", "rashost-bench-plugins-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := os.Chmod(dir, 0o755); err != nil {
		return err
	}
	kinds, err := foreigners(ctx, dir)
	if err != nil {
		return err
	}
	for _, k := range kinds {
		if err := k.measure(ctx, o, t, g.service()); err != nil {
			return fmt.Errorf("%s: %w", k.name, err)
		}
	}
	return nil
}

// foreigners builds the plugins to measure in dir.
func foreigners(ctx context.Context, dir string) ([]foreign, error) {
	guests := filepath.Join(dir, "guests")
	if err := os.WriteFile(guests, []byte("bench:bench\n"), 0o644); err != nil {
		return nil, err
	}
	porter := filepath.Join(dir, "porter")
	build := exec.CommandContext(ctx, "go", "build", "-o", porter, "./plugin/external/examples/porter")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		return nil, fmt.Errorf("%w: %s", err, out)
	}
	user := ""
	if os.Geteuid() == 0 {
		user = ", user: nobody"
	}
	all := []foreign{{
		"external (Go)",
		fmt.Sprintf("plugin: external%s, options: {command: [%s, %s], read: [%s]}", user, porter, guests, guests),
		script{[]prompt{{"Name: ", "bench"}, {"Password: ", "bench"}}, welcome},
	}}
	library, rasdll, err := guard(ctx, dir)
	if err != nil {
		return nil, err
	}
	return append(all, foreign{
		"native (C)", fmt.Sprintf("plugin: native%s, options: {library: %s, rasdll: %s}", user, library, rasdll),
		script{[]prompt{{"Name: ", "caller1"}, {"Password: ", "secret-1"}}, welcome},
	}), nil
}

// guard builds rasdll and a security library for it.
func guard(ctx context.Context, dir string) (library, rasdll string, err error) {
	library, rasdll = filepath.Join(dir, "guard.so"), filepath.Join(dir, "rasdll")
	for _, cmd := range []*exec.Cmd{
		exec.CommandContext(ctx, "make", "rasdll", "RASDLL="+rasdll),
		exec.CommandContext(ctx, "gcc", "-O2", "-fms-extensions", "-fshort-wchar", "-fPIC", "-shared", "-Iplugin/native/include",
			"plugin/native/testdata/guard.c", "-o", library),
	} {
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", "", fmt.Errorf("%s: %w\n%s", cmd, err, out)
		}
	}
	return library, rasdll, nil
}

func (k foreign) measure(ctx context.Context, o options, t *table, service string) error {
	one, err := boot(ctx, o, setup{lines: 1, dtr: "0", service: service, dialog: k.dialog})
	if err != nil {
		return err
	}
	_, prompts, err := one.singles(o.rounds, k.script)
	one.stop()
	if err != nil {
		return err
	}
	t.add(k.name+": CONNECT to first prompt byte, p50 / p99").put(rashost, "%s", prompts).
		want("p50 <= 8 ms", prompts.at(50) <= 8*time.Millisecond)
	l, err := flood(ctx, o, setup{lines: 64, dtr: "0", service: service, dialog: k.dialog}, k.script)
	if err != nil {
		return err
	}
	t.add("64 lines, "+k.name+": calls/s, caller's CPU not counted").put(rashost, "%.0f", l.uncounted()).
		want(">= 150", l.uncounted() >= 150)
	t.add("64 lines, "+k.name+": calls/s by the wall clock; cores busy").put(rashost, "%.0f; %.0f %%", l.perSecond(), l.busy())
	t.add("64 lines, "+k.name+": CPU of the daemon and its children for a call").put(rashost, "%s ms", ms(l.each()))
	return nil
}

// logins measures what a login costs the plugins that check users, without a line.
func logins(ctx context.Context, _ options, t *table) error {
	for _, b := range []struct {
		what, pkg, name, unit, target string
		least                         float64
	}{
		{"sspi: CompleteAuthToken (MD5), a core", "./plugin/sspi", "BenchmarkCompleteAuthToken/MD5", "tokens/cpu-s", ">= 200,000 /s", 200_000},
		{"sspi: CompleteAuthToken (SHA-256), a core", "./plugin/sspi", "BenchmarkCompleteAuthToken/SHA-256", "tokens/cpu-s", ">= 200,000 /s", 200_000},
	} {
		got, err := benchmark(ctx, b.pkg, b.name, b.unit)
		if err != nil {
			return err
		}
		t.add(b.what).put(rashost, "%.0f /s", got).want(b.target, got >= b.least)
	}
	step, err := benchmark(ctx, "./plugin/sasl/exchange", "BenchmarkSCRAM/step", "ns/op")
	if err != nil {
		return err
	}
	hmacs, err := benchmark(ctx, "./plugin/sasl/exchange", "BenchmarkSCRAM/hmacs", "ns/op")
	if err != nil {
		return err
	}
	slow, err := benchmark(ctx, "./plugin/sasl/exchange", "BenchmarkSCRAM/pbkdf2", "ns/op")
	if err != nil {
		return err
	}
	t.add("sasl: the server's step of SCRAM-SHA-256 that judges the proof; bare HMACs; PBKDF2").
		put(rashost, "%.1f; %.1f; %.0f us", step/1e3, hmacs/1e3, slow/1e3).want("the HMACs alone", step < 3*hmacs)
	few, many := attemptsHeap(1000), attemptsHeap(100_000)
	grown := float64(many-few) / (1 << 20)
	t.add("heap of failures under 100,000 names, above that of 1000").put(rashost, "%.1f MB", grown).want("<= 4 MB", grown <= 4)
	return nil
}

// attemptsHeap is the heap in use after n failures, each under a name of its own.
func attemptsHeap(n int) int64 {
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	a := users.NewAttempts(users.MaxAttempts, time.Now)
	for i := range n {
		a.Failed(fmt.Sprintf("caller-%d", i), "modem1")
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	runtime.KeepAlive(a)
	return int64(after.HeapAlloc) - int64(before.HeapAlloc)
}

// benchmark runs one Go benchmark and returns the figure with that unit.
func benchmark(ctx context.Context, pkg, name, unit string) (float64, error) {
	out, err := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", "^"+strings.ReplaceAll(name, "/", "$/^")+"$", pkg).CombinedOutput()
	if err != nil {
		return 0, fmt.Errorf("%s: %w\n%s", name, err, out)
	}
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if i := slices.Index(f, unit); i > 0 && strings.HasPrefix(f[0], name) {
			return strconv.ParseFloat(f[i-1], 64)
		}
	}
	return 0, fmt.Errorf("%s prints no %s:\n%s", name, unit, out)
}

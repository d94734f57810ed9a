package lab

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(childVariable) != "" {
		fmt.Fprintln(os.Stderr, child())
		os.Exit(1)
	}
	if f := flag.Lookup("test.parallel"); f.Value.String() == f.DefValue {
		_ = flag.Set("test.parallel", "16") // the jobs of a machine wait more than they compute
	}
	os.Exit(m.Run())
}

// patience is how long a condition may take to come true. Nothing is slow because of it: it is only reached by a fault.
const patience = 2 * time.Minute

// needed are the host's programs without which there is no laboratory, with their Debian packages.
var needed = map[string]string{
	"qemu-system-x86_64": "qemu-system-x86", "gcc": "gcc", "cpio": "cpio", "xz": "xz-utils", "apt-get": "apt", "dpkg-deb": "dpkg",
	"modprobe": "kmod", "ldd": "libc-bin",
}

// image is built once, by the first test that needs it.
var image = sync.OnceValues(func() (*Image, error) { return NewImage(context.Background()) })

// boot starts a machine for a test and its jobs.
func boot(t *testing.T, h Hardware) *Machine {
	t.Helper()
	t.Parallel()
	wantPrograms(t)
	i, err := image()
	must(t, err)
	log := &output{}
	m, err := Boot(i, h, log.printf)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the lines:\n%s", log)
		}
	})
	must(t, err)
	t.Cleanup(m.Close)
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the console:\n%s", m.Console())
		}
	})
	return m
}

// wantPrograms skips the test, loudly, where the laboratory's programs are missing.
func wantPrograms(t *testing.T) {
	t.Helper()
	for program, pkg := range needed {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("needs %s, Debian package %s", program, pkg)
		}
		t.Skipf("NOT RUN: needs %s, Debian package %s", program, pkg)
	}
}

// job is one thing to be proved on a machine that others use at the same time.
type job struct {
	name string
	// lines are the job's in the configuration of the machine's daemon, which all jobs share. A job that has none makes a daemon of its own.
	lines string
	run   func(t *testing.T, d *daemon)
}

// runJobs starts the daemon, waits until all lines listen, and runs the jobs at the same time: each has lines of its own.
func runJobs(t *testing.T, m *Machine, jobs []job) {
	t.Helper()
	lines := ""
	for _, j := range jobs {
		lines += j.lines
	}
	d := serve(t, m, lines)
	reply, err := d.tryLines()
	must(t, err)
	for _, l := range reply.Lines {
		d.wantState(l.Name, "listening")
	}
	for _, j := range jobs {
		t.Run(j.name, func(t *testing.T) {
			t.Parallel()
			mine := *d
			mine.t = t
			j.run(t, &mine)
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// eventually waits until a condition is true. It says what it is when it does not become so.
func eventually(t *testing.T, what string, is func() (ok bool, but string)) {
	t.Helper()
	for start := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		ok, but := is()
		if ok {
			return
		}
		if time.Since(start) > patience {
			t.Fatalf("not within %s: %s\n%s", patience, what, but)
		}
	}
}

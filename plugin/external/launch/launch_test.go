package launch

import (
	"os"
	"testing"

	"rashost/plugin"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == Command {
		os.Exit(Main(os.Args[2:]))
	}
	os.Exit(m.Run())
}

func BenchmarkStart(b *testing.B) {
	s := Spec{Helper: os.Getenv("RASHOST_BIN"), Name: "bench", Command: []string{"/bin/true"}, User: "nobody", Limits: plugin.Limits{Files: 256, Processes: 64, FileSize: 16}}
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
}

package main

import (
	"strings"
	"testing"
)

const passing = `{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"quiet\n"}
{"Action":"pass","Package":"p","Test":"TestA","Elapsed":0.1}
{"Action":"pass","Package":"p","Elapsed":0.2}
`

func TestReport(t *testing.T) {
	for title, c := range map[string]struct {
		in     string
		ok, ci bool // good enough without and with CI=true
		want   []string
		not    string
	}{
		"all passed": {passing, true, true, []string{"ok    p", "1 passed, 0 did not run"}, "quiet"},
		"one failed": {passing + `{"Action":"output","Package":"q","Test":"TestB","Output":"boom\n"}
{"Action":"fail","Package":"q","Test":"TestB"}
{"Action":"fail","Package":"q"}`, false, false, []string{"boom\n", "FAIL  q", "FAILED:\nq TestB\nq"}, "quiet"},
		"does not build": {passing + `{"ImportPath":"q [q.test]","Action":"build-output","Output":"x.go:1: undefined\n"}
{"ImportPath":"q [q.test]","Action":"build-fail"}
{"Action":"fail","Package":"q","FailedBuild":"q [q.test]"}`, false, false, []string{"x.go:1: undefined", "FAILED:\nq"}, "quiet"},
		"something missing": {passing + `{"Action":"output","Package":"q","Test":"TestB","Output":"    b_test.go:1: NOT RUN: needs Debian package x\n"}
{"Action":"skip","Package":"q","Test":"TestB"}
{"Action":"pass","Package":"q"}`, true, false, []string{"NOT RUN ====", "q TestB: needs Debian package x", "1 did not run"}, "quiet"},
		"the kernel cannot": {passing + `{"Action":"output","Package":"q","Test":"TestB","Output":"    b_test.go:1: NOT POSSIBLE HERE: no Landlock\n"}
{"Action":"skip","Package":"q","Test":"TestB"}
{"Action":"pass","Package":"q"}`, true, false, []string{"NOT POSSIBLE HERE ====", "q TestB: no Landlock", "0 did not run, 1 cannot run here"}, "quiet"},
		"no tests there": {passing + `{"Action":"output","Package":"q","Output":"?   \tq\t[no test files]\n"}
{"Action":"skip","Package":"q"}`, true, true, []string{"0 did not run"}, "no test files"},
		"nothing ran":           {"go: no such thing\n", false, false, []string{"go: no such thing", "no test ran"}, "ok"},
		"the go command speaks": {"go: downloading\n" + passing, true, true, []string{"go: downloading\n"}, "quiet"},
	} {
		for _, ci := range []bool{false, true} {
			var out strings.Builder
			r := &report{out: &out, text: map[name]*strings.Builder{}}
			if err := r.read(strings.NewReader(c.in)); err != nil {
				t.Fatal(err)
			}
			if got, want := r.summary(ci), c.ok && !ci || c.ci && ci; got != want {
				t.Errorf("%s: CI %v: good %v, want %v", title, ci, got, want)
			}
			for _, want := range c.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%s: no %q in:\n%s", title, want, out.String())
				}
			}
			if strings.Contains(out.String(), c.not) {
				t.Errorf("%s: %q in:\n%s", title, c.not, out.String())
			}
		}
	}
}

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"rashost/internal/config"
	"rashost/internal/doctor"
	"rashost/port"
)

// A virtual line is examined and called; the report is printed and kept, and the newest are kept.
func TestDoctor(t *testing.T) {
	b := newBench(t)
	b.change(`device: "sim:a"`, `rings: 2, device: "sim:a"`)
	dir := filepath.Join(b.dir, "state", "doctor")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range keptReports + 5 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("modem1-20260101-%06d.json", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, _ := b.run(0, "doctor", "modem1")
	for _, check := range []string{"identify", "set-up", "speed", "flow control", "DTR wiring", "DCD wiring", "escape", "call", "dialog", "session",
		"escape in a call", "hang-up", "next call"} {
		if !strings.Contains(out, fmt.Sprintf("%-10s  %-16s  ", doctor.Good, check)) {
			t.Errorf("%s is not good:\n%s", check, out)
		}
	}
	wantText(t, out, "the caller's number came: 5550100", "line modem1 works", "with all evidence: "+dir)
	files, err := filepath.Glob(filepath.Join(dir, "*.json"))
	if err != nil || len(files) != keptReports {
		t.Fatalf("%d reports are kept, %v", len(files), err)
	}
	data, err := os.ReadFile(files[len(files)-1])
	if err != nil {
		t.Fatal(err)
	}
	var kept doctor.Report
	if err := json.Unmarshal(data, &kept); err != nil || kept.Line != "modem1" || kept.Verdict != doctor.Good || len(kept.Findings) < 15 {
		t.Errorf("%+v, %v", kept, err)
	}
}

// TestDoctorKeepsEveryReport: two runs in one second keep two reports, the newest are those that stay, and none is overwritten.
func TestDoctorKeepsEveryReport(t *testing.T) {
	state := t.TempDir()
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	keep := func(n int, at time.Time) string {
		t.Helper()
		path, err := keepReport(state, doctor.Report{Line: "modem1", At: at, Summary: fmt.Sprint("report ", n)})
		if err != nil {
			t.Fatal(err)
		}
		if data, err := os.ReadFile(path); err != nil || !strings.Contains(string(data), fmt.Sprintf(`"report %d"`, n)) {
			t.Errorf("%s: %s, %v", path, data, err)
		}
		return filepath.Base(path)
	}
	for n, want := range []string{"modem1-20260102-030405.json", "modem1-20260102-030405-2.json", "modem1-20260102-030405-3.json"} {
		if got := keep(n, at); got != want {
			t.Errorf("the name is %s, want %s", got, want)
		}
	}
	for n := range keptReports - 1 {
		keep(n, at.Add(time.Duration(n+1)*time.Second))
	}
	left, err := filepath.Glob(filepath.Join(state, "doctor", "modem1-20260102-030405*"))
	if err != nil || len(left) != 1 || filepath.Base(left[0]) != "modem1-20260102-030405-3.json" {
		t.Errorf("of the oldest second %v is left, %v", left, err)
	}
}

// What is bad makes exit 1, and says what to do; JSON has all of it.
func TestDoctorFindsFaults(t *testing.T) {
	b := newBench(t)
	b.change(`device: "sim:a"`, "modem: usr-courier, device: "+filepath.Join(b.dir, "nowhere"))
	out, _ := b.run(1, "doctor", "modem1")
	wantText(t, out, "bad         device", "no such device", "no call without a modem", "line modem1 does not work as it must: 1 of")
	out, _ = b.run(1, "doctor", "modem1", "--json", "--no-call")
	var r doctor.Report
	if err := json.Unmarshal([]byte(out), &r); err != nil || r.Verdict != doctor.Bad || len(r.Findings) != 1 || r.Summary == "" {
		t.Errorf("%+v, %v", r, err)
	}
	for text, args := range map[string][]string{
		`there is no line "modem9"`: {"doctor", "modem9"},
		"belong together":           {"doctor", "modem1", "--sibling", "modem1"},
		"cannot call":               {"doctor", "modem1", "--sibling", "modem1", "--number", "1"},
		"usage:":                    {"doctor"},
	} {
		if _, errs := b.run(2, args...); !strings.Contains(errs, text) {
			t.Errorf("%q: %s", args, errs)
		}
	}
}

// The folder's own profiles are among those that a modem can turn out to have.
func TestDoctorKnowsOwnProfiles(t *testing.T) {
	b := newBench(t)
	b.change(`device: "sim:a"`, `modem: auto, device: "sim:usr-courier"`)
	data, err := os.ReadFile(filepath.Join(b.dir, "config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"config.yaml": "profiles: modems\n" + string(data),
		"modems/our-courier.yaml": "name: our-courier\ndescription: the one in the cellar\n" +
			"match:\n  - {query: ATI3, pattern: '.', weight: 100, source: seen}\n  - {query: ATI6, pattern: '.', weight: 100, source: seen}\n" +
			"  - {query: ATI7, pattern: '.', weight: 100, source: seen}\n" +
			"init:\n  - {send: ATZ, source: seen}\n",
	} {
		path := filepath.Join(b.dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, _ := b.run(0, "doctor", "modem1", "--no-call")
	wantText(t, out, "profile our-courier: ATI")
}

// The doctor's own host uses the line's device as the line does.
func TestDoctorsHostHasTheLinesDevice(t *testing.T) {
	b := newBench(t)
	b.change(`device: "sim:a"`, `device: "sim:a", baud: 9600, parity: even, flow: none, carrier: ignore, dsr: ignore, rings: 3, init: [AT+GCI=B5, ATX4]`)
	a := &app{configPath: filepath.Join(b.dir, "config.yaml")}
	c, _ := config.Inspect(a.configPath, config.Env{})
	if c == nil {
		t.Fatal("no configuration")
	}
	line, err := examinedLine(c, "modem1")
	if err != nil {
		t.Fatal(err)
	}
	p := patient{config: c, line: line}
	dir := t.TempDir()
	own, err := p.write(dir, "a secret")
	if err != nil {
		t.Fatal(err)
	}
	again, err := examinedLine(own, "modem1")
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(line, again) || again.Carrier != port.CarrierIgnore || again.DSR != port.DSRIgnore || again.Parity != "even" || again.Rings != 3 {
		t.Errorf("the line\n%+v\nin the doctor's host\n%+v", line, again)
	}
}

// A direct line is called by whoever is at the other end of its cable; the simulators of cables are.
func TestDoctorOfADirectLine(t *testing.T) {
	for name, c := range map[string]struct {
		keys string
		good []string
		said string
	}{
		"cable": {"modem: null-modem, device: \"sim:null-modem\"", []string{"control signals", "call", "dialog", "session", "escape in a call", "hang-up", "next call", "caller leaves"},
			"line modem1 works: 8 checks are good\n"},
		"radio": {"modem: radio, device: \"sim:radio\"", []string{"call", "dialog", "session", "hang-up", "next call"}, "not tested  caller leaves     without DCD"},
		"none":  {"modem: none, device: \"sim:null-modem\"", []string{"call", "dialog", "session", "hang-up", "next call"}, "line modem1 works: 7 checks are good; 1 could not be tested"},
		"virtual modem": {"modem: none, device: \"sim:usr-courier\"", nil,
			"it is not proven that line modem1 works: nothing but its control signals was looked at; 1 could not be tested"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := newBench(t)
			b.change(`device: "sim:a"`, c.keys)
			out, errs := b.run(0, "doctor", "modem1")
			wantText(t, out+errs, c.said)
			for _, check := range c.good {
				wantText(t, out, fmt.Sprintf("%-10s  %-16s  ", doctor.Good, check))
			}
		})
	}
	b := newBench(t)
	b.change(`device: "sim:a"`, "modem: none, device: "+filepath.Join(b.dir, "nowhere"))
	for text, args := range map[string][]string{
		"line modem1 has no modem, and no number": {"doctor", "modem1", "--sibling", "modem1", "--number", "1"},
		"cannot call": {"doctor", "modem1", "--sibling", "modem1"},
	} {
		if _, errs := b.run(2, args...); !strings.Contains(errs, text) {
			t.Errorf("%q: %s", args, errs)
		}
	}
}

package native

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"gopkg.in/yaml.v3"

	"rashost/internal/config"
	"rashost/plugin"
)

// A library that is missing, is none, or lacks something stops the start, and the error says what (events 20095 and 20096).
func TestFaultsAtLoad(t *testing.T) {
	folder := sharedFolder(t)
	text := filepath.Join(folder, "notes.so")
	if err := os.WriteFile(text, []byte(strings.Repeat("This is no library.\n", 10)), 0o644); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		source, path string
		o            Options
		event        plugin.EventID
		says         []string
	}{
		"no library named":    {event: 20095, says: []string{"library is missing"}},
		"no such file":        {path: filepath.Join(folder, "gate.so"), event: 20096, says: []string{"there is no library", "gate.so"}},
		"a folder":            {path: folder, event: 20096, says: []string{"is no library", folder}},
		"a text":              {path: text, event: 20096, says: []string{"notes.so", "no shared library"}},
		"no End":              {source: "half.c", event: 20096, says: []string{"RasSecurityDialogEnd"}},
		"unresolved symbols":  {source: "lost.c", event: 20096, says: []string{"AskTheMainframe", "ForgetTheMainframe"}},
		"DllMain refuses":     {source: "visitor.c -DREFUSE_TO_LOAD", event: 20096, says: []string{"DllMain"}},
		"size of HPORT":       {source: "oldtimer.c", event: 20096, says: []string{"hport"}},
		"other size of HPORT": {source: "usher.c", o: Options{HPort: "dword"}, event: 20096, says: []string{"8 bytes", "dword"}},
		"no rasdll":           {source: "usher.c", o: Options{Rasdll: filepath.Join(folder, "rasdll")}, event: 20096, says: []string{"there is no program", "rasdll"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := tc.o
			if o.Library = tc.path; tc.source != "" {
				o.Library = privateCopy(t, tc.source)
			}
			if o.Rasdll == "" {
				o.Rasdll = rasdll(t)
			}
			log := new(logText)
			p, err := New(setup(log, o))
			var fault *LoadError
			if !errors.As(err, &fault) || p != nil {
				t.Fatalf("got %v, %v; want a LoadError", p, err)
			}
			if fault.Event != tc.event {
				t.Errorf("event %v, want %v", fault.Event, tc.event)
			}
			for _, part := range tc.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("the error does not name %s: %v", part, err)
				}
			}
			if strings.ContainsAny(err.Error(), "\n\x1b") {
				t.Errorf("the error has more than one line: %q", err)
			}
			t.Log(err)
		})
	}
}

// Faults of the options are found before anything is started.
func TestFaultsOfOptions(t *testing.T) {
	for text, says := range map[string]string{
		"hport: qword":                             "there are handle and dword",
		"safe: always":                             "there are call, line and shared",
		`registry: {Server: x}`:                    `KEY\VALUE`,
		`registry: {'HKXX\A\B': x}`:                "there are HKLM",
		`registry: {'HKLM\A\B': -1}`:               "0 to 4294967295",
		`registry: {'HKLM\A\B': 4294967296}`:       "0 to 4294967295",
		`registry: {'HKLM\LONG\B': x}`:             "the limit is 480",
		`registry: {'HKLM\A\B': true}`:             "must be a text",
		`registry: {'HKLM\A\B': [x]}`:              "must be a text",
		`registry: {'HKLM\A\B': "a\nb"}`:           "line end",
		"registry: {\"HKLM\\\\A\\tC\\\\B\": x}":    "tab",
		`registry: {'HKLM\A\B': x, 'hklm\a\b': y}`: "twice",
	} {
		s := setup(new(logText), Options{})
		text = strings.ReplaceAll(text, "LONG", strings.Repeat("k", pathMax))
		s.Decode = func(into any) error { return yaml.Unmarshal([]byte("library: /nowhere/gate.so\n"+text), into) }
		if p, err := New(s); err == nil || p != nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: got %v, %v; want an error with %q", text, p, err, says)
		}
	}
}

// A process for more than one call is only given to a library that is said to bear it.
func TestIsolationMustBeSafe(t *testing.T) {
	s := setup(new(logText), Options{Library: "/nowhere/gate.so", Safe: "line"})
	s.Isolation = "shared"
	if _, err := New(s); err == nil || !strings.Contains(err.Error(), "safe: shared") {
		t.Errorf("got %v, want an error that names the option", err)
	}
	s.Isolation = "line"
	if _, err := New(s); err == nil || strings.Contains(err.Error(), "isolation") {
		t.Errorf("got %v, want another error", err)
	}
}

// What is passed to rasdll is complete, and nobody can change it any more.
func TestRegistryFile(t *testing.T) {
	values, err := parseRegistry(map[string]any{`HKLM\SOFTWARE\Acme\Secret`: "swordfish", `HKLM\SOFTWARE\Acme\Port`: 1812})
	if err != nil {
		t.Fatal(err)
	}
	f, err := registryFile(values)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	text, err := os.ReadFile(fmt.Sprintf("/proc/self/fd/%d", f.Fd()))
	if want := "HKLM\\SOFTWARE\\Acme\tPort\tdword\t1812\nHKLM\\SOFTWARE\\Acme\tSecret\tsz\tswordfish\n"; err != nil || string(text) != want {
		t.Errorf("got %q, %v; want %q", text, err, want)
	}
	if _, err := f.WriteAt([]byte("x"), 0); !errors.Is(err, unix.EPERM) {
		t.Errorf("it can be written: %v", err)
	}
	if err := f.Truncate(0); !errors.Is(err, unix.EPERM) {
		t.Errorf("it can be cut off: %v", err)
	}
	if info, err := f.Stat(); err != nil || info.Mode() != 0o444 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if flags, err := unix.FcntlInt(f.Fd(), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Error("every program that the host starts gets it")
	}
}

// The options as they stand in a configuration, through its own decoder.
func TestOptionsOfConfiguration(t *testing.T) {
	var d config.Dialog
	text := `options:
  library: gate.so
  hport: dword
  safe: line
  read: [/srv/cards]
  registry:
    HKLM\SOFTWARE\Acme\Server: radius1
    'HKLM\SOFTWARE\Acme\Port': 1812
    "HKLM\\SOFTWARE\\Acme\\Timeout": 0x10
    HKLM\SOFTWARE\Acme\Code: "0042"
`
	if err := yaml.Unmarshal([]byte(text), &d); err != nil {
		t.Fatal(err)
	}
	var o Options
	if err := d.DecodeOptions(&o); err != nil {
		t.Fatal(err)
	}
	values, err := parseRegistry(o.Registry)
	if err != nil {
		t.Fatal(err)
	}
	want := "HKLM\\SOFTWARE\\Acme\tCode\tsz\t0042\nHKLM\\SOFTWARE\\Acme\tPort\tdword\t1812\n" +
		"HKLM\\SOFTWARE\\Acme\tServer\tsz\tradius1\nHKLM\\SOFTWARE\\Acme\tTimeout\tdword\t16\n"
	if got := string(encode(values)); got != want {
		t.Errorf("registry:\n%swant:\n%s", got, want)
	}
	if o.Library != "gate.so" || o.HPort != "dword" || o.Safe != "line" || len(o.Read) != 1 {
		t.Errorf("got %+v", o)
	}
}

package hardware

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// analyze runs systemd-analyze.
func analyze(t *testing.T, args ...string) (string, error) {
	t.Helper()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("NOT RUN: needs Debian package systemd")
		}
		t.Skip("NOT RUN: needs Debian package systemd")
	}
	cmd := exec.Command("systemd-analyze", args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C", "SYSTEMD_COLORS=0")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// units copies the unit, with the drop-in or without, with programs that are there.
func units(t *testing.T, dropIn bool) string {
	t.Helper()
	dir := t.TempDir()
	unit := filepath.Join(dir, "rashost.service")
	write := func(from, to string) {
		data, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		text := strings.ReplaceAll(string(data), "/usr/bin/rashost", "/bin/true")
		if err := os.WriteFile(to, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("systemd/rashost.service", unit)
	if dropIn {
		write("systemd/rashost-ppp.conf", filepath.Join(dir, "rashost.service.d", "rashost-ppp.conf"))
	}
	return unit
}

var exposure = regexp.MustCompile(`Overall exposure level for rashost.service: ([0-9.]+)`)

// The unit without pppd is exposed at most 2.5 of 10; with the drop-in the figure is printed.
func TestUnitIsHardened(t *testing.T) {
	out, err := analyze(t, "security", "--offline=true", "--threshold=25", units(t, false))
	figure := exposure.FindStringSubmatch(out)
	if err != nil || figure == nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	t.Logf("rashost.service: exposure %s", figure[1])
	out, err = analyze(t, "security", "--offline=true", "--threshold=100", units(t, true))
	with := exposure.FindStringSubmatch(out)
	if err != nil || with == nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	if with[1] <= figure[1] {
		t.Errorf("the drop-in changes nothing: %s", with[1])
	}
	t.Logf("with rashost-ppp.conf: exposure %s", with[1])
}

// systemd understands every line of the unit and of the drop-in.
func TestUnitIsUnderstood(t *testing.T) {
	for _, dropIn := range []bool{false, true} {
		if out, err := analyze(t, "verify", "--man=no", units(t, dropIn)); err != nil || strings.TrimSpace(out) != "" {
			t.Errorf("%v: %s", err, out)
		}
	}
	spoilt := units(t, false)
	data, err := os.ReadFile(spoilt)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(spoilt, append([]byte("[Service]\nProtectHome=perhaps\n"), data...), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, _ := analyze(t, "verify", "--man=no", spoilt); !strings.Contains(out, "perhaps") {
		t.Errorf("verify finds nothing wrong with ProtectHome=perhaps: %q", out)
	}
}

// The udev rules run before ModemManager's (77 and 80) and after brltty's (85 and 90), each GOTO has its LABEL, and each line is a list
// of KEY operator "value".
func TestComplaint2_7_UdevRulesKeepOthersOff(t *testing.T) {
	word := regexp.MustCompile(`^[A-Z]+(\{[A-Za-z_]+\})?(==|!=|=|\+=|:=)"[^"]*"$`)
	for name, want := range map[string]string{"70-rashost.rules": `ENV{ID_MM_DEVICE_IGNORE}="1"`, "99-rashost.rules": `ENV{SYSTEMD_WANTS}="", RUN="/bin/true"`} {
		data, err := os.ReadFile(filepath.Join("udev", name))
		if err != nil {
			t.Fatal(err)
		}
		text := string(data)
		if !strings.Contains(text, want) {
			t.Errorf("%s does not say %s", name, want)
		}
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line == "" || strings.HasPrefix(line, "#") {
				continue
			}
			for part := range strings.SplitSeq(line, ", ") {
				if !word.MatchString(part) {
					t.Errorf("%s: %q is no rule", name, part)
				}
				if label, ok := strings.CutPrefix(part, "GOTO="); ok && !strings.Contains(text, "\nLABEL="+label) {
					t.Errorf("%s: no label %s", name, label)
				}
			}
		}
	}
}

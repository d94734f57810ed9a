package hardware

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
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

// exposureNoise is how far the figure may be above the documented one: versions of systemd weigh differently.
const exposureNoise = 0.2

// exposed is the figure of systemd-analyze, from 0 to 10.
func exposed(t *testing.T, dropIn bool) float64 {
	t.Helper()
	out, err := analyze(t, "security", "--offline=true", "--threshold=100", units(t, dropIn))
	figure := exposure.FindStringSubmatch(out)
	if err != nil || figure == nil {
		t.Fatalf("%v:\n%s", err, out)
	}
	f, err := strconv.ParseFloat(figure[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestUnitIsHardened: the unit, and the unit with the drop-in, are exposed no more than docs/operations.md says.
func TestUnitIsHardened(t *testing.T) {
	doc, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	said := regexp.MustCompile(`exposure of ([0-9]+\.[0-9]) without the drop-in and ([0-9]+\.[0-9]) with it`).FindStringSubmatch(string(doc))
	if said == nil {
		t.Fatal("docs/operations.md does not say how exposed the unit is")
	}
	var got [2]float64
	for i, dropIn := range []bool{false, true} {
		limit, err := strconv.ParseFloat(said[i+1], 64)
		if err != nil {
			t.Fatal(err)
		}
		got[i] = exposed(t, dropIn)
		t.Logf("drop-in %v: exposure %.1f, documented is %.1f", dropIn, got[i], limit)
		if got[i] > limit+exposureNoise {
			t.Error("that is more than is documented")
		}
	}
	if got[1] <= got[0] {
		t.Error("the drop-in changes nothing")
	}
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

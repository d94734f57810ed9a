package e2e

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"

	"rashost/plugin"
)

// nativeBuild is rasdll and two libraries, built once, in a folder that every account can enter.
var nativeBuild = sync.OnceValues(func() (folder string, err error) {
	if folder, err = os.MkdirTemp(filepath.Dir(binary), "native-"); err != nil {
		return "", err
	}
	if err := os.Chmod(folder, 0o755); err != nil {
		return "", err
	}
	commands := [][]string{{"make", "-C", "../..", "rasdll", "RASDLL=" + filepath.Join(folder, "rasdll")}}
	for _, name := range []string{"guard", "mishap"} {
		commands = append(commands, []string{"gcc", "-fms-extensions", "-fshort-wchar", "-fPIC", "-shared", "-I../../plugin/native/include",
			"../../plugin/native/testdata/" + name + ".c", "-o", filepath.Join(folder, name+".so")})
	}
	for _, c := range commands {
		if out, err := exec.Command(c[0], c[1:]...).CombinedOutput(); err != nil {
			return "", fmt.Errorf("%v: %w\n%s", c, err, out)
		}
	}
	return folder, nil
})

// nativeConf has a line "vault" whose callers a security library asks, and a bystander's line.
func nativeConf(t *testing.T, library string) *conf {
	t.Helper()
	needsProgram(t, "gcc", "gcc")
	needsProgram(t, "make", "make")
	folder, err := nativeBuild()
	must(t, err)
	c := newConf("vault", "other")
	c.line("vault").keys = "dialog: vault"
	c.dialogs += fmt.Sprintf("  vault: {plugin: native, timeout: 20s, end_grace: 2s%s, options: {library: %s, rasdll: %s, registry: {'HKLM\\SOFTWARE\\Guard\\Word': swordfish}}}\n",
		account(), filepath.Join(folder, library), filepath.Join(folder, "rasdll"))
	return c
}

// TestNativePlugin: a C library with the source of a Windows security DLL decides who gets the line.
func TestNativePlugin(t *testing.T) {
	t.Parallel()
	h := startHost(t, nativeConf(t, "guard.so"))
	by := h.bystander("other")
	c := h.modems["vault"].dial(t)
	c.answers("caller7", "secret-7")
	c.expect(ready + " caller7")
	c.echoes("through")
	c.hangUp()
	r := h.wantRecord("vault", 1, record{cause: "Lost-Carrier", verdict: "success", user: "caller7", service: "echo"})
	if r.Plugin != "native" {
		t.Errorf("plugin %q", r.Plugin)
	}
	if text := h.ok("plugins"); !contains(text, "guard.so", "vault") {
		t.Errorf("plugins: %s", text)
	}
	h.wantState("vault", "listening")
	c = h.modems["vault"].dial(t)
	for range 3 {
		c.answers("caller7", "secret-8")
	}
	c.ended()
	h.wantRecord("vault", 2, record{cause: "Service-Unavailable", verdict: "failure", events: []uint32{uint32(plugin.EventSecurityFailure)}})
	by.undisturbed()
}

// TestNativePluginCrashes: a library that dies in the dialog is an Error 1067 in the record, and the next caller is served.
func TestNativePluginCrashes(t *testing.T) {
	t.Parallel()
	h := startHost(t, nativeConf(t, "mishap.so"))
	by := h.bystander("other")
	c := h.modems["vault"].dial(t)
	c.expect("What: ")
	c.send("crash")
	c.ended()
	r := h.wantRecord("vault", 1, record{cause: "NAS-Error", verdict: "error", events: []uint32{uint32(plugin.EventSecurityInternal)}})
	if r.Code != uint32(plugin.ErrorProcessAborted) {
		t.Errorf("code %d, want 1067", r.Code)
	}
	h.wantState("vault", "listening")
	c = h.modems["vault"].dial(t)
	c.expect("What: ")
	c.send("ok")
	c.expect(ready + " well")
	by.undisturbed()
}

// TestNativePluginMustLoad: no library named is event 20095, a library that cannot be loaded 20096; either stops the start.
func TestNativePluginMustLoad(t *testing.T) {
	t.Parallel()
	for event, options := range map[string]string{"20095": "options: {}", "20096": "options: {library: nowhere.so}"} {
		c := newConf("vault", "other")
		c.line("vault").keys = "dialog: vault"
		c.dialogs += "  vault: {plugin: native" + account() + ", " + options + "}\n"
		h := newHost(t, c)
		h.launch()
		h.wantExit(2)
		if !contains(h.log.String(), "event "+event, "dialogs.vault") {
			t.Errorf("%s: %s", options, h.log)
		}
	}
}

// TestCommandsLeaveNothingBehind: what a plugin puts into the temporary folder goes with the command that made it.
func TestCommandsLeaveNothingBehind(t *testing.T) {
	t.Parallel()
	h := newHost(t, nativeConf(t, "guard.so"))
	folder := filepath.Join(h.dir, "tmp")
	must(t, os.Mkdir(folder, 0o777))
	must(t, os.Chmod(folder, 0o777))
	for _, args := range [][]string{{"plugins"}, {"check"}} {
		cmd := exec.Command(binary, append([]string{"-c", h.configPath()}, args...)...)
		cmd.Env = append(os.Environ(), "TMPDIR="+folder)
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%v: %v\n%s", args, err, out)
		}
		if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
			t.Errorf("%v leaves %v, %v", args, left, err)
		}
	}
}

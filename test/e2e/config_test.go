package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// profile is a modem profile without the waits that real modems need.
const profile = `name: fast
description: virtual modem without delays
command_timeout: 1s
init:
  - {send: ATQ0, unverified: true}
  - {send: ATV1, unverified: true}
  - {send: ATE0, unverified: true}
  - {send: "AT&C1", optional: true, unverified: true}
  - {send: "AT&D2", optional: true, unverified: true}
  - {send: ATS0=0, unverified: true}
  - {send: ATS2=255, optional: true, unverified: true}
caller_id: {format: formatted, before_first_ring: true, enable: [{send: AT+VCID=1, unverified: true}]}
answer: {command: ATA, timeout: 20s, unverified: true}
reset: {command: ATZ, unverified: true}
hangup: {dtr_time: 20ms, escape: "+++", guard: 20ms, command: ATH, unverified: true}
recover:
  - {send: ATH, optional: true, unverified: true}
dtr: hangup
carrier: auto
flow: none
`

// lineConf is one line of a configuration.
type lineConf struct {
	name string
	// device is the device; "" is a link in the host's folder that leads to a virtual modem.
	device string
	// keys are more keys of the line, in YAML's flow style; they win over the defaults.
	keys string
}

// conf is a configuration. Empty parts have the defaults of write.
type conf struct {
	locks    string // folders for lock files; none
	top      string // further top-level keys
	lines    []lineConf
	dialogs  string
	services string
}

const defaultDialogs = `  staff: {plugin: password, timeout: 60s, attempts: 3, banner: "Authorised use only.", options: {file: users.yaml}}
`

// ready is what the service of default says when it begins.
const ready = "READY"

func defaultServices() string {
	return fmt.Sprintf("  echo: {type: command, command: [/bin/sh, -c, 'stty -echo; echo READY $RASHOST_USER $RASHOST_LINE; exec cat'], idle: 1h, grace: 1s%s}\n", runAs())
}

// runAs is the key that root must write.
func runAs() string {
	if os.Geteuid() == 0 {
		return ", run_as: nobody"
	}
	return ""
}

// newConf has the lines of that name, each with a virtual modem, the password dialog and a service that echoes.
func newConf(names ...string) *conf {
	c := &conf{dialogs: defaultDialogs, services: defaultServices()}
	for _, n := range names {
		c.lines = append(c.lines, lineConf{name: n})
	}
	return c
}

// line returns the line of that name, to change it.
func (c *conf) line(name string) *lineConf {
	for i := range c.lines {
		if c.lines[i].name == name {
			return &c.lines[i]
		}
	}
	panic("no line " + name)
}

// write makes the configuration file and the profile in dir.
func (c *conf) write(dir string) error {
	var b strings.Builder
	b.WriteString("state_dir: state\ncontrol: control.sock\nlock_dirs: [" + c.locks + "]\nprofiles: profiles\nlog: {level: debug, format: text}\n")
	b.WriteString(c.top)
	b.WriteString("lines:\n")
	for _, l := range c.lines {
		device := l.device
		if device == "" {
			device = devicePath(dir, l.name)
		}
		keys := []string{"name: " + l.name, `device: "` + device + `"`}
		for _, d := range []string{"modem: fast", "settle: 0", "recovery: 1s", "dialog: staff", "service: echo"} {
			if name, _, _ := strings.Cut(d, ":"); !strings.Contains(l.keys, name+":") {
				keys = append(keys, d)
			}
		}
		if l.keys != "" {
			keys = append(keys, l.keys)
		}
		fmt.Fprintf(&b, "  - {%s}\n", strings.Join(keys, ", "))
	}
	fmt.Fprintf(&b, "dialogs:\n%sservices:\n%s", c.dialogs, c.services)
	if err := os.MkdirAll(filepath.Join(dir, "profiles"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "profiles", "fast.yaml"), []byte(profile), 0o644); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(dir, "config.yaml"), []byte(b.String()), 0o644)
}

// devicePath is where the device of a line is linked.
func devicePath(dir, line string) string { return filepath.Join(dir, "dev", line) }

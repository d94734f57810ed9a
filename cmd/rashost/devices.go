package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rashost/internal/config"
	"rashost/port"
	"rashost/port/hotplug"
)

func newDevicesCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "devices",
		Short: "the serial ports of this machine, and the names to configure them by",
		Long: "Lists the serial ports that are there, each with the name that changes least: give that as a line's `device`. No port is opened, so a\n" +
			"call in progress is not disturbed.",
		Args: arguments(),
		RunE: func(*cobra.Command, []string) error {
			ports, err := hotplug.List("/")
			if err != nil {
				return err
			}
			devices := deviceViews(ports, a.configuredNodes(), machine{holder: port.Holder, modemManager: modemManagerRuns("/proc")})
			if asJSON {
				return a.printJSON(devicesReply{devices})
			}
			return writeDevices(a.stdout, devices)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON (docs/json.md)")
	return cmd
}

// devicesReply is `rashost devices --json`.
type devicesReply struct {
	Devices []deviceView `json:"devices"`
}

// deviceView is one serial port.
type deviceView struct {
	Name string `json:"name"`
	hotplug.Port
	// Line is the line that the configuration gives it to, HeldBy the process that has it open; "" and 0 for none that can be seen.
	Line      string   `json:"line"`
	HeldBy    string   `json:"held_by"`
	HeldByPID int      `json:"held_by_pid"`
	Advice    []string `json:"advice"`
}

// machine is what this machine knows of a port beyond sysfs.
type machine struct {
	holder       func(node string) (pid int, command string)
	modemManager bool // it runs
}

// deviceViews puts together what is known; lines are the names of lines by node.
func deviceViews(ports []hotplug.Port, lines map[string]string, m machine) []deviceView {
	views := make([]deviceView, 0, len(ports))
	for _, p := range ports {
		v := deviceView{Name: p.Name(), Port: p, Line: lines[p.Device], Advice: []string{}}
		v.HeldByPID, v.HeldBy = m.holder(p.Device)
		if p.Bus == "usb" && p.ByID == "" && p.ByPath != "" {
			v.Advice = append(v.Advice, "another adapter says the same of itself: configure it by its socket, "+p.ByPath)
		}
		if p.Bus == "usb" && p.ByID == "" && p.ByPath == "" {
			v.Advice = append(v.Advice, "udev made no lasting name for it, and "+p.Device+" may be another one after the next plug-in: see hardware/udev")
		}
		if m.modemManager && !p.KeptOff && p.Bus == "usb" {
			v.Advice = append(v.Advice, "ModemManager is running and may talk to it: install hardware/udev/70-rashost.rules")
		}
		views = append(views, v)
	}
	return views
}

// configuredNodes are the nodes of the configured lines. A configuration that is missing or faulty gives what can be read of it.
func (a *app) configuredNodes() map[string]string {
	lines := map[string]string{}
	c, _ := config.Inspect(a.configPath, config.Env{})
	if c == nil {
		return lines
	}
	for _, l := range c.Lines {
		if node, err := filepath.EvalSymlinks(c.ResolveDevice(l.Device)); err == nil {
			lines[node] = l.Name
		}
	}
	return lines
}

// modemManagerRuns looks for the program that sends AT to every port that may be a modem.
func modemManagerRuns(proc string) bool {
	names, err := filepath.Glob(filepath.Join(proc, "[0-9]*", "comm"))
	if err != nil {
		return false
	}
	for _, name := range names {
		if comm, err := os.ReadFile(name); err == nil && strings.TrimSpace(string(comm)) == "ModemManager" {
			return true
		}
	}
	return false
}

// writeDevices writes the list for people.
func writeDevices(w io.Writer, devices []deviceView) error {
	if len(devices) == 0 {
		_, err := fmt.Fprintln(w, "there is no serial port; `dmesg` says whether the kernel has seen one")
		return err
	}
	table := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tNOW\tWHAT\tUSED BY")
	for _, d := range devices {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\n", onScreen(d.Name), d.Device, cell(d.what(), 48), cell(d.usedBy(), 64))
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, d := range devices {
		for _, text := range d.Advice {
			if _, err := fmt.Fprintf(w, "%s: %s\n", d.Device, onScreen(text)); err != nil {
				return err
			}
		}
	}
	return nil
}

// what says what a port is.
func (d deviceView) what() string {
	words := []string{d.Manufacturer, d.Product}
	if d.Product == "" && d.VendorID != "" {
		words = append(words, d.VendorID+":"+d.ProductID)
	}
	if d.Manufacturer == "" && d.Product == "" {
		words = append(words, d.Bus)
	}
	if d.Driver != "" {
		words = append(words, "("+d.Driver+")")
	}
	return strings.Join(strings.Fields(strings.Join(words, " ")), " ")
}

// usedBy says who has a port.
func (d deviceView) usedBy() string {
	holder := ""
	if d.HeldByPID != 0 {
		holder = fmt.Sprintf("%s (process %d)", d.HeldBy, d.HeldByPID)
	}
	switch {
	case d.Line != "" && holder != "":
		return "line " + d.Line + ", " + holder
	case d.Line != "":
		return "line " + d.Line
	default:
		return holder
	}
}

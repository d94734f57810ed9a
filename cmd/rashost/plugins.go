package main

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	"rashost/internal/admin"
	"rashost/plugin"
)

func newPluginsCommand(a *app) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "plugins",
		Short: "built-in and configured plugins, and where each came from",
		Long:  "Lists the plugins of the running rashost; without one, those that the configuration would give.",
		Args:  arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			var reply admin.PluginsReply
			client, err := a.dial(cmd.Context())
			if err == nil {
				defer client.Close()
				reply, err = client.Plugins(cmd.Context())
			} else {
				reply.Plugins, err = a.pluginsOffline()
			}
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(reply)
			}
			writePlugins(a.stdout, reply.Plugins)
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON (docs/json.md)")
	return cmd
}

// pluginsOffline lists the plugins without a daemon. A configuration that cannot be read leaves the built-in ones.
func (a *app) pluginsOffline() ([]admin.PluginView, error) {
	c, err := a.loadConfig()
	if err != nil {
		fmt.Fprintln(a.stderr, "the dialogs are not shown, because the configuration cannot be used: see `rashost check`")
		return pluginViews(pluginTable(), nil), nil
	}
	// Its error names what the views show too, and faults of services, which are not asked for here.
	h, _ := newHouse(c, nil, pluginTable(), slog.New(slog.DiscardHandler))
	defer h.retire(nil)
	return pluginViews(pluginTable(), h), nil
}

// ownProcess is a plugin whose program runs in a process of its own.
type ownProcess interface {
	// Program is the path of what decides.
	Program() string
	// Contained says whether everything that the program starts dies with it, and why not.
	Contained() (bool, string)
}

// processKinds are the plugins of the table that are an ownProcess.
var processKinds = []string{"external", "native"}

// pluginViews lists the plugins of the table with the dialogs of h that use them; h may be nil. A plugin with a process of its own has a
// row for each dialog, because each runs another program.
func pluginViews(table map[string]plugin.Factory, h *house) []admin.PluginView {
	var views []admin.PluginView
	for _, name := range slices.Sorted(maps.Keys(table)) {
		v := admin.PluginView{Name: name, Kind: "built-in", From: "rashost", Dialogs: []string{}}
		var uses []string
		if h != nil {
			for _, dialog := range sorted(h.dialogs) {
				if h.dialogs[dialog].pluginName == name {
					uses = append(uses, dialog)
				}
			}
		}
		if slices.Contains(processKinds, name) {
			v.Kind = name
			for _, dialog := range uses {
				views = append(views, processView(v, dialog, h.dialogs[dialog]))
			}
			if len(uses) > 0 {
				continue
			}
		}
		var faults []error
		for _, dialog := range uses {
			v.Dialogs = append(v.Dialogs, dialog)
			faults = append(faults, h.dialogs[dialog].err)
		}
		if err := errors.Join(faults...); err != nil {
			v.Error = err.Error()
		}
		views = append(views, v)
	}
	return views
}

// processView is the row of one dialog whose plugin has a process of its own.
func processView(v admin.PluginView, dialog string, use *dialogUse) admin.PluginView {
	v.Dialogs = []string{dialog}
	if use.err != nil {
		v.Error = use.err.Error()
	}
	if p, ok := use.plugin.(ownProcess); ok {
		v.From = p.Program()
		if contained, why := p.Contained(); !contained {
			v.Remark = "escaped children are possible: " + why
		}
	}
	return v
}

func writePlugins(w io.Writer, plugins []admin.PluginView) {
	t := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(t, "PLUGIN\tKIND\tFROM\tDIALOGS\tREMARK")
	for _, p := range plugins {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", cell(p.Name, 40), cell(p.Kind, 20), cell(p.From, 60), cell(strings.Join(p.Dialogs, ", "), 60),
			cell(cmp.Or(p.Error, p.Remark), 300))
	}
	_ = t.Flush() // as with every print: who reads has gone
}

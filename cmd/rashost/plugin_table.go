package main

import (
	"rashost/plugin"
	"rashost/plugin/anyone"
	"rashost/plugin/external"
	"rashost/plugin/password"
)

// pluginTable is the one list of Go plugins. A plugin is used only when a dialog names it.
func pluginTable() map[string]plugin.Factory {
	return map[string]plugin.Factory{
		"anyone":   anyone.New,
		"external": external.New,
		"password": password.NewFactory(),
	}
}

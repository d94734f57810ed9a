package main

import (
	"rashost/plugin"
	"rashost/plugin/anyone"
	"rashost/plugin/external"
	"rashost/plugin/native"
	"rashost/plugin/password"
	"rashost/plugin/sasl"
	"rashost/plugin/sspi/httpline"
)

// pluginTable is the one list of plugins. A plugin is used only when a dialog names it.
func pluginTable() map[string]plugin.Factory {
	return map[string]plugin.Factory{
		"anyone":   anyone.New,
		"external": external.New,
		"native":   native.New,
		"password": password.NewFactory(),
		"sasl":     sasl.New,
		"sspi":     httpline.New,
	}
}

package main

import (
	"sync"

	"rashost/plugin"
	"rashost/plugin/anyone"
	"rashost/plugin/external"
	"rashost/plugin/native"
	"rashost/plugin/password"
	"rashost/plugin/sasl"
	"rashost/plugin/sspi/httpline"
	"rashost/plugin/users"
)

// pluginTable is the one list of plugins. A plugin is used only when a dialog names it.
func pluginTable() map[string]plugin.Factory {
	hashes := sync.OnceValues(users.NewHashes) // one queue for all plugins
	attempts := users.NewAttempts(0, nil)      // and one count of failures
	return map[string]plugin.Factory{
		"anyone":   anyone.New,
		"external": external.New,
		"native":   native.New,
		"password": password.NewFactory(hashes),
		"sasl":     sasl.NewFactory(hashes, attempts),
		"sspi":     httpline.NewFactory(attempts),
	}
}

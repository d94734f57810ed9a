package main

import (
	"os"

	"rashost/plugin/external/launch"
)

// execPlugin ends the process when it is the helper between the daemon and a plugin's program, and returns otherwise. No other command is
// set up for it, because it runs once for every call that a plugin of its own process decides.
func execPlugin(args []string) {
	if len(args) > 1 && args[1] == launch.Command {
		os.Exit(launch.Main(args[2:]))
	}
}

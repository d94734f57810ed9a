package external

import (
	"os"
	"testing"

	"go.uber.org/goleak"

	"rashost/plugin/external/launch"
)

// TestMain is also the helper that starts programs.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == launch.Command {
		os.Exit(launch.Main(os.Args[2:]))
	}
	goleak.VerifyTestMain(m)
}

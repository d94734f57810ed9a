package native

import (
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"rashost/plugin"
	"rashost/plugin/external"
	"rashost/plugin/external/launch"
)

const (
	// checkLimit is how long a library may take to be loaded and unloaded.
	checkLimit = 10 * time.Second
	// reasonMax is how much of rasdll's reason is kept, in bytes.
	reasonMax = 4096
)

// checkLibrary runs `rasdll --check` as the plugin will run. What rasdll says against the library is the error.
func checkLibrary(s plugin.Setup, p external.Program) error {
	rasdll, library := p.Command[0], p.Command[len(p.Command)-1]
	child, err := launch.Start(launch.Spec{
		Name: filepath.Base(library), Command: p.Command, Dir: p.Dir, Env: p.Env, User: s.User, Limits: s.Limits,
		Read: p.Read, Write: p.Write, Log: s.Log,
	})
	if err != nil {
		return cannotLoad("%w", err)
	}
	defer child.Stdout.Close()
	defer child.Stderr.Close()
	child.Stdin.Close()
	timer := time.AfterFunc(checkLimit, child.Kill)
	// What the library prints at load goes nowhere: only rasdll's own reason, on standard error, is wanted. Once the process is dead the
	// launcher ends both.
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		_, _ = io.Copy(io.Discard, child.Stdout)
	}()
	text, _ := io.ReadAll(io.LimitReader(child.Stderr, reasonMax))
	_, _ = io.Copy(io.Discard, child.Stderr)
	<-drained
	err = child.Wait()
	late := !timer.Stop()
	switch {
	case late:
		return cannotLoad("library %s was not loaded within %v", library, checkLimit)
	case err != nil:
		return cannotLoad("library %s: %s", library, reason(text, fmt.Sprintf("%s --check ended with %v", rasdll, err)))
	}
	return nil
}

// reason makes one line of what rasdll has written, fit for a screen; otherwise stands in for nothing.
func reason(text []byte, otherwise string) string {
	var parts []string
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		line = strings.TrimPrefix(line, "rasdll: ")
		if quoted := strconv.Quote(line); quoted != `"`+line+`"` {
			line = quoted
		}
		if line != "" {
			parts = append(parts, line)
		}
	}
	if len(parts) == 0 {
		return otherwise
	}
	return strings.Join(parts, "; ")
}

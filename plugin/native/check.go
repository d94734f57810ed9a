package native

import (
	"bytes"
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

// checkLibrary runs `rasdll --check` as the plugin will run, for at most limit. What rasdll says against the library is the error.
func checkLibrary(s plugin.Setup, p external.Program, limit time.Duration) error {
	rasdll, library := p.Command[0], p.Command[len(p.Command)-1]
	spec := launch.Spec{
		Name: filepath.Base(library), Command: p.Command, Dir: p.Dir, Env: p.Env, User: s.User, Limits: s.Limits,
		Read: p.Read, Write: p.Write, Files: p.Files, Log: s.Log,
	}
	if err := launch.Check(spec); err != nil {
		return cannotLoad("%w", err)
	}
	child, err := launch.Start(spec)
	if err != nil {
		return cannotLoad("%w", err)
	}
	defer child.Stdout.Close()
	defer child.Stderr.Close()
	child.Stdin.Close()
	timer := time.AfterFunc(limit, child.Kill)
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
		return cannotLoad("library %s was not loaded within %v", library, limit)
	case err != nil && len(bytes.TrimSpace(text)) == 0:
		return cannotLoad("library %s: %s --check ended with %w", library, rasdll, err)
	case err != nil:
		return cannotLoad("%s", reason(text))
	}
	return nil
}

// reason makes one line, fit for a screen, of what rasdll has written, which names the library.
func reason(text []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(text)) {
		line = strings.TrimPrefix(strings.TrimSpace(line), "rasdll: ")
		if line == "" {
			continue
		}
		if quoted := strconv.Quote(line); len(quoted) != len(line)+len(`""`) {
			line = quoted
		}
		switch before := b.String(); {
		case before == "":
		case strings.HasSuffix(before, ":"):
			b.WriteString(" ")
		default:
			b.WriteString("; ")
		}
		b.WriteString(line)
	}
	return b.String()
}

package port

import (
	"errors"
	"fmt"
	"slices"
	"time"
)

// AutobaudMode says how a direct line finds the caller's speed (configuration, `autobaud`).
type AutobaudMode string

// The autobaud modes. The empty mode is AutobaudNone.
const (
	// AutobaudNone: the line's own speed counts.
	AutobaudNone AutobaudMode = "none"
	// AutobaudCR: the caller presses Enter. What does not arrive as CR makes the line try its next speed.
	AutobaudCR AutobaudMode = "cr"
	// AutobaudBreak: each break makes the line try its next speed; a CR begins the call.
	AutobaudBreak AutobaudMode = "break"
)

// autobaudDeaf is how long after a change of speed nothing counts: it is the rest of what came at the wrong one. A person presses no key
// twice in that time, and a character of 50 bit/s takes it.
const autobaudDeaf = 200 * time.Millisecond

// autobaud is the search for the caller's speed.
type autobaud struct {
	at   int       // which of LineConfig.Speeds is tried, or was found
	deaf time.Time // until when nothing counts
	// carrier: it is up, as far as is known
	carrier bool
}

// autobauds says whether the line looks for its caller's speed.
func (c *LineConfig) autobauds() bool {
	return c.direct() && len(c.Speeds) > 0 && (c.Autobaud == AutobaudCR || c.Autobaud == AutobaudBreak)
}

// checkAutobaud finds what makes the search impossible.
func (c *LineConfig) checkAutobaud() error {
	switch c.Autobaud {
	case "", AutobaudNone:
		return nil
	case AutobaudCR, AutobaudBreak:
	default:
		return fmt.Errorf("autobaud %q: allowed are none, cr, break", c.Autobaud)
	}
	if !c.direct() || len(c.Speeds) == 0 {
		return errors.New("autobaud: only for a direct line, and with speeds")
	}
	for _, speed := range c.Speeds {
		if err := (Settings{Baud: speed}).Validate(); err != nil || speed == 0 {
			return fmt.Errorf("autobaud: speed %d: must be 1 to %d bit/s", speed, MaxBaud)
		}
	}
	return nil
}

// settings are what the device is set to now, while no carrier is obeyed: the configured ones at the speed that is tried or was found.
func (l *line) settings() Settings {
	s := l.cfg.Settings()
	if l.cfg.autobauds() {
		s.Baud = l.cfg.Speeds[l.auto.at]
	}
	return s
}

// firstSpeed begins the search anew.
func (l *line) firstSpeed() {
	if l.cfg.autobauds() && l.auto.at != 0 {
		l.auto.at = len(l.cfg.Speeds) - 1
		l.nextSpeed()
	}
}

// nextSpeed tries the next speed.
func (l *line) nextSpeed() {
	l.auto.at = (l.auto.at + 1) % len(l.cfg.Speeds)
	if err := l.tty.dev.Apply(l.settings()); err != nil {
		l.post(evFailed, "autobaud: "+err.Error())
		return
	}
	_ = l.tty.dev.Flush(In)
	l.auto.deaf = time.Now().Add(autobaudDeaf)
}

// findSpeed looks at what comes while the caller's speed is unknown. It says whether it is known now, and returns what is the caller's.
func (l *line) findSpeed(p []byte) (rest []byte, found bool) {
	if time.Now().Before(l.auto.deaf) {
		return nil, false
	}
	cr := slices.IndexFunc(p, func(b byte) bool { return b&0x7f == '\r' })
	wrong := cr != 0 && l.cfg.Autobaud == AutobaudCR
	if l.cfg.Autobaud == AutobaudBreak {
		wrong = slices.Contains(p, 0) // a break reads as NUL
	}
	switch {
	case wrong:
		l.nextSpeed()
		return nil, false
	case cr < 0:
		return nil, false
	}
	rest = p[cr+1:]
	if len(rest) > 0 && rest[0]&0x7f == '\n' {
		rest = rest[1:]
	}
	return rest, true
}

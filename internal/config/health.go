package config

import (
	"fmt"
	"slices"
	"strings"
)

// weekdays are the words of a maintenance window's days, Sunday first as time.Weekday counts.
var weekdays = []string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

// Weekday returns the number of a word of Maintenance.Days, as time.Weekday counts; -1 for none.
func Weekday(word string) int { return slices.Index(weekdays, word) }

// health checks what keeps a line alive.
func (c *checker) health(path string, l Line) {
	for i, day := range l.Maintenance.Days {
		if Weekday(day) < 0 {
			c.wrong(fmt.Sprintf("%s.maintenance.days[%d]", path, i), "%q is no day: allowed are mon, tue, wed, thu, fri, sat and sun", bounded(day))
		}
	}
	pty := strings.HasPrefix(l.Device, PtyPrefix)
	if l.USBReset > 0 && (pty || strings.HasPrefix(l.Device, SimPrefix)) {
		c.wrong(path+".usb_reset", "%s is no USB device: remove the key", bounded(l.Device))
	}
	if l.DSR == "required" && pty {
		c.wrong(path+".dsr", "a pty has no control signals: remove the key")
	}
	if l.BusyWhenDead && l.Modem == "none" {
		c.wrong(path+".busy_when_dead", "a direct line has no hook: remove the key")
	}
}

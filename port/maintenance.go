package port

import (
	"fmt"
	"slices"
	"time"
)

// Maintenance is a window in which a line takes no new calls: it starts at a time of day, on some days of the week, and lasts. A call
// that is going on ends by itself.
type Maintenance struct {
	// Hour and Minute of the start, in the time zone of the manager's clock. On the day on which clocks are put forward, a start that
	// does not exist is one hour off; on the day on which they are put back, the first of two counts.
	Hour, Minute int
	// For is how long it lasts, above 0 and at most a day, whatever the clocks do meanwhile.
	For time.Duration
	// Days on which it starts; none means every day.
	Days []time.Weekday
}

// check finds what makes a window impossible.
func (m *Maintenance) check() error {
	switch {
	case m == nil:
		return nil
	case m.Hour < 0 || m.Hour > 23 || m.Minute < 0 || m.Minute > 59:
		return fmt.Errorf("maintenance: there is no time %02d:%02d", m.Hour, m.Minute)
	case m.For <= 0 || m.For > 24*time.Hour:
		return fmt.Errorf("maintenance: it lasts %s: allowed is more than 0, up to 24h", m.For)
	}
	return nil
}

// window returns the window that now lies in, and otherwise the next.
func (m *Maintenance) window(now time.Time) (start, end time.Time) {
	year, month, day := now.Date()
	for i := -1; i <= 8; i++ {
		weekday := time.Date(year, month, day+i, 12, 0, 0, 0, time.UTC).Weekday()
		if len(m.Days) > 0 && !slices.Contains(m.Days, weekday) {
			continue
		}
		start = firstOf(time.Date(year, month, day+i, m.Hour, m.Minute, 0, 0, now.Location()))
		if end = start.Add(m.For); end.After(now) {
			break
		}
	}
	return start, end
}

// firstOf is t, or the time that bears the same date and time of day before the clocks were put back.
func firstOf(t time.Time) time.Time {
	for _, back := range []time.Duration{30 * time.Minute, time.Hour} { // Lord Howe Island, and the rest of the world
		if earlier := t.Add(-back); earlier.Format(time.DateTime) == t.Format(time.DateTime) {
			return earlier
		}
	}
	return t
}

// windowLook is the longest time between two looks at the clock, which may be set meanwhile.
const windowLook = time.Hour

// windowOpen says whether a window is open now, and when it ends. One that an operator cut short is not.
func (l *line) windowOpen() (end time.Time, open bool) {
	if l.cfg.Maintenance == nil {
		return time.Time{}, false
	}
	now := l.mgr.clock()
	start, end := l.cfg.Maintenance.window(now)
	return end, !start.After(now) && end.After(l.skipUntil)
}

// awaitWindow sets the timer for the next window.
func (l *line) awaitWindow() {
	if l.cfg.Maintenance == nil {
		return
	}
	now := l.mgr.clock()
	start, end := l.cfg.Maintenance.window(now)
	if !start.After(now) { // cut short
		start = end
	}
	l.in(timeWindow, min(start.Sub(now), windowLook))
}

// windowDue looks at the clock. (The timer of the window.)
func (l *line) windowDue() {
	end, open := l.windowOpen()
	switch {
	case !open:
		l.awaitWindow()
	case l.state == Listening || l.state == Ringing:
		l.post(evMaintenance, maintenanceText(end))
	case l.call != nil:
		l.setPending("maintenance when the call is over")
		l.event(EventMaintenance, "the window is open", "the call in hand goes on")
	}
	// In the other states the line looks again when it comes to listen.
}

func maintenanceText(end time.Time) string {
	return "maintenance until " + end.Format("2006-01-02 15:04")
}

// beginMaintenance takes the line out of service until the window is over. (Maintenance.)
func (l *line) beginMaintenance(o occurrence) {
	l.closeDown(o)
	l.maintained = true
	l.event(EventMaintenance, "the window is open", "no new calls: "+o.why)
	l.lookAtWindow()
}

// lookAtWindow sets the deadline of a line that is in its window.
func (l *line) lookAtWindow() {
	end, _ := l.windowOpen()
	l.in(timeState, max(time.Second, min(end.Sub(l.mgr.clock()), windowLook)))
}

// windowOver puts the line back into service when its window is over. (Deadline of disabled.)
func (l *line) windowOver(occurrence) {
	if _, open := l.windowOpen(); open {
		l.lookAtWindow()
		return
	}
	l.event(EventMaintenance, "the window is over", "the line comes back")
	l.post(evEnable, "maintenance is over")
}

// stayDown makes a line that is in its window one that an operator disabled. (Disable and drain in disabled.)
func (l *line) stayDown(o occurrence) {
	l.maintained, l.reason, l.dirty = false, o.why, true
	l.in(timeState, 0)
}

// setPending notes what follows when the call is over.
func (l *line) setPending(what string) { l.pending, l.dirty = what, true }

// drainLine lets the call in hand end by itself, and then switches the line off. (Drain in a call.)
func (l *line) drainLine(occurrence) {
	if l.draining {
		return
	}
	l.draining = true
	l.setPending("disabled when the call is over")
	l.event(EventDrain, "the line takes no new calls", "it is disabled when the call in hand is over")
}

// keepOn takes a drain back. (Enable in a call.)
func (l *line) keepOn(occurrence) {
	l.draining = false
	l.setPending("")
	l.event(EventDrain, "the line stays in service", "")
}

// allowed says whether an operator may ask for that now, where the table alone cannot say.
func (l *line) allowed(ev event) bool {
	switch ev {
	case evEnable:
		return l.call == nil || l.draining
	case evDisable, evDrain:
		return l.state != Disabled || l.maintained
	default:
		return true
	}
}

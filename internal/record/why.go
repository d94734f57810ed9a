package record

import (
	"fmt"
	"strings"
	"time"

	"rashost/plugin"
	"rashost/port"
)

// Why says in plain words what was decided about a call and why: a sentence, the facts, and the decision chain with the seconds since
// the start of the call. Times are in r.Start's time zone. The text ends with a newline.
func Why(r Row) string {
	var b strings.Builder
	fmt.Fprintf(&b, "Call %s on line %s", r.ID, r.Line)
	if r.Device != "" {
		fmt.Fprintf(&b, " (%s)", r.Device)
	}
	fmt.Fprintf(&b, "\n%s\n\n", verdictSentence(r)+endSentence(r))

	facts := []struct{ name, value string }{
		{"started", r.Start.Format("2006-01-02 15:04:05.000 -07:00")},
		{"answered", after(r, r.Answered)},
		{"decided", after(r, r.Decided)},
		{"ended", after(r, r.End)},
		{"caller", callerText(r)},
		{"dialled", r.Called},
		{"connect", r.Connect},
		{"dialog", with(r.Dialog, "plugin", r.Plugin)},
		{"user", with(r.User, "domain", r.Domain)},
		{"verdict", verdictText(r)},
		{"events", eventsText(r.Events)},
		{"service", with(r.Service, "exit status", r.Exit)},
		{"octets", fmt.Sprintf("%d in, %d out", r.In, r.Out)},
		{"cause", causeText(r)},
	}
	for _, f := range facts {
		if f.value != "" {
			fmt.Fprintf(&b, "  %-9s %s\n", f.name, f.value)
		}
	}
	if len(r.Steps) > 0 {
		b.WriteString("\nStep by step, in seconds since the start:\n")
	}
	for _, s := range r.Steps {
		fmt.Fprintf(&b, "  %9.3f  %s\n", s.At.Sub(r.Start).Seconds(), s.What)
	}
	return b.String()
}

// verdictSentence says whether the caller was let in.
func verdictSentence(r Row) string {
	who := "The caller"
	if r.User != "" {
		who += ", who gave the name " + r.User + ","
	}
	switch r.Verdict {
	case plugin.Success:
		who = r.User
		if who == "" {
			who = "The caller"
		}
		if r.Service == "" {
			return fmt.Sprintf("%s was accepted, but no service was started.", who)
		}
		return fmt.Sprintf("%s was let in to the service %s.", who, r.Service)
	case plugin.Failure:
		return who + " was refused."
	case plugin.Error:
		return who + " was not let in, because no decision could be made: " + r.Code.Text() + "."
	default:
		if r.Open() {
			return "Nothing has been decided yet."
		}
		return "The call ended before anything was decided; nobody was let in."
	}
}

// endSentence says how the call ended.
func endSentence(r Row) string {
	switch {
	case r.Open():
		return " The call is still open."
	case r.Reason != "":
		return " It ended because: " + r.Reason + "."
	default:
		return " It ended: " + causes[r.Cause] + "."
	}
}

// causes in plain words, for records without a reason.
var causes = map[port.TerminateCause]string{
	port.UserRequest:        "the caller or the service finished",
	port.LostCarrier:        "the carrier was lost",
	port.LostService:        "the service went away",
	port.IdleTimeout:        "nothing was sent for too long",
	port.SessionTimeout:     "the time was used up",
	port.AdminReset:         "an operator hung up",
	port.AdminReboot:        "rashost was stopped",
	port.PortError:          "the modem or the line failed",
	port.NASError:           "rashost met an error",
	port.NASRequest:         "rashost ended it by rule",
	port.NASReboot:          "rashost stopped without closing the call",
	port.PortUnneeded:       "the line was not needed any more",
	port.PortPreempted:      "the line was needed for something else",
	port.PortSuspended:      "the line was suspended",
	port.ServiceUnavailable: "the service could not be given",
	port.Callback:           "the caller is called back",
	port.UserError:          "the caller broke the protocol",
	port.HostRequest:        "the far host finished",
}

// after is a time of the call, as its distance from the start.
func after(r Row, t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return fmt.Sprintf("after %.3f s", t.Sub(r.Start).Seconds())
}

// with is value with a second one in parentheses, if there is one.
func with(value, name, second string) string {
	switch {
	case second == "":
		return value
	case value == "":
		return name + " " + second
	default:
		return fmt.Sprintf("%s (%s %s)", value, name, second)
	}
}

func callerText(r Row) string {
	text := r.CallerNumber
	if r.CallerName != "" {
		text = strings.TrimSpace(text + " \"" + r.CallerName + "\"")
	}
	if r.CallerStatus != "" && r.CallerStatus != "present" {
		text = strings.TrimSpace(text + " " + r.CallerStatus)
	}
	return text
}

func verdictText(r Row) string {
	if r.Code == plugin.NoError {
		return r.Verdict.String()
	}
	return fmt.Sprintf("%s, %s", r.Verdict, r.Code.Error())
}

func eventsText(events []plugin.EventID) string {
	words := make([]string, len(events))
	for i, e := range events {
		words[i] = e.String()
	}
	return strings.Join(words, ", ")
}

func causeText(r Row) string {
	if r.Cause == 0 {
		return ""
	}
	return fmt.Sprintf("%s (%d)", r.Cause, int(r.Cause))
}

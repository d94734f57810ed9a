package port

import "strconv"

// TerminateCause says why a call ended, in the words and numbers of Acct-Terminate-Cause (RFC 2866, section 5.10). Zero means that
// nobody has said yet.
type TerminateCause int

// The causes of RFC 2866.
const (
	UserRequest        TerminateCause = 1
	LostCarrier        TerminateCause = 2
	LostService        TerminateCause = 3
	IdleTimeout        TerminateCause = 4
	SessionTimeout     TerminateCause = 5
	AdminReset         TerminateCause = 6
	AdminReboot        TerminateCause = 7
	PortError          TerminateCause = 8
	NASError           TerminateCause = 9
	NASRequest         TerminateCause = 10
	NASReboot          TerminateCause = 11
	PortUnneeded       TerminateCause = 12
	PortPreempted      TerminateCause = 13
	PortSuspended      TerminateCause = 14
	ServiceUnavailable TerminateCause = 15
	Callback           TerminateCause = 16
	UserError          TerminateCause = 17
	HostRequest        TerminateCause = 18
)

var causeNames = [...]string{
	"", "User-Request", "Lost-Carrier", "Lost-Service", "Idle-Timeout", "Session-Timeout", "Admin-Reset", "Admin-Reboot",
	"Port-Error", "NAS-Error", "NAS-Request", "NAS-Reboot", "Port-Unneeded", "Port-Preempted", "Port-Suspended",
	"Service-Unavailable", "Callback", "User-Error", "Host-Request",
}

// String returns the RFC's name, "" for zero.
func (c TerminateCause) String() string {
	if c < 0 || int(c) >= len(causeNames) {
		return "Cause-" + strconv.Itoa(int(c))
	}
	return causeNames[c]
}

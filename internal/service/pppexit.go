package service

import (
	"fmt"

	"rashost/port"
)

// pppExits are pppd's exit codes (pppd(8), "EXIT STATUS") and what they mean for the record, as pppd's own RADIUS plugin maps them.
var pppExits = [...]struct {
	cause port.TerminateCause
	text  string
}{
	0:  {port.UserRequest, "PPP ended regularly"},
	1:  {port.NASError, "pppd met a fatal error"},
	2:  {port.NASError, "pppd does not accept its options"},
	3:  {port.NASError, "pppd is not allowed to run: it needs root"},
	4:  {port.NASError, "pppd says that the kernel has no PPP"},
	5:  {port.AdminReset, "pppd was ended by a signal"},
	6:  {port.PortError, "pppd could not lock the line"},
	7:  {port.PortError, "pppd could not open the line"},
	8:  {port.LostCarrier, "pppd's connect script failed"},
	9:  {port.PortError, "pppd could not run its pty command"},
	10: {port.ServiceUnavailable, "PPP could not be agreed on"},
	11: {port.ServiceUnavailable, "the caller failed to authenticate in PPP"},
	12: {port.IdleTimeout, "PPP was idle too long"},
	13: {port.SessionTimeout, "PPP lasted as long as it may"},
	14: {port.Callback, "the caller is to be called back"},
	15: {port.LostCarrier, "the caller does not answer any more"},
	16: {port.LostCarrier, "the line was hung up"},
	17: {port.NASError, "the line echoes what it is sent"},
	18: {port.PortError, "pppd's init script failed"},
	19: {port.ServiceUnavailable, "we failed to authenticate to the caller"},
	20: {port.NASRequest, "PPP has carried as many octets as it may"},
	21: {port.NASError, "the caller's number is not allowed"},
}

// pppExit translates how pppd ended.
func pppExit(p *process) (port.TerminateCause, string) {
	code := p.cmd.ProcessState.ExitCode()
	switch {
	case p.signalled():
		return port.NASError, "pppd was killed: " + p.exit()
	case code < 0 || code >= len(pppExits):
		return port.NASError, fmt.Sprintf("pppd ended with the unknown code %d", code)
	default:
		return pppExits[code].cause, fmt.Sprintf("%s (pppd exit %d)", pppExits[code].text, code)
	}
}

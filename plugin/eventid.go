package plugin

import "strconv"

// EventID is a number of the RAS event log (20000 and up), kept in logs and records so that operators of RAS know them again.
// Zero means that no such event belongs to the case.
type EventID uint32

// The events of the contract (Knowledge Base Q117304 and the resource kit's registry reference).
const (
	EventDeviceNotFunctioning EventID = 20015
	EventAuthFailure          EventID = 20016
	EventAuthSuccess          EventID = 20017
	EventAuthTransport        EventID = 20018
	EventUserDisconnected     EventID = 20019
	EventUserActiveTime       EventID = 20050
	EventValueOutOfRange      EventID = 20051
	EventAuthTimeout          EventID = 20052
	EventAuthInternal         EventID = 20054
	EventClientCalledBack     EventID = 20068
	EventPasswordExpired      EventID = 20080
	EventAccountExpired       EventID = 20081
	EventNoDialinPrivilege    EventID = 20082
	EventCallbackFailure      EventID = 20093
	EventNoSecurityModuleKey  EventID = 20095
	EventCannotLoadSecurity   EventID = 20096
	EventSecurityFailure      EventID = 20097
	EventSecurityInternal     EventID = 20098
	EventCannotReceive        EventID = 20099
	EventDifferentUser        EventID = 20100
)

// String returns the number.
func (e EventID) String() string { return strconv.FormatUint(uint64(e), 10) }

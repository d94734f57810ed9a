package sspi

import (
	"cmp"
	"fmt"
	"slices"
)

// Status is a status code of the Security Support Provider Interface (Winerror.h, SEC_E_* and SEC_I_*), and a Go error in the way of
// syscall.Errno: compare with ==, or with errors.Is where it is wrapped. SEC_E_OK in an error variable is not nil: return s.Err().
type Status uint32

// statusInfo is one row of the table.
type statusInfo struct {
	status Status
	name   string // as Winerror.h spells it
	text   string // our own words
}

// Class is what a status says about the call: done, done so far, or failed. It is the severity, the highest bit of the number.
type Class int

// The classes.
const (
	ClassSuccess Class = iota // SEC_E_OK
	ClassInfo                 // the call worked and something more is due
	ClassError                // the highest bit is set
)

// String returns the word for c.
func (c Class) String() string {
	switch c {
	case ClassSuccess:
		return "success"
	case ClassInfo:
		return "info"
	default:
		return "error"
	}
}

// Class returns the class of s, also where s is not in the table.
func (s Status) Class() Class {
	switch {
	case s == SEC_E_OK:
		return ClassSuccess
	case s>>31 == 0:
		return ClassInfo
	default:
		return ClassError
	}
}

// Err returns nil for success and information, s for an error.
func (s Status) Err() error {
	if s.Class() != ClassError {
		return nil
	}
	return s
}

// Error returns the text with the name and the number.
func (s Status) Error() string {
	return fmt.Sprintf("%s (%s, 0x%08X)", s.Text(), s.String(), uint32(s))
}

// String returns the name as Winerror.h spells it, "status 0x80091234" for a number that is not in the table. 0x80090302 is
// SEC_E_UNSUPPORTED_FUNCTION; SEC_E_NOT_SUPPORTED is another name for it.
func (s Status) String() string {
	if row, ok := s.info(); ok {
		return row.name
	}
	return fmt.Sprintf("status 0x%08X", uint32(s))
}

// Text returns the meaning in plain words, "unknown status" for a number that is not in the table.
func (s Status) Text() string {
	if row, ok := s.info(); ok {
		return row.text
	}
	return "unknown status"
}

// info finds the first row of s.
func (s Status) info() (statusInfo, bool) {
	i, ok := slices.BinarySearchFunc(statusTable[:], s, func(row statusInfo, s Status) int { return cmp.Compare(row.status, s) })
	if !ok {
		return statusInfo{}, false
	}
	return statusTable[i], true
}

// StatusNames returns every name of the table with its number, in ascending order of the numbers, both names of 0x80090302 included.
func StatusNames() []StatusName {
	all := make([]StatusName, len(statusTable))
	for i, row := range statusTable {
		all[i] = StatusName{Name: row.name, Status: row.status}
	}
	return all
}

// StatusName is one name of the table.
type StatusName struct {
	Name   string
	Status Status
}

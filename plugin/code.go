package plugin

import (
	"cmp"
	"slices"
	"strconv"
)

//go:generate go run ./internal/gencodes codes.csv zcodes.go

// Code is a Winerror.h or Raserror.h number, and a Go error in the way of syscall.Errno. Numbers that Raserror.h lists always read as
// Raserror.h, also where Winerror.h has another meaning for them. Code(0) in an error variable is not nil: return c.Err().
type Code uint32

// codeInfo is one row of the generated table.
type codeInfo struct {
	code Code
	name string // as the header spells it
	text string // our own words
}

// Codes returns every code of the table in ascending order.
func Codes() []Code {
	all := make([]Code, len(codeTable))
	for i, row := range codeTable {
		all[i] = row.code
	}
	return all
}

// Known says whether c is in the table.
func (c Code) Known() bool {
	_, ok := c.info()
	return ok
}

// Err returns nil for NoError and c for anything else, Pending included.
func (c Code) Err() error {
	if c == NoError {
		return nil
	}
	return c
}

// Error returns the text with the name and the number, "code 12345" for a number that is not in the table.
func (c Code) Error() string {
	row, ok := c.info()
	if !ok {
		return c.String()
	}
	return row.text + " (" + row.name + ", " + strconv.FormatUint(uint64(c), 10) + ")"
}

// String returns the name as the header spells it, "code 12345" for a number that is not in the table.
func (c Code) String() string {
	row, ok := c.info()
	if !ok {
		return "code " + strconv.FormatUint(uint64(c), 10)
	}
	return row.name
}

// Text returns the meaning in plain words without name and number, "unknown code" for a number that is not in the table.
func (c Code) Text() string {
	row, ok := c.info()
	if !ok {
		return "unknown code"
	}
	return row.text
}

// info finds c's row.
func (c Code) info() (codeInfo, bool) {
	i, ok := slices.BinarySearchFunc(codeTable[:], c, func(row codeInfo, c Code) int { return cmp.Compare(row.code, c) })
	if !ok {
		return codeInfo{}, false
	}
	return codeTable[i], true
}

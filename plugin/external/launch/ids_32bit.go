//go:build 386 || arm

package launch

import "golang.org/x/sys/unix"

// The calls that change the account of one thread. Those without 32 take ids of 16 bits.
const (
	sysSetgroups = unix.SYS_SETGROUPS32
	sysSetresgid = unix.SYS_SETRESGID32
	sysSetresuid = unix.SYS_SETRESUID32
)

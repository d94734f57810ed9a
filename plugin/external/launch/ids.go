//go:build !386 && !arm

package launch

import "golang.org/x/sys/unix"

// The calls that change the account of one thread.
const (
	sysSetgroups = unix.SYS_SETGROUPS
	sysSetresgid = unix.SYS_SETRESGID
	sysSetresuid = unix.SYS_SETRESUID
)

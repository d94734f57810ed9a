package service

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// searchPath is PATH for everything that we start.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// account is who a program runs as.
type account struct {
	name, home string
	uid        int
	credential *syscall.Credential // nil: as ourselves
}

// CheckRunAs says whether a command may be configured to run as this account by a daemon of that effective user id: root never gets
// in by default.
func CheckRunAs(runAs string, euid int) error {
	_, err := findAccount(runAs, euid)
	return err
}

// ownAccount is the account that rashost itself runs as.
func ownAccount(euid int) account {
	a := account{name: strconv.Itoa(euid), home: "/", uid: euid}
	if u, err := user.LookupId(a.name); err == nil {
		a.name, a.home = u.Username, u.HomeDir
	}
	return a
}

func findAccount(runAs string, euid int) (account, error) {
	if runAs == "" {
		if euid == 0 {
			return account{}, Fault{"run_as", errors.New("is required when rashost runs as root; to run the command as root write root")}
		}
		return ownAccount(euid), nil
	}
	u, err := user.Lookup(runAs)
	if err != nil {
		return account{}, Fault{"run_as", fmt.Errorf("there is no such account as %q on this machine: give a user that getent passwd knows: %w", runAs, err)}
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return account{}, Fault{"run_as", fmt.Errorf("%q: user id %q is no number", runAs, u.Uid)}
	}
	if euid != 0 {
		return ownAccount(euid), nil // only root can set a command apart; `rashost check` warns
	}
	a := account{name: u.Username, home: u.HomeDir, uid: int(uid)}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return account{}, Fault{"run_as", fmt.Errorf("%q: group id %q is no number", runAs, u.Gid)}
	}
	names, err := u.GroupIds()
	if err != nil {
		return account{}, Fault{"run_as", fmt.Errorf("%q: groups: %w", runAs, err)}
	}
	a.credential = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
	for _, name := range names {
		if id, err := strconv.ParseUint(name, 10, 32); err == nil {
			a.credential.Groups = append(a.credential.Groups, uint32(id))
		}
	}
	return a, nil
}

// dir is where a program starts: the account's home if there is one.
func (a account) dir() string {
	if info, err := os.Stat(a.home); err == nil && info.IsDir() {
		return a.home
	}
	return "/"
}

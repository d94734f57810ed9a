package launch

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
)

// searchPath is PATH for every program.
const searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// Check names every fault of s that can be found without starting the program.
func Check(s Spec) error {
	faults := []error{checkCommand(s), checkProgram(s)}
	_, err := findAccount(s.User, os.Geteuid())
	faults = append(faults, err)
	if s.Dir != "" {
		if info, err := os.Stat(s.Dir); err != nil {
			faults = append(faults, fmt.Errorf("working folder: %w", err))
		} else if !info.IsDir() {
			faults = append(faults, fmt.Errorf("working folder: %s is no folder", s.Dir))
		}
	}
	for _, path := range s.Read {
		faults = append(faults, checkPath("read", path))
	}
	for _, path := range s.Write {
		faults = append(faults, checkPath("write", path))
	}
	return errors.Join(faults...)
}

// checkCommand finds what cannot even be handed to the helper.
func checkCommand(s Spec) error {
	if len(s.Command) == 0 || !filepath.IsAbs(s.Command[0]) {
		return errors.New("command: the absolute path of a program is missing")
	}
	for _, text := range append(append([]string{s.Name, s.Dir}, s.Command...), s.Env...) {
		if strings.ContainsRune(text, 0) {
			return errors.New("a NUL cannot be passed to a program")
		}
	}
	for _, v := range s.Env {
		if name, _, ok := strings.Cut(v, "="); !ok || name == "" {
			return fmt.Errorf("env: %q must be NAME=VALUE", v)
		}
	}
	return nil
}

// checkProgram says whether the program can be executed by anybody. Only a start shows whether its own account can.
func checkProgram(s Spec) error {
	if len(s.Command) == 0 {
		return nil
	}
	path := s.Command[0]
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("there is no program %s", path)
	case err != nil:
		return fmt.Errorf("program: %w", err)
	case !info.Mode().IsRegular():
		return fmt.Errorf("%s is no program", path)
	case info.Mode().Perm()&0o111 == 0:
		return fmt.Errorf("%s is not executable: chmod +x %s", path, path)
	}
	return nil
}

// checkPath checks an entry of Read or Write.
func checkPath(list, path string) error {
	if !filepath.IsAbs(path) {
		return fmt.Errorf("%s: %q is not absolute", list, path)
	}
	if _, err := os.Stat(path); err != nil {
		return fmt.Errorf("%s: %w", list, err)
	}
	return nil
}

// Warnings says what of s works and is unwise or without effect, one sentence each. s has passed Check.
func Warnings(s Spec) []string {
	var all []string
	euid := os.Geteuid()
	if euid != 0 && s.User != "" {
		if u, err := user.Lookup(s.User); err == nil && u.Uid != strconv.Itoa(euid) {
			all = append(all, fmt.Sprintf("user %s has no effect, because rashost does not run as root: the plugin runs as rashost's own account", s.User))
		}
	}
	if euid == 0 && s.User == "root" {
		all = append(all, "the plugin runs as root: what it is kept from is only what Landlock covers")
	}
	return all
}

// account is who the program runs as.
type account struct {
	name, home string
	uid, gid   int
}

// findAccount finds the account for a host of that effective user id.
func findAccount(name string, euid int) (account, error) {
	if name == "" && euid == 0 {
		return account{}, errors.New("user is required when rashost runs as root; to run the plugin as root write root")
	}
	if name != "" {
		u, err := user.Lookup(name)
		if err != nil {
			return account{}, fmt.Errorf("there is no account %q on this machine", name)
		}
		if u.Uid == "0" && name != "root" {
			return account{}, fmt.Errorf("account %q is root: to run the plugin as root write root", name)
		}
		if euid == 0 {
			return newAccount(u)
		}
	}
	if u, err := user.LookupId(strconv.Itoa(euid)); err == nil {
		return newAccount(u)
	}
	return account{name: strconv.Itoa(euid), home: "/", uid: euid, gid: os.Getegid()}, nil
}

func newAccount(u *user.User) (account, error) {
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return account{}, fmt.Errorf("account %q: the user id %q is no number", u.Username, u.Uid)
	}
	gid, err := strconv.Atoi(u.Gid)
	if err != nil {
		return account{}, fmt.Errorf("account %q: the group id %q is no number", u.Username, u.Gid)
	}
	return account{name: u.Username, home: u.HomeDir, uid: uid, gid: gid}, nil
}

// environment is everything that the program gets to see. A name of own wins.
func environment(home string, own []string) []string {
	var env []string
	for _, v := range []string{"PATH=" + searchPath, "LANG=C.UTF-8", "HOME=" + home} {
		name, _, _ := strings.Cut(v, "=")
		taken := false
		for _, o := range own {
			taken = taken || strings.HasPrefix(o, name+"=")
		}
		if !taken {
			env = append(env, v)
		}
	}
	return append(env, own...)
}

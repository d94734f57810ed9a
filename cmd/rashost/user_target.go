package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"rashost/internal/config"
	"rashost/plugin/users"
)

// userTarget finds the user file: the one given, or that of the dialog named, or the only one. What every dialog that uses the file needs
// of a user counts together.
func (a *app) userTarget(flags *userFlags) (userTarget, error) {
	if flags.file != "" {
		return a.fileTarget(flags.file)
	}
	c, err := a.loadConfig()
	if err != nil {
		return userTarget{}, err
	}
	all, err := fileUsers(c, userPlugins())
	if err != nil {
		return userTarget{}, err
	}
	meant := all
	if flags.dialog != "" {
		meant = slices.DeleteFunc(slices.Clone(all), func(u fileUser) bool { return u.dialog != flags.dialog })
	}
	if len(meant) == 0 {
		return userTarget{}, usageError(a.noUserFile(flags.dialog))
	}
	for _, u := range meant[1:] {
		if !sameFile(u.file, meant[0].file) {
			return userTarget{}, usageError(fmt.Errorf("the dialogs %s have different user files: say which with --dialog", dialogNames(meant)))
		}
	}
	t := targetOf(all, meant[0].file)
	if len(meant) == 1 {
		t.lockout = users.LockoutPath(c.Resolve(c.StateDir), meant[0].dialog)
	}
	return t, nil
}

// fault is err with the user file that it met, which the faults of reading it name themselves.
func (t userTarget) fault(err error) error {
	if strings.Contains(err.Error(), t.file) {
		return err
	}
	return fmt.Errorf("%s: %w", t.file, err)
}

func (a *app) noUserFile(dialog string) error {
	plugins := strings.Join(slices.Sorted(maps.Keys(userPlugins())), ", ")
	if dialog != "" {
		return fmt.Errorf("%s has no dialog %q with a user file (plugins that have one: %s)", a.configPath, dialog, plugins)
	}
	return fmt.Errorf("%s has no dialog with a user file (plugins that have one: %s): name one with --file", a.configPath, plugins)
}

// fileTarget takes a user file as it is given. A configuration tells, if it is there, what the file's dialogs need.
func (a *app) fileTarget(file string) (userTarget, error) {
	t := userTarget{file: file}
	if _, err := os.Stat(a.configPath); errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	env, err := configEnv()
	if err != nil {
		return t, err
	}
	c, err := config.Load(a.configPath, env)
	var all []fileUser
	if err == nil {
		all, err = fileUsers(c, userPlugins())
	}
	if err != nil {
		fmt.Fprintf(a.stderr, "%s has faults, and what its dialogs need of a user is not known; see: rashost check\n", a.configPath)
		return t, nil
	}
	return targetOf(all, file), nil
}

// fileUser is a dialog that has a user file.
type fileUser struct {
	dialog, file string
	needs        users.Verifiers
}

// fileUsers finds the dialogs whose plugins have a user file, sorted by name.
func fileUsers(c *config.Config, plugins map[string]needs) ([]fileUser, error) {
	var found []fileUser
	for _, name := range sorted(c.Dialogs) {
		d := c.Dialogs[name]
		ask := plugins[d.Plugin]
		if ask == nil {
			continue
		}
		file, v, err := ask(d.DecodeOptions)
		if err != nil {
			return nil, usageError(err)
		}
		if file == "" {
			return nil, usageError(fmt.Errorf("dialogs.%s.options: file is missing: name the user file", name))
		}
		found = append(found, fileUser{name, c.Resolve(file), v})
	}
	return found, nil
}

// targetOf puts together what the dialogs of a file need.
func targetOf(all []fileUser, file string) userTarget {
	t := userTarget{file: file}
	for _, u := range all {
		if !sameFile(u.file, file) {
			continue
		}
		t.needs = t.needs.Union(u.needs)
		if u.needs.Plain {
			t.plain = append(t.plain, u.dialog)
		}
	}
	return t
}

// sameFile says whether two paths name one file, which need not exist yet.
func sameFile(a, b string) bool { return realPath(a) == realPath(b) }

// realPath is the path of a file without symbolic links, as far as they can be followed.
func realPath(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path))
	}
	return path
}

func dialogNames(list []fileUser) string {
	names := make([]string, len(list))
	for i, u := range list {
		names[i] = u.dialog
	}
	return strings.Join(names, ", ")
}

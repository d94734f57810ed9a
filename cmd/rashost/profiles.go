package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"rashost/hardware"
	"rashost/internal/config"
)

// profiles finds modem profiles by name: those of the configuration's folder first, then the built-in ones. A faulty one is there as an
// empty one, since its own faults say enough.
type profiles struct {
	own     map[string]*hardware.Profile
	remarks config.Faults // what lint says of the folder's own
}

func newProfiles(c *config.Config) (profiles, error) {
	p := profiles{own: map[string]*hardware.Profile{}}
	if c.Profiles == "" {
		return p, nil
	}
	files, err := filepath.Glob(filepath.Join(c.Resolve(c.Profiles), "*.yaml"))
	if err != nil {
		return p, c.Fault("profiles", err.Error(), err)
	}
	dict, err := hardware.LoadDictionary()
	if err != nil {
		return p, err
	}
	var faults []error
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		p.own[name] = &hardware.Profile{}
		data, err := readProfile(file)
		if err != nil {
			faults = append(faults, c.Fault("profiles", err.Error(), err))
			continue
		}
		profile, err := parseProfile(file, name, data)
		harmful, unwise := dict.Remarks(&profile, data, file)
		for _, f := range harmful {
			err = errors.Join(err, profileFaults(f))
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		*p.own[name] = profile
		for _, f := range unwise {
			p.remarks = append(p.remarks, configFault(f))
		}
	}
	return p, errors.Join(faults...)
}

// parseProfile finds what is wrong with the shape of a profile, which package config can say best, and with its rules. With an error comes
// what could be read.
func parseProfile(file, name string, data []byte) (hardware.Profile, error) {
	profile, err := hardware.Parse(data, file)
	if shape := config.Shape(file, data, hardware.Profile{}); len(shape) > 0 {
		return profile, append(shape, beyond(shape, err)...).Sorted()
	}
	if err == nil && profile.Name != name {
		before, _, _ := bytes.Cut(append([]byte("\n"), data...), []byte("\nname:"))
		err = hardware.Fault{File: file, Line: bytes.Count(before, []byte("\n")) + 1, Column: 1, Path: "name",
			Text: fmt.Sprintf("%q does not fit the file: give %s, or rename the file", profile.Name, name)}
	}
	return profile, profileFaults(err)
}

// beyond are the faults of a profile's rules that those of its shape have not caused.
func beyond(shape config.Faults, err error) (all config.Faults) {
	touches := func(a, b string) bool {
		return a == "" || strings.HasPrefix(b+".", a+".") || strings.HasPrefix(b, a+"[")
	}
	for _, e := range joined(profileFaults(err)) {
		f, ok := errors.AsType[config.Fault](e)
		if ok && !slices.ContainsFunc(shape, func(s config.Fault) bool { return touches(s.Path, f.Path) || touches(f.Path, s.Path) }) {
			all = append(all, f)
		}
	}
	return all
}

// maxProfile is the largest modem profile, in bytes.
const maxProfile = 1 << 20

// readProfile reads a regular file; what is none could keep us waiting.
func readProfile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() || info.Size() > maxProfile {
		return nil, fmt.Errorf("%s: must be a regular file of at most %d bytes", path, maxProfile)
	}
	return io.ReadAll(io.LimitReader(f, maxProfile))
}

// modems are the profiles that a modem can turn out to have, the folder's own in place of built-in ones of the same name.
func (p profiles) modems() ([]hardware.Profile, error) {
	all, err := hardware.Builtin()
	if err != nil {
		return nil, err
	}
	all = slices.DeleteFunc(all, func(b hardware.Profile) bool { return b.Direct || p.own[b.Name] != nil })
	for _, own := range p.own {
		if own.Name != "" && !own.Direct {
			all = append(all, *own)
		}
	}
	slices.SortFunc(all, func(a, b hardware.Profile) int { return strings.Compare(a.Name, b.Name) })
	return all, nil
}

// find returns the profile of a line's `modem`; nil for "none". For "auto" it is the one that counts until the modem has said what it is.
func (p profiles) find(name string) (*hardware.Profile, error) {
	if name == "auto" {
		name = hardware.Fallback
	}
	if own := p.own[name]; own != nil {
		return own, nil
	}
	if name == "none" {
		return nil, nil
	}
	profile, err := hardware.Load(name)
	if err != nil {
		return nil, err
	}
	return &profile, nil
}

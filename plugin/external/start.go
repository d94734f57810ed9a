package external

import (
	"rashost/plugin"
	"rashost/plugin/external/launch"
)

// starter returns what starts p through the launcher. The error names every fault that can be found without starting it.
func starter(s plugin.Setup, p Program) (func() (*child, error), error) {
	spec := launch.Spec{
		Name: s.Dialog, Command: p.Command, Dir: p.Dir, Env: p.Env, User: s.User, Limits: s.Limits, Read: p.Read, Write: p.Write, Files: p.Files, Log: s.Log,
	}
	if err := launch.Check(spec); err != nil {
		return nil, err
	}
	if s.Warn != nil {
		for _, text := range launch.Warnings(spec) {
			s.Warn(text)
		}
	}
	return func() (*child, error) {
		c, err := launch.Start(spec)
		if err != nil {
			return nil, err
		}
		return &child{stdin: c.Stdin, stdout: c.Stdout, stderr: c.Stderr, kill: c.Kill, wait: c.Wait, contained: c.Contained()}, nil
	}, nil
}

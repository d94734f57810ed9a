package external

import (
	"os/exec"

	"rashost/plugin"
)

// starter returns what starts p, and why its processes cannot be contained.
func starter(_ plugin.Setup, p Program) (start func() (*child, error), why string, err error) {
	return func() (*child, error) {
		cmd := exec.Command(p.Command[0], p.Command[1:]...)
		in, _ := cmd.StdinPipe()
		out, _ := cmd.StdoutPipe()
		errs, _ := cmd.StderrPipe()
		if err := cmd.Start(); err != nil {
			return nil, err
		}
		return &child{stdin: in, stdout: out, stderr: errs, kill: func() { _ = cmd.Process.Kill() }, wait: cmd.Wait}, nil
	}, "", nil
}

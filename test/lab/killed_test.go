package lab

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"testing"
)

// childVariable makes the test's own program a laboratory that waits to be killed.
const childVariable = "RASHOST_LAB_CHILD"

// child boots a machine, says QEMU's process id and does no more.
func child() error {
	i, err := image()
	if err != nil {
		return err
	}
	m, err := Boot(i, Hardware{UARTs: 3}, func(string, ...any) {})
	if err != nil {
		return err
	}
	defer m.Close()
	fmt.Println(m.qemu.Process.Pid)
	select {}
}

// A run that is killed leaves no QEMU and no files.
func TestKilledRunLeavesNothing(t *testing.T) {
	wantPrograms(t)
	t.Parallel()
	_, err := image() // once, not by both
	must(t, err)
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"=1", "TMPDIR="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	var pid int
	_, err = fmt.Fscan(bufio.NewReader(out), &pid)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
	must(t, err)
	eventually(t, "QEMU has ended", func() (bool, string) {
		_, err := os.Stat(fmt.Sprintf("/proc/%d/exe", pid))
		return os.IsNotExist(err), fmt.Sprint(pid, " lives")
	})
	left, err := os.ReadDir(dir)
	must(t, err)
	for _, f := range left {
		t.Errorf("%s was left behind", f.Name())
	}
}

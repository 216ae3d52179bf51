//go:build unix

package scenario

import (
	"os/exec"
	"syscall"
)

// killGroup makes the end of the context of cmd kill its child processes too.
func killGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

package pkcs11

import (
	"os/exec"
	"syscall"
)

// tie has the kernel kill the helper when the thread that started it ends.
func tie(cmd *exec.Cmd) { cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

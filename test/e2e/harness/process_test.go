package harness

import (
	"io"
	"os"
	"os/exec"
	"testing"
)

// The CPU time of a tree includes that of children, living and waited for; the CPU time of a process does not.
func TestProcess(t *testing.T) {
	const count = "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done"
	cmd := exec.Command("sh", "-c", "sh -c '"+count+"'; echo; sh -c 'read x; "+count+"; echo; read x'; true")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skip(err)
	}
	defer cmd.Wait()
	defer in.Close()
	p, line, before := Process(cmd.Process.Pid), make([]byte, 1), 0.0
	for _, child := range []string{"waited for", "alive"} {
		if _, err := out.Read(line); err != nil {
			t.Fatal(err)
		}
		sum, own := p.TreeCPU(t), p.CPU(t)
		if sum <= before || own > (sum-before)/4 {
			t.Errorf("child %s: %v s of the tree after %v s, %v s of the process", child, sum, before, own)
		}
		before = sum
		io.WriteString(in, "\n")
	}
	if self := Process(os.Getpid()); self.Peak(t) < 1 || self.Status(t, "Threads") < 1 {
		t.Errorf("peak %v MiB, %d threads", self.Peak(t), self.Status(t, "Threads"))
	}
}

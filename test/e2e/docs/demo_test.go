package docs

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// startDemo runs `s3ftpd demo` in dir and returns the commands that it prints.
func startDemo(t *testing.T, dir string, args ...string) (cmd *exec.Cmd, lines []string) {
	t.Helper()
	cmd = exec.Command(harness.Program(), append([]string{"demo"}, args...)...)
	cmd.Dir = dir
	log := harness.NewLog()
	cmd.Stderr = log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Logf("the log of s3ftpd demo:\n%s", log.Tail(60))
		}
	})
	for s := bufio.NewScanner(out); s.Scan(); {
		line := strings.TrimSpace(s.Text())
		for _, program := range []string{"curl ", "lftp ", "aws "} {
			if strings.Contains(line, program) {
				lines = append(lines, line)
			}
		}
		if strings.Contains(line, "Ctrl") {
			return cmd, lines
		}
	}
	t.Fatalf("the demo ends: %s", log.Tail(20))
	return nil, nil
}

// TestDemo pastes every line that the demo prints into a shell, twice: the second time the demo has been
// stopped and started again, finds its ports taken, and still has the files.
func TestDemo(t *testing.T) {
	for _, p := range []string{"curl", "lftp"} {
		real.Client(t, p)
	}
	dir := t.TempDir()
	first, _ := startDemo(t, dir)
	second, lines := startDemo(t, t.TempDir()) // beside the first one, on other ports
	paste(t, lines)
	for _, cmd := range []*exec.Cmd{first, second} {
		cmd.Process.Signal(syscall.SIGTERM)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the demo ends with %v", err)
		}
	}
	_, lines = startDemo(t, dir)
	paste(t, lines)
}

func paste(t *testing.T, lines []string) {
	t.Helper()
	if len(lines) < 3 {
		t.Fatalf("the demo prints only %q", lines)
	}
	dir := t.TempDir()
	for _, line := range lines {
		if strings.Contains(line, "aws ") {
			if _, err := exec.LookPath("aws"); err != nil {
				continue // the demo prints it as optional
			}
		}
		t.Log(line + "\n" + harness.Run(t, dir, "", "sh", "-c", line))
	}
}

// TestDemoLargeFile moves a file of 1 GiB in and out of the demo with curl and lftp.
func TestDemoLargeFile(t *testing.T) {
	if testing.Short() {
		t.Skip("moves some GiB")
	}
	for _, p := range []string{"curl", "lftp"} {
		real.Client(t, p)
	}
	dir := t.TempDir()
	addr := real.FreeAddr(t)
	startDemo(t, dir, "--ftp", addr, "--s3", real.FreeAddr(t))
	file, back := filepath.Join(dir, "large"), filepath.Join(dir, "back")
	want := harness.MakeFile(t, file, harness.GiB)
	url := "ftp://demo:demo@" + addr
	harness.Run(t, dir, "", "curl", "-sS", "-T", file, url+"/by-curl")
	harness.Run(t, dir, "", "lftp", "-e", "set ftp:ssl-allow no; put "+file+" -o by-lftp; bye", url)
	for _, get := range [][]string{
		{"curl", "-sS", "-o", back, url + "/by-lftp"},
		{"lftp", "-e", "set ftp:ssl-allow no; get by-curl -o " + back + "; bye", url},
	} {
		harness.Run(t, dir, "", get...)
		if got := harness.SumFile(t, back); got != want {
			t.Errorf("%q brings %s, want %s", get, got, want)
		}
		os.Remove(back)
	}
}

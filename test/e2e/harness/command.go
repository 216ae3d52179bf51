package harness

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

// Run runs a command in dir and returns its output. A failure ends the test.
func Run(t testing.TB, dir string, stdin string, args ...string) string {
	t.Helper()
	out, err := Try(t, dir, stdin, args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

// Try runs a command in dir, with a home directory of its own, for five minutes at most, and returns its output.
func Try(t testing.TB, dir string, stdin string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Until waits for a condition, for a minute.
func Until(t testing.TB, what string, met func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	end := time.After(time.Minute)
	for !met() {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// Quote quotes a word for lftp.
func Quote(word string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(word) + `"`
}

// LftpArgs returns a command line of lftp that runs one command, with a number of attempts.
func LftpArgs(addr string, attempts int, command string) []string {
	return []string{"lftp", "--norc", "-c", fmt.Sprintf("set net:max-retries %d; set net:reconnect-interval-base 0; set net:timeout 30; "+
		"set ftp:ssl-allow no; open -u %s,%s ftp://%s && %s", attempts, User, Password, addr, command)}
}

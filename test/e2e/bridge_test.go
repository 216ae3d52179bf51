package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// program is the s3ftpd under test.
var program string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "s3ftpd-e2e-")
	if err != nil {
		panic(err)
	}
	program = filepath.Join(dir, "s3ftpd")
	build := exec.Command("go", "build", "-o", program, "../../cmd/s3ftpd")
	build.Stderr = os.Stderr
	code := 1
	if err := build.Run(); err == nil {
		code = m.Run()
	}
	os.RemoveAll(dir)
	os.Exit(code)
}

const (
	user     = "tester"
	password = "s3cret"
	bucket   = "files"
)

// A bridge is a running s3ftpd.
type bridge struct {
	t    testing.TB
	addr string
	cmd  *exec.Cmd
	log  *logbook
}

// startBridge runs the program in front of an S3 server until the test is over.
func startBridge(t testing.TB, s3 *real.S3, args ...string) *bridge {
	t.Helper()
	addr := real.FreeAddr(t)
	args = append([]string{"serve", "--ftp", addr, "--endpoint", s3.Endpoint, "--bucket", bucket, "--user", user,
		"--log-format", "json"}, args...)
	return start(t, addr, append(s3.Env(), "S3FTPD_PASSWORD="+password), args...)
}

func start(t testing.TB, addr string, env []string, args ...string) *bridge {
	t.Helper()
	return startCommand(t, addr, env, exec.Command(program, args...))
}

// startCommand is start for a command line that leads to the program.
func startCommand(t testing.TB, addr string, env []string, cmd *exec.Cmd) *bridge {
	t.Helper()
	b := &bridge{t: t, addr: addr, cmd: cmd, log: newLogbook()}
	b.cmd.Args = real.Arguments(b.cmd.Args...)
	b.cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir()}, env...)
	b.cmd.Stderr = b.log
	if err := b.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.cmd.Process.Kill()
		b.cmd.Wait()
		if t.Failed() {
			t.Logf("the log of s3ftpd:\n%s", b.log.tail(60))
		}
	})
	b.log.await(t, "listening")
	return b
}

// stop ends the program as a supervisor does, and returns how it ended.
func (b *bridge) stop() error {
	b.cmd.Process.Signal(syscall.SIGTERM)
	return b.cmd.Wait()
}

func (b *bridge) port() string { return b.addr[strings.LastIndexByte(b.addr, ':')+1:] }

// A logbook collects the log of a program, a JSON object a line.
type logbook struct {
	mu    sync.Mutex
	lines []string
	rest  []byte
	more  chan struct{} // closed at the next line
}

func newLogbook() *logbook { return &logbook{more: make(chan struct{})} }

func (l *logbook) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.rest = append(l.rest, p...); ; {
		line, rest, found := bytes.Cut(l.rest, []byte("\n"))
		if !found {
			return len(p), nil
		}
		l.lines, l.rest = append(l.lines, string(line)), rest
		close(l.more)
		l.more = make(chan struct{})
	}
}

// mark returns where the log ends now.
func (l *logbook) mark() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lines)
}

func (l *logbook) tail(n int) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Join(l.lines[max(0, len(l.lines)-n):], "\n")
}

// entries returns those so far whose message is msg and that have all the given attributes.
func (l *logbook) entries(from int, msg string, attrs ...string) (found []map[string]any) {
	l.mu.Lock()
	lines := l.lines[from:]
	l.mu.Unlock()
	for _, line := range lines {
		if e := entry(line); e != nil && e["msg"] == msg && hasAll(e, attrs) {
			found = append(found, e)
		}
	}
	return found
}

// await returns the first entry whose message is msg and that has all the given attributes, "key=value".
func (l *logbook) await(t testing.TB, msg string, attrs ...string) map[string]any {
	t.Helper()
	return l.awaitFrom(t, 0, msg, attrs...)
}

func (l *logbook) awaitFrom(t testing.TB, from int, msg string, attrs ...string) map[string]any {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
	defer cancel()
	for {
		l.mu.Lock()
		lines, more := l.lines[from:], l.more
		l.mu.Unlock()
		for _, line := range lines {
			if e := entry(line); e != nil && e["msg"] == msg && hasAll(e, attrs) {
				return e
			}
		}
		from += len(lines)
		select {
		case <-more:
		case <-ctx.Done():
			t.Fatalf("the log does not say %q %v; it ends with\n%s", msg, attrs, l.tail(20))
		}
	}
}

func entry(line string) (e map[string]any) {
	if json.Unmarshal([]byte(line), &e) != nil {
		return nil
	}
	return e
}

func hasAll(e map[string]any, attrs []string) bool {
	for _, a := range attrs {
		key, value, _ := strings.Cut(a, "=")
		if fmt.Sprint(e[key]) != value {
			return false
		}
	}
	return true
}

// run runs a client's command line and returns its output; anything but success ends the test.
func run(t testing.TB, dir string, stdin string, args ...string) string {
	t.Helper()
	out, err := try(t, dir, stdin, args...)
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return out
}

func try(t testing.TB, dir string, stdin string, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir, cmd.Stdin = dir, strings.NewReader(stdin)
	cmd.Env = append(os.Environ(), "HOME="+t.TempDir(), "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// again starts the program once more, with the same command line except for the address.
func (b *bridge) again(t testing.TB, addr string) *bridge {
	t.Helper()
	args := append([]string(nil), b.cmd.Args[1:]...)
	for i := range args {
		if args[i] == b.addr {
			args[i] = addr
		}
	}
	return start(t, addr, b.cmd.Env[2:], args...)
}

// kill ends the program as nothing else does.
func (b *bridge) kill() {
	b.cmd.Process.Kill()
	b.cmd.Wait()
}

// until waits for a condition, which has a minute.
func until(t testing.TB, what string, met func() bool) {
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

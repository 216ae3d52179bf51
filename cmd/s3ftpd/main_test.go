package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// asProgram is an environment variable that makes the test binary run as s3ftpd.
const asProgram = "S3FTPD_TEST_AS_PROGRAM"

func TestMain(m *testing.M) {
	if os.Getenv(asProgram) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// program returns a command that runs s3ftpd as a separate process. It is not started.
func program(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self, args...)
	cmd.Env = append(os.Environ(), asProgram+"=1")
	return cmd
}

// output runs the program in this process until it ends.
func output(t *testing.T, stdin string, environ []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second) // ends a program that hangs
	defer cancel()
	var out, err bytes.Buffer
	code = run(ctx, args, environ, strings.NewReader(stdin), &out, &err)
	return code, out.String(), err.String()
}

// A console collects the output of a running program.
type console struct {
	mu   sync.Mutex
	text strings.Builder
	more chan struct{}
}

func newConsole() *console { return &console{more: make(chan struct{})} }

func (c *console) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.Write(p)
	close(c.more)
	c.more = make(chan struct{})
	return len(p), nil
}

func (c *console) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.text.String()
}

// forget drops the output so far.
func (c *console) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.text.Reset()
}

// await waits until the output contains what, and returns the whole output.
func (c *console) await(t *testing.T, what string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		c.mu.Lock()
		text, more := c.text.String(), c.more
		c.mu.Unlock()
		if strings.Contains(text, what) {
			return text
		}
		select {
		case <-more:
		case <-ctx.Done():
			t.Fatalf("%q is not printed, only\n%s", what, text)
		}
	}
}

// A running is the program in this process.
type running struct {
	stdout, stderr *console
	stop           context.CancelFunc
	code           chan int
}

// start runs the program in this process until stop is called or the test ends.
func start(t *testing.T, environ []string, args ...string) *running {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	r := &running{newConsole(), newConsole(), stop, make(chan int, 1)}
	go func() {
		r.code <- run(ctx, real.Arguments(args...), environ, strings.NewReader(""), r.stdout, r.stderr)
	}()
	t.Cleanup(func() { r.end(t) })
	return r
}

// end cancels the program's context and expects exit code 0.
func (r *running) end(t *testing.T) {
	t.Helper()
	if r.stop == nil {
		return
	}
	r.stop()
	r.stop = nil
	if code := <-r.code; code != 0 || t.Failed() {
		t.Errorf("exit code %d\n%s%s", code, r.stdout, r.stderr)
	}
}

func TestVersion(t *testing.T) {
	for _, args := range [][]string{{"version"}, {"--version"}} {
		code, out, _ := output(t, "", nil, args...)
		if code != 0 || !strings.HasPrefix(out, "s3ftpd ") || !strings.Contains(out, runtime.Version()) || strings.Count(out, "\n") != 1 {
			t.Errorf("%v: %d, %q", args, code, out)
		}
	}
}

func TestVersionLine(t *testing.T) {
	info := &debug.BuildInfo{Main: debug.Module{Version: "v1.2.3"}, Settings: []debug.BuildSetting{
		{Key: "vcs.revision", Value: "0123abc"}, {Key: "vcs.time", Value: "2026-01-02T03:04:05Z"}, {Key: "vcs.modified", Value: "true"}}}
	want := fmt.Sprintf("s3ftpd v1.2.3 0123abc+ 2026-01-02T03:04:05Z %s %s/%s", runtime.Version(), runtime.GOOS, runtime.GOARCH)
	if got := versionLine(info); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := versionLine(new(debug.BuildInfo)); !strings.HasPrefix(got, "s3ftpd (devel) go") {
		t.Errorf("got %q", got)
	}
}

func TestHelp(t *testing.T) {
	_, all, _ := output(t, "", nil, "help")
	for _, args := range [][]string{{"--help"}, {"-h"}, {"serve", "--help"}, {"--bucket", "x", "-h"}, {"help", "serve"}, {"help", "--help"}} {
		if code, out, err := output(t, "", nil, args...); code != 0 || out != all || err != "" {
			t.Errorf("%v: %d, %q, %q", args, code, out, err)
		}
	}
	for name := range commands() {
		if !strings.Contains(overview, "s3ftpd "+name) && name != config.Serve {
			t.Errorf("the overview lacks %s", name)
		}
		_, a, _ := output(t, "", nil, name, "--help")
		if code, b, _ := output(t, "", nil, "help", name); code != 0 || a != b || !strings.Contains(b, "s3ftpd "+name) && name != config.Serve {
			t.Errorf("%s --help and help %s differ, or say nothing", name, name)
		}
		for line := range strings.Lines(a) {
			if len(line) > columns+1 {
				t.Errorf("%s: a long line: %s", name, line)
			}
		}
	}
	if !strings.HasSuffix(all, config.Help(config.Serve, columns)) {
		t.Error("the help of serve lacks its options")
	}
}

func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"sevre"}, `s3ftpd: no such command: "sevre"`},
		{[]string{"help", "sevre"}, `s3ftpd: no such command: "sevre"`},
		{[]string{"version", "x"}, `s3ftpd: "x": the command takes no arguments`},
		{[]string{"passwd", "hush"}, "an unexpected argument: must be s3ftpd passwd"},
		{[]string{}, "s3ftpd: --bucket: is missing: must be the name of the bucket to serve\ns3ftpd: --user: is missing: must be a user name"},
		{[]string{"serve", "--bukcet=x", "--memory=lots"}, "s3ftpd: --bukcet: no such option; did you mean --bucket?\ns3ftpd: --memory \"lots\": must be a size"},
		{[]string{"demo", "--max-sessions=-1"}, `s3ftpd: --max-sessions "-1": must be a number of at least 1`},
	} {
		code, out, err := output(t, "", nil, c.args...)
		if code != exitUsage || !strings.Contains(err, c.says) || out != "" {
			t.Errorf("%v: %d, %q, %q", c.args, code, out, err)
		}
		for line := range strings.Lines(err) {
			if !strings.HasPrefix(line, "s3ftpd: ") || !strings.HasSuffix(line, "\n") {
				t.Errorf("%v: a line without its beginning: %q", c.args, line)
			}
		}
	}
}

// An error of standard output makes the command fail.
func TestOutputThatFails(t *testing.T) {
	for _, name := range []string{"version", "help"} {
		var stderr bytes.Buffer
		r, w := io.Pipe()
		r.Close()
		if code := run(t.Context(), []string{name}, nil, strings.NewReader(""), w, &stderr); code != exitFailure {
			t.Errorf("%s: %d, %s", name, code, stderr.String())
		}
	}
}

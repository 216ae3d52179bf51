package scenario

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// A Client is a real client, run by a script.
type Client struct {
	Script  string   // its path
	title   string   // its name on the page
	needs   []string // the programs and files that it runs
	also    []string // extras that only this client supports
	Slow    bool     // it runs with fewer files
	results map[string]map[string]Verdict
}

// readClients reads the directory scripts: each script begins with a description of its client.
func readClients(t *testing.T, modes []string) (all []*Client) {
	t.Helper()
	names, err := filepath.Glob("scripts/*")
	if err != nil || len(names) == 0 {
		t.Fatal("no clients:", err)
	}
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.Mode()&0o111 != 0 {
			c := NewClient(t, name)
			for _, mode := range modes {
				c.results[mode] = map[string]Verdict{}
			}
			all = append(all, c)
		}
	}
	return all
}

// NewClient reads the description of a client in its script.
func NewClient(t *testing.T, name string) *Client {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	c := &Client{Script: path, results: map[string]map[string]Verdict{}}
	for line := range strings.Lines(string(text)) {
		switch key, value, _ := strings.Cut(strings.TrimSpace(line), ": "); key {
		case "# Title":
			c.title = value
		case "# Needs":
			c.needs = strings.Fields(value)
		case "# Also":
			c.also = strings.Fields(value)
		case "# Slow":
			c.Slow = true
		}
	}
	if c.title == "" || len(c.needs) == 0 {
		t.Fatalf("%s does not begin with # Title: and # Needs:", name)
	}
	return c
}

// A Verdict is a cell of the table, with its note. As an error, it is one that the client's script reported by its exit status.
type Verdict struct{ Word, Reason string }

func (v Verdict) Error() string { return v.Word + ": " + v.Reason }

// verdicts are the meanings of a script's exit status.
var verdicts = map[int]string{76: "not tried", 77: "no", 78: "fails"}

// A Task is one run of a client, in one mode, in directories of its own.
type Task struct {
	*Client
	T              *testing.T
	Mode           string // of the client
	Server         *harness.Server
	Addr           string // of the protocol
	Download, Done string // how the log names a download, and the code of a good transfer
	Bucket         harness.Bucket
	Files          []harness.Sample // in the directory Local, and in the bucket under samples/
	Local          string
	Home           string   // a directory of the server, without the slash before it
	Dir            string   // where the client runs
	Path           string   // a directory to search first for its program, with a colon at the end; empty = none
	Env            []string // over the one that Do sets

	second bool     // Mode is not the suite's first
	names  []string // odd ones
}

// Do runs one step of the client and returns its output. Paths on the server are absolute. A client that hangs is killed with its
// child processes.
func (e *Task) Do(step string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(e.T.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.Script, append([]string{step}, args...)...)
	cmd.Dir = e.Dir
	host, port, _ := strings.Cut(e.Addr, ":")
	cmd.Env = append(os.Environ(), "HOME="+e.Dir, "LC_ALL=C.UTF-8", "TZ=UTC", "HOST="+host, "PORT="+port, "MODE="+e.Mode,
		"PATH="+e.Path+os.Getenv("PATH"), "FTP_USER="+harness.User, "FTP_PASSWORD="+harness.Password)
	cmd.Env = append(cmd.Env, e.Env...)
	killGroup(cmd)
	begun := time.Now()
	out, err := cmd.CombinedOutput()
	e.T.Logf("%.3f s: %s %q", time.Since(begun).Seconds(), step, args)
	if exit := new(exec.ExitError); errors.As(err, &exit) && verdicts[exit.ExitCode()] != "" {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return "", Verdict{verdicts[exit.ExitCode()], lines[len(lines)-1]}
	}
	if err != nil {
		return "", fmt.Errorf("%s %q: %w\n%s", step, args, err, out)
	}
	return string(out), nil
}

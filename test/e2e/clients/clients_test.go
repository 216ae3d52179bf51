package clients

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

func TestMain(m *testing.M) { harness.Main(m) }

// A client is a real FTP client, run by a script; see scripts/README.md.
type client struct {
	script  string
	title   string   // its name in docs/clients.md
	needs   []string // the programs that it runs
	also    []string // extras that only this client supports
	slow    bool     // it runs with fewer files
	results map[string]map[string]verdict
}

// clients reads the directory scripts: each script begins with a description of its client.
func clients(t *testing.T) (all []*client) {
	t.Helper()
	names, err := filepath.Glob("scripts/*")
	if err != nil || len(names) == 0 {
		t.Fatal("no clients:", err)
	}
	for _, name := range names {
		if info, err := os.Stat(name); err == nil && info.Mode()&0o111 != 0 {
			all = append(all, newClient(t, name))
		}
	}
	return all
}

func newClient(t *testing.T, name string) *client {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	path, err := filepath.Abs(name)
	if err != nil {
		t.Fatal(err)
	}
	c := &client{script: path, results: map[string]map[string]verdict{"passive": {}, "active": {}}}
	for line := range strings.Lines(string(text)) {
		switch key, value, _ := strings.Cut(strings.TrimSpace(line), ": "); key {
		case "# Title":
			c.title = value
		case "# Needs":
			c.needs = strings.Fields(value)
		case "# Also":
			c.also = strings.Fields(value)
		case "# Slow":
			c.slow = true
		}
	}
	if c.title == "" || len(c.needs) == 0 {
		t.Fatalf("%s does not begin with # Title: and # Needs:", name)
	}
	return c
}

// A verdict is a cell of the table, with its note. As an error, it is one that the client's script reported by its exit status.
type verdict struct{ word, reason string }

func (v verdict) Error() string { return v.word + ": " + v.reason }

// verdicts are the meanings of a script's exit status.
var verdicts = map[int]string{76: "not tried", 77: "no", 78: "fails"}

// A task is one run of a client, in one mode, in directories of its own.
type task struct {
	*client
	t      *testing.T
	mode   string
	b      *harness.Server
	bucket harness.Bucket
	files  []harness.Sample // in the directory local, and in the bucket under samples/
	local  string
	home   string // a directory of the server, without the slash before it
	dir    string // where the client runs
	path   string // a directory to search first for its program, with a colon at the end; empty = none
}

// do runs one step of the client and returns its output. Paths on the server are absolute. A client that hangs is killed with its
// child processes.
func (e *task) do(step string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(e.t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, e.script, append([]string{step}, args...)...)
	cmd.Dir = e.dir
	host, port, _ := strings.Cut(e.b.Addr, ":")
	cmd.Env = append(os.Environ(), "HOME="+e.dir, "LC_ALL=C.UTF-8", "TZ=UTC", "HOST="+host, "PORT="+port, "MODE="+e.mode,
		"PATH="+e.path+os.Getenv("PATH"), "FTP_USER="+harness.User, "FTP_PASSWORD="+harness.Password)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	begun := time.Now()
	out, err := cmd.CombinedOutput()
	e.t.Logf("%.3f s: %s %q", time.Since(begun).Seconds(), step, args)
	if exit := new(exec.ExitError); errors.As(err, &exit) && verdicts[exit.ExitCode()] != "" {
		lines := strings.Split(strings.TrimSpace(string(out)), "\n")
		return "", verdict{verdicts[exit.ExitCode()], lines[len(lines)-1]}
	}
	if err != nil {
		return "", fmt.Errorf("%s %q: %w\n%s", step, args, err, out)
	}
	return string(out), nil
}

// A scenario is one thing that clients do. It returns an error if the bucket, or the client's copy, has the wrong content.
type scenario struct {
	name string // the head of its column; for an extra, the word after "# Also:" in scripts
	what string // the same, for the notes
	data bool   // it needs data connections, so that it is tried in both modes
	run  func(*task) error
}

// TestClients runs every scenario with every client, checks the results in the bucket, and compares them with docs/clients.md.
func TestClients(t *testing.T) {
	server := real.MinIO(t)
	e := task{b: harness.StartServer(t, server, "--log-level", "debug"), bucket: harness.NewBucket(t, server), local: t.TempDir()}
	for _, size := range sizes {
		f := harness.Sample{Name: fmt.Sprintf("%d bytes", size), Size: size}
		f.Sum = harness.MakeFile(t, filepath.Join(e.local, f.Name), size)
		e.bucket.PutFile("samples/"+f.Name, filepath.Join(e.local, f.Name))
		e.files = append(e.files, f)
	}
	all, cases := clients(t), make(map[string]task)
	for _, c := range all {
		for mode := range c.results {
			e.client, e.mode = c, mode
			cases[filepath.Base(c.script)+" "+mode] = e
		}
	}
	var mu sync.Mutex
	harness.SomeAtOnce(t, 3, cases, func(t *testing.T, place string, e task) {
		for _, p := range e.needs {
			if p == "rclone" { // which test/all builds
				e.path = filepath.Dir(real.Rclone(t)) + string(filepath.ListSeparator)
				continue
			}
			real.Client(t, p)
		}
		e.t, e.home = t, place
		results := e.everywhere(t)
		mu.Lock()
		defer mu.Unlock()
		e.results[e.mode] = results
	})
	if !t.Failed() {
		checkClientsPage(t, all)
	}
}

// everywhere runs all scenarios, each in an existing directory of the server.
func (e task) everywhere(t *testing.T) map[string]verdict {
	results := make(map[string]verdict)
	all := slices.DeleteFunc(slices.Concat(fileScenarios, nameScenarios, extras), func(s scenario) bool {
		return !s.data && e.mode == "active" || isExtra(s) && !slices.Contains(e.also, s.name)
	})
	for _, s := range all {
		t.Run(s.name, func(t *testing.T) {
			e := e
			e.t, e.bucket.T, e.dir = t, t, t.TempDir()
			e.home += "/" + strings.ReplaceAll(s.name, " ", "-")
			e.bucket.Put(e.home+"/", "")
			v, err := verdict{"yes", ""}, s.run(&e)
			if err != nil && !errors.As(err, &v) {
				t.Error(err)
			}
			results[s.name] = v
			e.bucket.Empty(e.home + "/")
		})
	}
	return results
}

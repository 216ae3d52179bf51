package conformance

import (
	"encoding/json"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

func TestMain(m *testing.M) { harness.Main(m) }

// A tally has the result of each check over all runs: "PASS", "FAIL" or "SKIP", the latter two with the reason.
type tally struct {
	mu  sync.Mutex
	all map[string]map[string]string
}

// TestConformance runs the checks of test/conformance: those of the standards in clear, with TLS required, and over IPv6, and
// those of abuse. Exactly the checks in failing must fail.
func TestConformance(t *testing.T) {
	t.Parallel() // it mostly waits
	real.Client(t, "python3")
	checks := &tally{all: make(map[string]map[string]string)}
	l, noIPv6 := net.Listen("tcp", "[::1]:0")
	if noIPv6 == nil {
		l.Close()
	}
	t.Run("runs", func(t *testing.T) {
		t.Run("abuse", func(t *testing.T) { t.Parallel(); abuse(t) })
		t.Run("clear", func(t *testing.T) { t.Parallel(); checks.run(t, "127.0.0.1", "optional") })
		t.Run("secure", func(t *testing.T) { t.Parallel(); checks.run(t, "127.0.0.1", "required", "--require-tls") })
		if noIPv6 == nil {
			t.Run("IPv6", func(t *testing.T) { t.Parallel(); checks.run(t, "::1", "optional", "--only", "v6.*,implicit.v6") })
		}
	})
	if len(checks.all) < 418 {
		t.Errorf("%d checks, want 418 at least", len(checks.all))
	}
	for check, outcomes := range checks.all {
		fails, passes := outcomes["FAIL"], outcomes["PASS"] != ""
		switch mayFail, maySkip := lists(failing, check), lists(skipped, check); {
		case fails != "" && !mayFail:
			t.Errorf("%s fails: %s", check, fails)
		case mayFail && (fails == "" || passes):
			t.Errorf("%s passes, and is listed as failing", check)
		case noIPv6 != nil && strings.HasSuffix(outcomes["SKIP"], "no IPv6 address"):
			t.Logf("%s is not run: %v", check, noIPv6)
		case fails == "" && !passes && !maySkip:
			t.Errorf("%s is never run: %s", check, outcomes["SKIP"])
		case maySkip && (fails != "" || passes):
			t.Errorf("%s is run, and is listed as skipped", check)
		}
	}
	for _, d := range slices.Concat(failing, skipped) {
		if checks.all[d.check] == nil {
			t.Errorf("%s is listed, and there is no such check", d.check)
		}
	}
}

// run runs the checks of the standards once, against a server of their own.
func (all *tally) run(t *testing.T, host, tls string, args ...string) {
	file := filepath.Join(t.TempDir(), "checks.json")
	_, server := checkedDemo(t, host, "--tls", tls)
	out, _ := harness.Try(t, "../../conformance", "", slices.Concat([]string{"python3", "ftpconform.py"}, server,
		[]string{"--atomic", "--timeout", "20", "--json", file}, args)...)
	t.Log(lastLine(out))
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	var checks []struct{ ID, Status, Why string }
	if err := json.Unmarshal(text, &checks); err != nil || len(checks) == 0 {
		t.Fatalf("%d checks, %v\n%s", len(checks), err, out)
	}
	all.mu.Lock()
	defer all.mu.Unlock()
	for _, c := range checks {
		if all.all[c.ID] == nil {
			all.all[c.ID] = make(map[string]string)
		}
		all.all[c.ID][c.Status] = c.Status + " " + c.Why
	}
}

// abuse runs the checks of hostile clients. After each of them, and at the end, the server must serve a new client.
func abuse(t *testing.T) {
	b, server := checkedDemo(t, "127.0.0.1", "--tls", "optional")
	out, err := harness.Try(t, "../../conformance", "", slices.Concat([]string{"python3", "ftpfuzz.py"}, server,
		[]string{"--pid", strconv.Itoa(b.Cmd.Process.Pid)})...)
	t.Log(lastLine(out))
	m := regexp.MustCompile(`\n(\d+) passed, 0 failed\n$`).FindStringSubmatch(out)
	if err != nil || m == nil || len(m[1]) < 2 || !strings.Contains(out, "\nPASS resources ") {
		t.Errorf("%v\n%s", err, out)
	}
}

func lastLine(text string) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return lines[len(lines)-1]
}

// checkedDemo starts s3ftpd demo with both listeners and limits that the checks do not reach, and returns the arguments of the
// checks. A session that panics fails the test.
func checkedDemo(t *testing.T, host string, args ...string) (*harness.Server, []string) {
	t.Helper()
	ftp, ftps := freeAddrAt(t, host), freeAddrAt(t, host)
	b := harness.Start(t, ftp, nil, append([]string{"demo", "--ftp", ftp, "--ftps", ftps, "--s3", real.FreeAddr(t), "--dir", t.TempDir(),
		"--log-format", "json", "--max-sessions", "4096", "--max-sessions-per-ip", "4096", "--max-sessions-per-user", "4096"}, args...)...)
	t.Cleanup(func() {
		if b.Log.Has("session panics") {
			t.Error("a session has panicked")
		}
	})
	_, tlsPort, _ := net.SplitHostPort(ftps)
	return b, []string{host, b.Port(), "demo", "demo", "--tls-port", tlsPort}
}

// freeAddrAt is real.FreeAddr for any host.
func freeAddrAt(t *testing.T, host string) string {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

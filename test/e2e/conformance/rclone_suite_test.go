package conformance

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// rcloneFailing are the tests of rclone's own suite that may fail; docs/conformance.md has the same table.
var rcloneFailing = []deviation{
	{"FsMkdir/FsEncoding/invalid_UTF-8", "a directory with a byte that is no UTF-8", "`553` to MKD",
		"Names are UTF-8 (RFC 2640). rclone replaces such bytes with `--ftp-encoding Slash,Del,Ctl,RightSpace,Dot,InvalidUtf8`; with that, the test passes."},
}

// sftpFailing are the tests of rclone's own suite for SFTP that may fail; docs/conformance.md has the same table.
var sftpFailing = []deviation{
	{"FsMkdir/FsDirSetModTime", "SETSTAT of a directory", "OK, and no effect", "A bucket has no directories, so their times cannot be kept."},
	{"FsMkdir/FsPutFiles/FsDirMove", "OPENDIR of a directory that another connection has moved", "an empty list, where that connection has used it",
		"On S3 a directory vanishes with its last file. Connections that have used it go on to list it, as on a disk."},
}

// sftpNames are those with names that are refused, all under FsMkdir/FsEncoding/. They pass when rclone is configured to replace them.
var sftpNames = []string{"control_chars", "invalid_UTF-8", "leading_CR", "leading_HT", "leading_LF", "leading_VT", "trailing_CR", "trailing_HT",
	"trailing_LF", "trailing_VT"}

// TestRcloneSuiteSFTP runs rclone's own tests of its SFTP backend. Exactly the tests in sftpFailing and sftpNames must fail.
func TestRcloneSuiteSFTP(t *testing.T) {
	server := real.MinIO(t)
	harness.NewBucket(t, server)
	addr := real.FreeAddr(t)
	harness.StartServer(t, server, "--sftp", addr, "--sftp-host-key", "generate")
	var want []string
	for _, d := range sftpFailing {
		want = append(want, d.check)
	}
	all := slices.Clone(want)
	for _, name := range sftpNames {
		all = append(all, "FsMkdir/FsEncoding/"+name)
	}
	slices.Sort(all)
	for name, test := range map[string]suiteRun{
		"as it comes":   {[]string{"SHELL_TYPE=none"}, all},
		"allowed names": {[]string{"SHELL_TYPE=none", "ENCODING=Slash,Del,Ctl,Dot,InvalidUtf8"}, want},
	} {
		t.Run(name, func(t *testing.T) { test.check(t, "sftp", addr) })
	}
}

// A suiteRun is a run of rclone's suite: options of its backend, and the tests that must fail, sorted.
type suiteRun struct {
	set    []string
	failed []string
}

func (r suiteRun) check(t *testing.T, backend, addr string) {
	t.Helper()
	out := runRcloneSuite(t, backend, addr, r.set)
	failed, passed := results(out)
	slices.Sort(failed)
	if !slices.Equal(failed, r.failed) {
		t.Errorf("these fail: %q, want %q\n%s", failed, r.failed, fails(out))
	}
	if t.Logf("%d tests passed", passed); passed < 80 {
		t.Errorf("that is too few\n%s", out)
	}
}

// TestRcloneSuite runs rclone's own tests of its FTP backend. Exactly the tests in rcloneFailing must fail; they pass when rclone is
// configured to replace such names.
func TestRcloneSuite(t *testing.T) {
	server := real.MinIO(t)
	harness.NewBucket(t, server)
	b := harness.StartTLSServer(t, server, "--tls", "optional", "--list-mtime", "metadata")
	all := make([]string, len(rcloneFailing))
	for i, d := range rcloneFailing {
		all[i] = d.check
	}
	for name, test := range map[string]suiteRun{
		"as it comes": {nil, all},
		"AUTH TLS":    {[]string{"EXPLICIT_TLS=true", "NO_CHECK_CERTIFICATE=true"}, all},
		"UTF-8 only":  {[]string{"ENCODING=Slash,Del,Ctl,RightSpace,Dot,InvalidUtf8"}, nil},
	} {
		t.Run(name, func(t *testing.T) { test.check(t, "ftp", b.Addr) })
	}
}

// runRcloneSuite runs the suite of a backend with these options of it, and returns its output.
func runRcloneSuite(t *testing.T, backend, addr string, set []string) string {
	t.Helper()
	suite, remote := real.RcloneSuite(t, backend), "Test"+strings.ToUpper(backend)
	dir := t.TempDir()
	// The suite looks for scripts of rclone's source that start servers, and works without them.
	if err := os.MkdirAll(filepath.Join(dir, "fstest/testserver/init.d"), 0o777); err != nil {
		t.Fatal(err)
	}
	config := filepath.Join(dir, "rclone.conf")
	if err := os.WriteFile(config, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, suite, "-test.run", "^TestIntegration$", "-test.v", "-remote", remote+":")
	cmd.Dir = dir
	host, port, _ := strings.Cut(addr, ":")
	pass := strings.TrimSpace(harness.Run(t, dir, "", real.Rclone(t), "obscure", harness.Password))
	cmd.Env = append(os.Environ(), "HOME="+dir, "RCLONE_CONFIG="+config)
	for _, s := range slices.Concat([]string{"TYPE=" + backend, "HOST=" + host, "PORT=" + port, "USER=" + harness.User, "PASS=" + pass}, set) {
		cmd.Env = append(cmd.Env, "RCLONE_CONFIG_"+strings.ToUpper(remote)+"_"+s)
	}
	out, _ := cmd.CombinedOutput()
	return string(out)
}

var rcloneResult = regexp.MustCompile(`(?m)^ *--- (PASS|FAIL): TestIntegration/(\S+)`)

// results returns the tests that failed, without the parents of failed subtests, and the number of those that passed.
func results(out string) (failed []string, passed int) {
	for _, m := range rcloneResult.FindAllStringSubmatch(out, -1) {
		switch {
		case m[1] == "PASS":
			passed++
		case !strings.Contains(out, "--- FAIL: TestIntegration/"+m[2]+"/"):
			failed = append(failed, m[2])
		}
	}
	return failed, passed
}

// fails matches the lines of failed tests.
func fails(out string) string {
	var text strings.Builder
	for _, section := range strings.Split(out, "=== RUN ") {
		if strings.Contains(section, "Error Trace") {
			fmt.Fprintln(&text, strings.TrimSpace(section))
		}
	}
	return text.String()
}

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

// TestRcloneSuite runs rclone's own tests of its FTP backend. Exactly the tests in rcloneFailing must fail; they pass when rclone is
// configured to replace such names.
func TestRcloneSuite(t *testing.T) {
	suite := real.RcloneSuite(t)
	server := real.MinIO(t)
	harness.NewBucket(t, server)
	b := harness.StartTLSServer(t, server, "--tls", "optional", "--list-mtime", "metadata")
	all := make([]string, len(rcloneFailing))
	for i, d := range rcloneFailing {
		all[i] = d.check
	}
	for name, test := range map[string]struct {
		set    []string
		failed []string
	}{
		"as it comes": {nil, all},
		"AUTH TLS":    {[]string{"EXPLICIT_TLS=true", "NO_CHECK_CERTIFICATE=true"}, all},
		"UTF-8 only":  {[]string{"ENCODING=Slash,Del,Ctl,RightSpace,Dot,InvalidUtf8"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			out := runRcloneSuite(t, suite, b.Server, test.set)
			failed, passed := results(out)
			if !slices.Equal(failed, test.failed) {
				t.Errorf("these fail: %q, want %q\n%s", failed, test.failed, fails(out))
			}
			if t.Logf("%d tests passed", passed); passed < 80 {
				t.Errorf("that is too few\n%s", out)
			}
		})
	}
}

// runRcloneSuite runs the suite with these options of the backend, and returns its output.
func runRcloneSuite(t *testing.T, suite string, b *harness.Server, set []string) string {
	t.Helper()
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
	cmd := exec.CommandContext(ctx, suite, "-test.run", "^TestIntegration$", "-test.v", "-remote", "TestFTP:")
	cmd.Dir = dir
	pass := strings.TrimSpace(harness.Run(t, dir, "", real.Rclone(t), "obscure", harness.Password))
	cmd.Env = append(os.Environ(), "HOME="+dir, "RCLONE_CONFIG="+config)
	for _, s := range slices.Concat([]string{"TYPE=ftp", "HOST=127.0.0.1", "PORT=" + b.Port(), "USER=" + harness.User, "PASS=" + pass}, set) {
		cmd.Env = append(cmd.Env, "RCLONE_CONFIG_TESTFTP_"+s)
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

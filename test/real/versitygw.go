package real

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// VersityGWVersion is the version of versitygw for the tests, in the form of `go install`.
const VersityGWVersion = "v1.8.0"

// VersityGW starts a versitygw server, which keeps objects as files, with an empty directory on a free loopback port, and
// stops it at the end of the test. It needs a file system with user extended attributes.
func VersityGW(t testing.TB) *S3 {
	t.Helper()
	program := cached(t, "versitygw", VersityGWVersion)
	dir := t.TempDir()
	if !takesAttributes(dir) {
		t.Skip("versitygw needs a file system with extended attributes at TMPDIR")
	}
	addr := FreeAddr(t)
	s := &S3{Endpoint: "http://" + addr, AccessKey: "tester", SecretKey: "tester-secret", Region: "us-east-1"}
	cmd := exec.Command(program, "--quiet", "--port", addr, "--health", "/health", "posix", dir)
	cmd.Env = append(os.Environ(), "ROOT_ACCESS_KEY="+s.AccessKey, "ROOT_SECRET_KEY="+s.SecretKey)
	Start(t, cmd)
	s.Process = cmd.Process
	Await(t, s.Endpoint+"/health")
	return s
}

// cached returns the path of a program that test/all has built, outside the tree, or calls Missing.
func cached(t testing.TB, name, version string) string {
	t.Helper()
	program, err := find(name, version)
	if err != nil {
		Missing(t, name)
	}
	return program
}

// find returns the path of a program that test/all has built, or of one that is installed.
func find(name, version string) (string, error) {
	if cache, err := os.UserCacheDir(); err == nil {
		if program, err := exec.LookPath(filepath.Join(cache, "s3ftpd", name+"-"+version, name)); err == nil {
			return program, nil
		}
	}
	return exec.LookPath(name)
}

// Package real starts real S3 servers and finds real FTP clients for tests.
//
// A test is skipped if a program is missing. With S3FTPD_TEST_ALL=1, which test/all sets after installing all programs, the
// test fails instead.
package real

import (
	"os"
	"os/exec"
	"testing"
)

// Missing skips the test. With S3FTPD_TEST_ALL=1 it fails it, except for programs that test/all could not build.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("S3FTPD_TEST_ALL") != "" && os.Getenv("S3FTPD_TEST_WITHOUT") != what {
		t.Fatalf("%s is missing; test/all should have installed it", what)
	}
	t.Skipf("%s is missing; test/all installs it and runs this test", what)
}

// Client returns the path of a client program, or calls Missing.
func Client(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, name)
	}
	return path
}

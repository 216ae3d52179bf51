// Package real starts the real servers, and finds the real clients, that tests work with.
//
// What is missing makes a test skip, and say what would help; test/all, which installs everything,
// sets S3FTPD_TEST_ALL=1, and then what is missing makes the test fail.
package real

import (
	"os"
	"os/exec"
	"testing"
)

// Missing ends the test: skipped, or failed where everything has to be there, except for what test/all could not build.
func Missing(t testing.TB, what string) {
	t.Helper()
	if os.Getenv("S3FTPD_TEST_ALL") != "" && os.Getenv("S3FTPD_TEST_WITHOUT") != what {
		t.Fatalf("%s is missing; test/all should have installed it", what)
	}
	t.Skipf("%s is missing; test/all installs it and runs this test", what)
}

// Client returns the path of a client program, or ends the test where there is none.
func Client(t testing.TB, name string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		Missing(t, name)
	}
	return path
}

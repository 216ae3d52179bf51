package real

import (
	"os"
	"path/filepath"
	"testing"
)

// RcloneVersion is the version of rclone that the tests are written against; test/rclone/go.mod has the same.
const RcloneVersion = "v1.76.0"

// Rclone returns the path of rclone, which test/all builds with the backends for FTP and the local disk only.
func Rclone(t testing.TB) string {
	t.Helper()
	return cached(t, "rclone", RcloneVersion)
}

// RcloneSuite returns the path of the tests that rclone has for its FTP backend, which test/all builds too.
func RcloneSuite(t testing.TB) string {
	t.Helper()
	suite := filepath.Join(filepath.Dir(Rclone(t)), "ftp.test")
	if _, err := os.Stat(suite); err != nil {
		Missing(t, suite)
	}
	return suite
}

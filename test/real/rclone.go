package real

import (
	"os"
	"path/filepath"
	"testing"
)

// RcloneVersion is the version of rclone for the tests, the same as in test/rclone/go.mod.
const RcloneVersion = "v1.76.0"

// Rclone returns the path of the rclone that test/all builds, with the backends for FTP, S3 and the local disk only.
func Rclone(t testing.TB) string {
	t.Helper()
	return cached(t, "rclone", RcloneVersion)
}

// FindRclone returns the path of the rclone that test/all builds, or an error that says what is missing.
func FindRclone() (string, error) { return find("rclone", RcloneVersion) }

// RcloneSuite returns the path of the test binary of one of rclone's backends, ftp or sftp, which test/all builds.
func RcloneSuite(t testing.TB, backend string) string {
	t.Helper()
	suite := filepath.Join(filepath.Dir(Rclone(t)), backend+".test")
	if _, err := os.Stat(suite); err != nil {
		Missing(t, suite)
	}
	return suite
}

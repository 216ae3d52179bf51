package sftp

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestRestic makes two backups, checks all data in the repository, removes the first one, and restores the second.
func TestRestic(t *testing.T) {
	real.Client(t, "restic")
	s3 := real.MinIO(t)
	bucket := harness.NewBucket(t, s3)
	b := start(t, s3)
	dir := t.TempDir()
	u, local := b.upload(t, b.addr, "", ""), filepath.Join(dir, "files")
	harness.MakeFile(t, filepath.Join(local, "large"), 24*harness.MiB)
	for i := range 20 {
		harness.MakeFile(t, filepath.Join(local, fmt.Sprint("dir/", i)), int64(i*1000))
	}
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	command := "ssh -p " + u.port + " " + strings.Join(u.sshOptions(), " ") + " " + u.target("") + " -s sftp"
	restic := func(args ...string) string {
		return harness.Run(t, dir, "", append([]string{"restic", "--no-cache", "-p", "password", "-o", "sftp.command=" + command,
			"-r", "sftp:" + u.target("/repository")}, args...)...)
	}
	restic("init")
	restic("backup", "files")
	harness.MakeFile(t, filepath.Join(local, "dir/new"), harness.MiB)
	restic("backup", "files")
	for _, check := range []string{restic("check", "--read-data"), restic("forget", "--keep-last", "1", "--prune"), restic("check", "--read-data")} {
		t.Log(check)
	}
	restic("restore", "latest", "--target", "back")
	if got, want := fmt.Sprint(harness.TreeSums(t, filepath.Join(dir, "back/files"))), fmt.Sprint(harness.TreeSums(t, local)); got != want {
		t.Errorf("it restored %s, want %s", got, want)
	}
	if keys := bucket.Keys("repository/locks/"); len(keys) > 1 { // the directory itself
		t.Errorf("S3 has %q", keys)
	}
}

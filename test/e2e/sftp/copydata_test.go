package sftp

import (
	"path/filepath"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestCopyCommand: cp of OpenSSH's sftp copies files of all kinds of sizes inside MinIO.
func TestCopyCommand(t *testing.T) {
	real.Client(t, "sftp")
	s3 := real.MinIO(t)
	bucket := harness.NewBucket(t, s3)
	s := start(t, s3)
	for name, size := range map[string]int64{"empty": 0, "small": 1, "border": 5 * harness.MiB, "above": 5*harness.MiB + 1, "large": 40 * harness.MiB} {
		local := filepath.Join(t.TempDir(), name)
		sum := harness.MakeFile(t, local, size)
		bucket.PutFile(name, local)
		bucket.Put("copy-of-"+name, "an old file")
		if out, err := s.sftp(t, s.user, "cp "+name+" copy-of-"+name+"\ncp "+name+" dir/"+name+"\n"); err != nil {
			t.Errorf("%s: %v: %s", name, err, out)
		}
		if bucket.Sum("copy-of-"+name) != sum || bucket.Sum("dir/"+name) != sum {
			t.Errorf("the copies of %s have another content", name)
		}
	}
	if out, err := s.sftp(t, s.user, "cp missing x\n"); err == nil || bucket.Sum("x") != "absent" {
		t.Errorf("a file that does not exist: %v: %s", err, out)
	}
}

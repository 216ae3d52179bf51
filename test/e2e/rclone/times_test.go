package rclone

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestRcloneTimes: rclone recognizes a file by the times in MinIO's listings, and by MDTM for each file.
func TestRcloneTimes(t *testing.T) {
	server := real.MinIO(t)
	harness.NewBucket(t, server)
	b := harness.StartServer(t, server)
	r := newRclone(t, b.Addr, "")
	file := filepath.Join(r.dir, "tree", "file")
	harness.MakeFile(t, file, 1000)
	if err := os.Chtimes(file, time.Time{}, time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
	r.do("sync", "tree", "@tree")
	from := b.Log.Mark()
	r.do("sync", "--ftp-disable-mlsd", "tree", "@tree")
	if sent := stored(b.Log, from); len(sent) > 0 {
		t.Errorf("without a change, these were sent: %q", sent)
	}
	r.do("sync", "tree", "@tree")
	if sent := stored(b.Log, from); len(sent) > 0 {
		t.Errorf("on MinIO, whose listings have the times, these were sent without a change: %q", sent)
	}
}

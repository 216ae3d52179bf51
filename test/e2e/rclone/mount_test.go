package rclone

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestRcloneMount mounts the bucket, if the host has FUSE. rclone caches directories: without that, it reads a renamed file by its old
// name.
func TestRcloneMount(t *testing.T) {
	fusermount, err := exec.LookPath("fusermount3")
	if err != nil {
		fusermount, err = exec.LookPath("fusermount")
	}
	if fuse, noFuse := os.OpenFile("/dev/fuse", os.O_RDWR, 0); noFuse != nil || err != nil || runtime.GOOS != "linux" {
		t.Skipf("there is no FUSE: %v, %v", noFuse, err)
	} else {
		fuse.Close()
	}
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	b := harness.StartServer(t, server)
	r := newRclone(t, b.Addr, "")
	view.Put("there", "x")
	disk := filepath.Join(r.dir, "disk")
	if err := os.Mkdir(disk, 0o777); err != nil {
		t.Fatal(err)
	}
	args := r.args("mount2", r.remote, disk, "--vfs-cache-mode=writes", "--vfs-write-back=0", "--cache-dir="+t.TempDir())
	cmd := exec.Command(args[0], args[1:]...)
	real.Start(t, cmd)
	t.Cleanup(func() { exec.Command(fusermount, "-u", "-z", disk).Run() })
	harness.Until(t, "the disk is mounted", func() bool { _, err := os.Stat(filepath.Join(disk, "there")); return err == nil })
	in := func(name string) string { return filepath.Join(disk, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(os.Mkdir(in("dir"), 0o777))
	want := harness.MakeFile(t, in("dir/größe 日本"), 12*harness.MiB)
	harness.Until(t, "the file is in the bucket", func() bool { return view.Sum("dir/größe 日本") == want })
	must(os.Rename(in("dir/größe 日本"), in("dir/other")))
	harness.Until(t, "the file is renamed", func() bool { return view.Sum("dir/other") == want && view.Sum("dir/größe 日本") == "absent" })
	if got := harness.SumFile(t, in("dir/other")); got != want {
		t.Errorf("read back as %s, want %s", got, want)
	}
	entries, err := os.ReadDir(in("dir"))
	must(err)
	if len(entries) != 1 || entries[0].Name() != "other" {
		t.Errorf("the list is %v", entries)
	}
	must(os.Remove(in("dir/other")))
	must(os.Remove(in("dir")))
	if keys := view.Keys(""); !slices.Equal(keys, []string{"there"}) {
		t.Errorf("there are %q", keys)
	}
}

package sftp

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// mountSSHFS mounts the root of a server until the test ends.
func mountSSHFS(t *testing.T, b *server) (dir string) {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		t.Skip("NOT TESTED: sshfs needs FUSE: ", err)
	}
	real.Client(t, "sshfs")
	dir = t.TempDir()
	u := b.upload(t, b.addr, "", "")
	args := []string{"sshfs", "-p", u.port}
	for _, o := range u.sshOptions() {
		if o != "-F" && o != "none" && o != "-i" && o != "-o" && o != u.key {
			args = append(args, "-o", o)
		}
	}
	harness.Run(t, dir, "", append(args, "-o", "ssh_command=ssh -F none", "-o", "IdentityFile="+u.key, u.target("/"), dir)...)
	t.Cleanup(func() {
		if out, err := exec.Command("fusermount3", "-u", "-z", dir).CombinedOutput(); err != nil {
			t.Errorf("%v: %s", err, out)
		}
	})
	return dir
}

// stamp is a time that must be kept.
var stamp = time.Unix(1_500_000_000, 0)

// TestSSHFS uses a mounted server as programs use a disk, with whole files.
func TestSSHFS(t *testing.T) {
	s3 := real.MinIO(t)
	bucket := harness.NewBucket(t, s3)
	dir := mountSSHFS(t, start(t, s3))
	at := func(name string) string { return filepath.Join(dir, name) }
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Error(err)
		}
	}
	stored := func(name string, content []byte) {
		t.Helper()
		want := harness.SumOf(t, bytes.NewReader(content))
		harness.Until(t, name+" is in the bucket", func() bool { return bucket.Sum(name) == want }) // sshfs does not wait for CLOSE
	}
	large, small := append(bytes.Clone(harness.Block()), harness.Block()...), []byte("a few bytes")
	for name, content := range map[string][]byte{"large": large, "small": small, "none": nil} {
		must(os.WriteFile(at(name), content, 0o666))
		stored(name, content)
		got, err := os.ReadFile(at(name))
		if must(err); !bytes.Equal(got, content) {
			t.Errorf("%s: read %d bytes, or others, want %d", name, len(got), len(content))
		}
	}
	must(os.WriteFile(at("large"), small, 0o666)) // over a longer one
	stored("large", small)
	f, err := os.OpenFile(at("small"), os.O_WRONLY|os.O_APPEND, 0)
	if must(err); err == nil {
		_, err = f.WriteString(", and more")
		must(errors.Join(err, f.Close()))
		stored("small", []byte("a few bytes, and more"))
	}
	must(os.Rename(at("small"), at("large"))) // mv over a file
	stored("large", []byte("a few bytes, and more"))
	must(os.Chtimes(at("large"), stamp, stamp))
	if info, err := os.Stat(at("large")); err != nil || !info.ModTime().Equal(stamp) {
		t.Errorf("after touch -d: %v, %v", info, err)
	}
	harness.Run(t, dir, "", "touch", "new") // an empty file, whose times are set while it is open
	stored("new", nil)
	must(os.MkdirAll(at("a/b"), 0o777))
	must(os.WriteFile(at("a/b/c"), small, 0o666))
	must(os.Rename(at("a"), at("moved")))
	stored("moved/b/c", small)
	must(os.Remove(at("moved/b/c")))
	must(os.RemoveAll(at("moved")))
	must(os.Remove(at("none")))
	if _, err := os.Stat(at("moved")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("after rm -r: %v", err)
	}
	if got := bucket.Keys(""); !slices.Equal(got, []string{"large", "new"}) {
		t.Errorf("S3 has %s", strings.Join(got, ", "))
	}
}

// TestSSHFSTree copies a tree to a mounted server and back, with its times.
func TestSSHFSTree(t *testing.T) {
	s3 := real.MinIO(t)
	bucket := harness.NewBucket(t, s3)
	dir := mountSSHFS(t, start(t, s3))
	local := filepath.Join(t.TempDir(), "tree")
	for _, name := range []string{"one", "sub/two", "sub/deeper/three", "größe 日本"} {
		harness.MakeFile(t, filepath.Join(local, name), 300*harness.KiB)
		if err := os.Chtimes(filepath.Join(local, name), stamp, stamp); err != nil {
			t.Fatal(err)
		}
	}
	want := harness.TreeSums(t, local)
	harness.Run(t, dir, "", "cp", "-r", "--preserve=timestamps", local, dir)
	for name, sum := range want {
		harness.Until(t, name+" is in the bucket", func() bool { return bucket.Sum("tree/"+name) == sum })
	}
	back := filepath.Join(t.TempDir(), "tree")
	harness.Run(t, dir, "", "cp", "-r", "--preserve=timestamps", "tree", back)
	harness.Run(t, dir, "", "diff", "-r", local, back)
	for name := range want {
		there, err := os.Stat(filepath.Join(back, name))
		if err != nil {
			t.Fatal(err)
		}
		if !there.ModTime().Equal(stamp) {
			t.Errorf("%s is of %v, want %v", name, there.ModTime(), stamp)
		}
	}
}

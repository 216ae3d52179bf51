package rclone

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// oldTree makes files that are years old.
func oldTree(t *testing.T, dir string) {
	t.Helper()
	for i := range 20 {
		name := filepath.Join(dir, fmt.Sprintf("sub %d/file %d", i%3, i))
		harness.MakeFile(t, name, int64(i)*100)
		then := time.Date(2019, 3, 1+i, 4, 5, 6, 0, time.UTC)
		if err := os.Chtimes(name, then, then); err != nil {
			t.Fatal(err)
		}
	}
}

// On MinIO, with the defaults, lftp and rclone see in listings the times that they have set, and transfer nothing twice. With
// LastModified in listings they would, which is tried too.
func TestKeptTimesInListings(t *testing.T) {
	t.Parallel()
	real.Client(t, "lftp")
	real.Rclone(t)
	server := real.MinIO(t)
	harness.NewBucket(t, server)
	for _, c := range []struct {
		name string
		args []string
		kept bool
	}{
		{"by default", nil, true},
		{"metadata", []string{"--list-mtime=metadata"}, true},
		{"s3", []string{"--list-mtime=s3"}, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := harness.StartServer(t, server, c.args...)
			tree := t.TempDir()
			oldTree(t, tree)
			again := lftpTwice(t, b, tree, c.name+"/lftp")
			again += rcloneTwice(t, b, tree, c.name+"/rclone")
			if c.kept != (again == 0) {
				t.Errorf("%d files were transferred again", again)
			}
		})
	}
}

// lftpTwice mirrors a tree up and down, twice, and returns how many files were transferred the second time.
func lftpTwice(t *testing.T, b *harness.Server, tree, remote string) (again int) {
	t.Helper()
	back := t.TempDir()
	mirror := func(options string) int {
		t.Helper()
		script := fmt.Sprintf("set ftp:ssl-allow no; set ftp:use-allo no; set ftp:use-mdtm-overloaded no; mirror --verbose --parallel=1 %s; bye", options)
		out := harness.Run(t, "", "", "lftp", "--norc", "-u", harness.User+","+harness.Password, "-e", script, "ftp://"+b.Addr)
		return strings.Count(out, "Transferring file")
	}
	for i := range 2 {
		up := mirror(fmt.Sprintf("-R '%s' '%s'", tree, remote))
		newer := mirror(fmt.Sprintf("-R --only-newer '%s' '%s'", tree, remote))
		down := mirror(fmt.Sprintf("'%s' '%s'", remote, back))
		if i == 0 && (up != 20 || down != 20) {
			t.Errorf("lftp: %d files up and %d down", up, down)
		} else if i == 1 {
			again = up + down
		}
		again += newer
	}
	return again
}

// rcloneTwice is lftpTwice with rclone.
func rcloneTwice(t *testing.T, b *harness.Server, tree, remote string) (again int) {
	t.Helper()
	r := newRclone(t, b.Addr, "")
	back := t.TempDir()
	sync := func(from, to string) int {
		t.Helper()
		return strings.Count(r.do("sync", "-v", from, to), ": Copied (")
	}
	for i := range 2 {
		up, down := sync(tree, "@"+remote), sync("@"+remote, back)
		if i == 0 && (up != 20 || down != 20) {
			t.Errorf("rclone: %d files up and %d down", up, down)
		} else if i == 1 {
			again = up + down
		}
	}
	return again
}

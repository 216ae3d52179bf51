package rclone

import (
	"fmt"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

func TestMain(m *testing.M) { harness.Main(m) }

// An rclone has s3ftpd as a remote of its FTP backend.
type rclone struct {
	t       testing.TB
	program string
	remote  string // without the path: ":ftp,host=...:"
	dir     string // where it runs
}

// newRclone connects to addr with these options of the backend.
func newRclone(t testing.TB, addr, options string) rclone {
	t.Helper()
	r := rclone{t: t, program: real.Rclone(t), dir: t.TempDir()}
	host, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	pass := strings.TrimSpace(harness.Run(t, r.dir, "", r.program, "obscure", harness.Password))
	r.remote = fmt.Sprintf(":ftp,host=%s,port=%s,user=%s,pass=%s%s:", host, port, harness.User, pass, options)
	return r
}

// args returns rclone's command line, without a configuration and without retries.
func (r rclone) args(args ...string) []string {
	return append([]string{r.program, "--config=", "--retries=1", "--low-level-retries=1", "--transfers=8", "--checkers=8"}, args...)
}

// do runs rclone; an argument that begins with "@" is a path of the remote.
func (r rclone) do(args ...string) string {
	r.t.Helper()
	for i, a := range args {
		if path, ours := strings.CutPrefix(a, "@"); ours {
			args[i] = r.remote + path
		}
	}
	return harness.Run(r.t, r.dir, "", r.args(args...)...)
}

// rcloneKeeps is how rclone writes names that an FTP server may not take.
var rcloneKeeps = strings.NewReplacer("\t", "␉", "end ", "end␠")

// TestRclone synchronizes trees both ways, and checks the bucket after each step.
func TestRclone(t *testing.T) {
	t.Parallel()
	real.Rclone(t)
	server := real.MinIO(t)
	view := harness.NewBucket(t, server)
	b := harness.StartTLSServer(t, server, "--tls", "optional", "--list-mtime", "metadata")
	for _, way := range []struct{ name, addr, options string }{
		{"clear", b.Addr, ""},
		{"explicit TLS", b.Addr, ",explicit_tls=true,no_check_certificate=true"},
		{"implicit TLS", b.Implicit, ",tls=true,no_check_certificate=true"},
		{"four connections", b.Addr, ",concurrency=4"},
		{"LIST and PASV", b.Addr, ",disable_mlsd=true,disable_epsv=true"},
	} {
		t.Run(way.name, func(t *testing.T) {
			s := syncTest{newRclone(t, way.addr, way.options), b.Server, view, strings.ReplaceAll(way.name, " ", "-")}
			tree := filepath.Join(s.dir, "tree")
			s.makeTree(tree)
			s.up(tree)
			s.change(tree)
			s.down(tree)
			s.move(tree)
			s.do("purge", "@"+s.home)
			if keys := view.Keys(s.home); len(keys) > 0 {
				t.Errorf("after all was removed there are %q", keys)
			}
		})
	}
}

// A syncTest is a tree that rclone synchronizes with the bucket.
type syncTest struct {
	rclone
	b    *harness.Server
	view harness.Bucket
	home string
}

// makeTree makes a tree with odd names, a file of several parts, and empty directories.
func (s syncTest) makeTree(tree string) {
	for i, name := range slices.Concat(harness.OddNames, []string{"tab\there", "end "}) {
		harness.MakeFile(s.t, filepath.Join(tree, "odd "+name, name), int64(i)*1000)
	}
	for i := range 40 {
		harness.MakeFile(s.t, filepath.Join(tree, fmt.Sprintf("dir %d/sub", i%3), fmt.Sprint("file-", i)), int64(i*i))
	}
	harness.MakeFile(s.t, filepath.Join(tree, "some parts"), 20*harness.MiB+1)
	for _, dir := range []string{"empty", "nested/empty/dirs"} {
		if err := os.MkdirAll(filepath.Join(tree, dir), 0o777); err != nil {
			s.t.Fatal(err)
		}
	}
}

// sync synchronizes the bucket with the tree, and returns the files that were sent.
func (s syncTest) sync(tree string) (sent []string) {
	s.t.Helper()
	from := s.b.Log.Mark()
	s.do("sync", "--create-empty-src-dirs", tree, "@"+s.home)
	s.do("check", tree, "@"+s.home)
	s.do("check", "--download", tree, "@"+s.home)
	want := make(map[string]string)
	for name, sum := range harness.TreeSums(s.t, tree) {
		want[s.home+"/"+rcloneKeeps.Replace(name)] = sum
	}
	for _, key := range s.view.Keys(s.home + "/") {
		if sum := want[key]; !strings.HasSuffix(key, "/") && s.view.Sum(key) != sum {
			s.t.Errorf("%q is in the bucket, and not like the file", key)
		}
		delete(want, key)
	}
	if len(want) > 0 {
		s.t.Errorf("the bucket lacks %q", slices.Sorted(maps.Keys(want)))
	}
	return stored(s.b.Log, from)
}

// stored returns the names uploaded since, without rclone's suffixes of temporary names.
func stored(l *harness.Log, from int) (names []string) {
	for _, e := range l.Entries(from, "transfer", "command=STOR", "code=226") {
		name := strings.TrimSuffix(fmt.Sprint(e["name"]), ".partial")
		if name != e["name"] {
			name = name[:len(name)-len(".12345678")]
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

func (s syncTest) up(tree string) {
	s.t.Helper()
	if sent, all := s.sync(tree), harness.TreeSums(s.t, tree); len(sent) != len(all) {
		s.t.Errorf("%d files were sent, want %d", len(sent), len(all))
	}
	for _, dir := range []string{"empty/", "nested/empty/dirs/"} {
		if !slices.Contains(s.view.Keys(s.home+"/"), s.home+"/"+dir) {
			s.t.Errorf("there is no directory %s", dir)
		}
	}
	if sent := s.sync(tree); len(sent) > 0 {
		s.t.Errorf("without a change, these were sent: %q", sent)
	}
}

// change makes one change of each kind: only files with new content or names may be sent.
func (s syncTest) change(tree string) {
	s.t.Helper()
	in := func(name string) string { return filepath.Join(tree, name) }
	for _, err := range []error{
		os.WriteFile(in("dir 0/sub/file-3"), []byte("123456789"), 0o666), // 9 bytes, as before
		os.Chtimes(in("dir 0/sub/file-3"), time.Time{}, time.Unix(1e9, 0)),
		os.WriteFile(in("new file"), []byte("new"), 0o666),
		os.Remove(in("dir 1/sub/file-4")),
		os.RemoveAll(in("dir 2")),
		os.Rename(in("dir 0/sub/file-6"), in("dir 0/moved")),
		os.Remove(in("empty")),
	} {
		if err != nil {
			s.t.Fatal(err)
		}
	}
	home := "/" + s.home + "/"
	want := []string{home + "dir 0/moved", home + "dir 0/sub/file-3", home + "new file"}
	if sent := s.sync(tree); !slices.Equal(sent, want) {
		s.t.Errorf("%q were sent, want %q", sent, want)
	}
}

// down synchronizes the bucket into an empty directory: contents, times and empty directories.
func (s syncTest) down(tree string) {
	s.t.Helper()
	back := filepath.Join(s.dir, "back")
	s.do("sync", "--create-empty-src-dirs", "@"+s.home, back)
	if up, got := harness.TreeSums(s.t, tree), harness.TreeSums(s.t, back); !maps.Equal(up, got) {
		s.t.Errorf("%d files went up, %d came down, or not the same", len(up), len(got))
	}
	for name := range harness.TreeSums(s.t, tree) {
		here, err := os.Stat(filepath.Join(tree, name))
		if err != nil {
			s.t.Fatal(err)
		}
		there, err := os.Stat(filepath.Join(back, name))
		if err != nil || here.ModTime().Unix() != there.ModTime().Unix() {
			s.t.Errorf("%s: %v, or the time is another", name, err)
		}
	}
	if _, err := os.Stat(filepath.Join(back, "nested/empty/dirs")); err != nil {
		s.t.Error(err)
	}
}

// move renames inside the bucket: a directory, a file, and one over another.
func (s syncTest) move(tree string) {
	s.t.Helper()
	from := s.b.Log.Mark()
	s.do("moveto", "@"+s.home+"/dir 0", "@"+s.home+"/moved/here")
	s.do("moveto", "@"+s.home+"/new file", "@"+s.home+"/moved/over")
	s.do("moveto", "@"+s.home+"/some parts", "@"+s.home+"/moved/over")
	if sent := stored(s.b.Log, from); len(sent) > 0 {
		s.t.Errorf("these were sent for a move: %q", sent)
	}
	for old, now := range map[string]string{"dir 0/sub/file-3": "moved/here/sub/file-3", "some parts": "moved/over"} {
		want := harness.SumFile(s.t, filepath.Join(tree, old))
		if was, is := s.view.Sum(s.home+"/"+old), s.view.Sum(s.home+"/"+now); was != "absent" || is != want {
			s.t.Errorf("%s is %s, and %s is %s, want absent and %s", old, was, now, is, want)
		}
	}
}

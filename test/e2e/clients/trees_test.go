package clients

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

const treeSize = 40

// putTree uploads a tree.
func (e *task) putTree() error {
	local := e.makeTree()
	if _, err := e.do("put-tree", local, e.remote("tree")); err != nil {
		return err
	}
	for name, sum := range harness.TreeSums(e.t, local) {
		if err := e.stored("tree/"+name, sum); err != nil {
			return err
		}
	}
	return nil
}

// getTree downloads one.
func (e *task) getTree() error {
	local, back := e.makeTree(), filepath.Join(e.dir, "back", "tree")
	e.upload(local, "tree")
	if err := os.Mkdir(filepath.Dir(back), 0o777); err != nil {
		return err
	}
	if _, err := e.do("get-tree", e.remote("tree"), back); err != nil {
		return err
	}
	return sameTrees(e.t, local, back)
}

func (e *task) makeTree() (local string) {
	local = filepath.Join(e.dir, "tree")
	for i := range treeSize {
		harness.MakeFile(e.t, filepath.Join(local, fmt.Sprintf("dir %d/sub", i%5), fmt.Sprintf("file-%02d", i)), int64(i*i*10))
	}
	return local
}

// upload puts all files of a directory into S3, below the home.
func (e *task) upload(local, remote string) {
	e.t.Helper()
	for name := range harness.TreeSums(e.t, local) {
		e.bucket.PutFile(path.Join(e.home, remote, name), filepath.Join(local, name))
	}
}

func sameTrees(t testing.TB, one, other string) error {
	if a, b := harness.TreeSums(t, one), harness.TreeSums(t, other); fmt.Sprint(a) != fmt.Sprint(b) {
		return fmt.Errorf("here are %d files, there %d, or others", len(a), len(b))
	}
	return nil
}

// makeMany makes files; the pattern *.jpg matches all but one.
func (e *task) makeMany() (local string) {
	local = filepath.Join(e.dir, "many")
	for i := range 100 {
		harness.MakeFile(e.t, filepath.Join(local, fmt.Sprintf("%03d.jpg", i)), int64(i*20))
	}
	return local
}

func (e *task) putMany() error {
	local := e.makeMany()
	want := harness.TreeSums(e.t, local)
	harness.MakeFile(e.t, filepath.Join(local, "other.txt"), 1)
	if _, err := e.do("put-many", local, "*.jpg", "/"+e.home); err != nil {
		return err
	}
	for name, sum := range want {
		if err := e.stored(name, sum); err != nil {
			return err
		}
	}
	if e.bucket.Sum(e.home+"/other.txt") != "absent" {
		return fmt.Errorf("it uploaded what the pattern does not mean")
	}
	return nil
}

func (e *task) getMany() error {
	local, back := e.makeMany(), filepath.Join(e.dir, "back")
	e.upload(local, ".")
	e.bucket.Put(e.home+"/other.txt", "x")
	if err := os.Mkdir(back, 0o777); err != nil {
		return err
	}
	if _, err := e.do("get-many", "/"+e.home, "*.jpg", back); err != nil {
		return err
	}
	return sameTrees(e.t, local, back)
}

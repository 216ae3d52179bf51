package scenario

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
func (e *Task) putTree() error {
	local := e.makeTree()
	if _, err := e.Do("put-tree", local, e.Remote("tree")); err != nil {
		return err
	}
	for name, sum := range harness.TreeSums(e.T, local) {
		if err := e.Stored("tree/"+name, sum); err != nil {
			return err
		}
	}
	return nil
}

// getTree downloads one.
func (e *Task) getTree() error {
	local, back := e.makeTree(), filepath.Join(e.Dir, "back", "tree")
	e.upload(local, "tree")
	if err := os.Mkdir(filepath.Dir(back), 0o777); err != nil {
		return err
	}
	if _, err := e.Do("get-tree", e.Remote("tree"), back); err != nil {
		return err
	}
	return sameTrees(e.T, local, back)
}

func (e *Task) makeTree() (local string) {
	local = filepath.Join(e.Dir, "tree")
	for i := range treeSize {
		harness.MakeFile(e.T, filepath.Join(local, fmt.Sprintf("dir %d/sub", i%5), fmt.Sprintf("file-%02d", i)), int64(i*i*10))
	}
	return local
}

// upload puts all files of a directory into S3, below the home.
func (e *Task) upload(local, remote string) {
	e.T.Helper()
	for name := range harness.TreeSums(e.T, local) {
		e.Bucket.PutFile(path.Join(e.Home, remote, name), filepath.Join(local, name))
	}
}

func sameTrees(t testing.TB, one, other string) error {
	if a, b := harness.TreeSums(t, one), harness.TreeSums(t, other); fmt.Sprint(a) != fmt.Sprint(b) {
		return fmt.Errorf("here are %d files, there %d, or others", len(a), len(b))
	}
	return nil
}

// makeMany makes files; the pattern *.jpg matches all but one.
func (e *Task) makeMany() (local string) {
	local = filepath.Join(e.Dir, "many")
	for i := range 100 {
		harness.MakeFile(e.T, filepath.Join(local, fmt.Sprintf("%03d.jpg", i)), int64(i*20))
	}
	return local
}

func (e *Task) putMany() error {
	local := e.makeMany()
	want := harness.TreeSums(e.T, local)
	harness.MakeFile(e.T, filepath.Join(local, "other.txt"), 1)
	if _, err := e.Do("put-many", local, "*.jpg", "/"+e.Home); err != nil {
		return err
	}
	for name, sum := range want {
		if err := e.Stored(name, sum); err != nil {
			return err
		}
	}
	if e.Bucket.Sum(e.Home+"/other.txt") != "absent" {
		return fmt.Errorf("it uploaded what the pattern does not mean")
	}
	return nil
}

func (e *Task) getMany() error {
	local, back := e.makeMany(), filepath.Join(e.Dir, "back")
	e.upload(local, ".")
	e.Bucket.Put(e.Home+"/other.txt", "x")
	if err := os.Mkdir(back, 0o777); err != nil {
		return err
	}
	if _, err := e.Do("get-many", "/"+e.Home, "*.jpg", back); err != nil {
		return err
	}
	return sameTrees(e.T, local, back)
}

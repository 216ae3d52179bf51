package e2e

import (
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"testing"
)

const treeSize = 40

// putTree uploads a tree.
func (e *errand) putTree() error {
	local := e.makeTree()
	if _, err := e.do("put-tree", local, e.remote("tree")); err != nil {
		return err
	}
	for name, sum := range treeSums(e.t, local) {
		if err := e.stored("tree/"+name, sum); err != nil {
			return err
		}
	}
	return nil
}

// getTree downloads one.
func (e *errand) getTree() error {
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

func (e *errand) makeTree() (local string) {
	local = filepath.Join(e.dir, "tree")
	for i := range treeSize {
		makeFile(e.t, filepath.Join(local, fmt.Sprintf("dir %d/sub", i%5), fmt.Sprintf("file-%02d", i)), int64(i*i*10))
	}
	return local
}

// upload puts all files of a directory into S3, below the home.
func (e *errand) upload(local, remote string) {
	e.t.Helper()
	for name := range treeSums(e.t, local) {
		e.bucket.putFile(path.Join(e.home, remote, name), filepath.Join(local, name))
	}
}

func sameTrees(t testing.TB, one, other string) error {
	if a, b := treeSums(t, one), treeSums(t, other); fmt.Sprint(a) != fmt.Sprint(b) {
		return fmt.Errorf("here are %d files, there %d, or others", len(a), len(b))
	}
	return nil
}

func treeSums(t testing.TB, dir string) map[string]string {
	sums := make(map[string]string)
	err := filepath.WalkDir(dir, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			rel, _ := filepath.Rel(dir, name)
			sums[rel] = sumFile(t, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return sums
}

// makeMany makes files of which the pattern *.jpg means all but one.
func (e *errand) makeMany() (local string) {
	local = filepath.Join(e.dir, "many")
	for i := range 100 {
		makeFile(e.t, filepath.Join(local, fmt.Sprintf("%03d.jpg", i)), int64(i*20))
	}
	return local
}

func (e *errand) putMany() error {
	local := e.makeMany()
	want := treeSums(e.t, local)
	makeFile(e.t, filepath.Join(local, "other.txt"), 1)
	if _, err := e.do("put-many", local, "*.jpg", "/"+e.home); err != nil {
		return err
	}
	for name, sum := range want {
		if err := e.stored(name, sum); err != nil {
			return err
		}
	}
	if e.bucket.sum(e.home+"/other.txt") != "absent" {
		return fmt.Errorf("it uploaded what the pattern does not mean")
	}
	return nil
}

func (e *errand) getMany() error {
	local, back := e.makeMany(), filepath.Join(e.dir, "back")
	e.upload(local, ".")
	e.bucket.put(e.home+"/other.txt", "x")
	if err := os.Mkdir(back, 0o777); err != nil {
		return err
	}
	if _, err := e.do("get-many", "/"+e.home, "*.jpg", back); err != nil {
		return err
	}
	return sameTrees(e.t, local, back)
}

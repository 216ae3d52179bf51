package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// names need escaping in URLs, in headers or in command lines; the last has all of it.
var names = []string{"with space", "plus+", "per%41cent", "ha#sh", "quest?ion", "amp&er", "semi;colon", "-dash", "[a-z]", "st*r",
	`quo"te`, "apo'strophe", "größe 日本", `-a +b%20"c'#?&;d`}

// list prints the names of a directory, which has a directory.
func (e *errand) list() error {
	for _, name := range names {
		e.bucket.put(e.home+"/"+name, "x")
	}
	e.bucket.put(e.home+"/sub/", "")
	out, err := e.do("list", "/"+e.home)
	if err != nil {
		return err
	}
	return lacks(out, append([]string{"sub"}, names...))
}

func lacks(out string, names []string) error {
	for _, name := range names {
		if !strings.Contains(out, name) {
			return fmt.Errorf("the list lacks %q:\n%s", name, out)
		}
	}
	return nil
}

func (e *errand) mkdir() error {
	if _, err := e.do("mkdir", e.remote("a directory")); err != nil {
		return err
	}
	return e.hasKeys("a directory/")
}

func (e *errand) rmdir() error {
	e.bucket.put(e.home+"/a directory/", "")
	if _, err := e.do("rmdir", e.remote("a directory")); err != nil {
		return err
	}
	return e.hasKeys()
}

func (e *errand) rename() error {
	e.bucket.put(e.home+"/from here", "content")
	e.bucket.put(e.home+"/sub/", "")
	if _, err := e.do("rename", e.remote("from here"), e.remote("sub/re+named %.txt")); err != nil {
		return err
	}
	if err := e.stored("sub/re+named %.txt", sumOf(e.t, strings.NewReader("content"))); err != nil {
		return err
	}
	return e.hasKeys("sub/", "sub/re+named %.txt")
}

func (e *errand) remove() error {
	e.bucket.put(e.home+"/a file", "content")
	if _, err := e.do("delete", e.remote("a file")); err != nil {
		return err
	}
	return e.hasKeys()
}

// hasKeys is nil when S3 has these keys, and that of the directory itself.
func (e *errand) hasKeys(want ...string) error {
	var got []string
	for _, key := range e.bucket.keys(e.home + "/") {
		if name := strings.TrimPrefix(key, e.home+"/"); name != "" {
			got = append(got, name)
		}
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("S3 has %q, want %q", got, want)
	}
	return nil
}

func (e *errand) size() error {
	e.bucket.put(e.home+"/file", strings.Repeat("x", 12345))
	out, err := e.do("size", e.remote("file"))
	if err == nil && !slices.Contains(strings.Fields(out), "12345") {
		return fmt.Errorf("it says %q", out)
	}
	return err
}

func (e *errand) time() error {
	e.bucket.put(e.home+"/file", "content")
	out, err := e.do("time", e.remote("file"))
	if err != nil {
		return err
	}
	key := e.home + "/file"
	head, err := e.bucket.HeadObject(e.t.Context(), &s3.HeadObjectInput{Bucket: &e.bucket.bucket, Key: &key})
	if err != nil {
		return err
	}
	if want := head.LastModified.UTC().Format("20060102150405"); !strings.Contains(out, want) {
		return fmt.Errorf("it says %q, want %s", out, want)
	}
	return nil
}

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

// oddUp uploads a file under each of them.
func (e *errand) oddUp() error {
	f := e.files[1]
	return e.eachName(func(name string) error {
		if _, err := e.do("put", filepath.Join(e.local, f.name), e.remote(name)); err != nil {
			return err
		}
		return e.stored(name, f.sum)
	})
}

// oddDown downloads them.
func (e *errand) oddDown() error {
	return e.eachName(func(name string) error {
		e.bucket.put(e.home+"/"+name, name)
		back := filepath.Join(e.dir, "back")
		if _, err := e.do("get", e.remote(name), back); err != nil {
			return err
		}
		if err := received(e, back, sumOf(e.t, strings.NewReader(name))); err != nil {
			return err
		}
		return os.Remove(back)
	})
}

// eachName joins what is foreseen of single names to one verdict.
func (e *errand) eachName(do func(name string) error) error {
	odd, names := make(map[verdict][]string), names
	if e.slow {
		names = names[len(names)-1:]
	}
	for _, name := range names {
		v := verdict{}
		if err := do(name); errors.As(err, &v) {
			odd[v] = append(odd[v], name)
		} else if err != nil {
			return err
		}
	}
	var parts []string
	for v, some := range odd {
		if len(some) == len(names) {
			return v
		}
		parts = append(parts, fmt.Sprintf("`%s`: %s", strings.Join(some, "`, `"), v.reason))
	}
	if len(parts) == 0 {
		return nil
	}
	slices.Sort(parts)
	return verdict{"in part", strings.Join(parts, "; ")}
}

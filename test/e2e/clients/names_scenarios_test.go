package clients

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// list prints the names of a directory with a subdirectory.
func (e *task) list() error {
	for _, name := range harness.OddNames {
		e.bucket.Put(e.home+"/"+name, "x")
	}
	e.bucket.Put(e.home+"/sub/", "")
	out, err := e.do("list", "/"+e.home)
	if err != nil {
		return err
	}
	return lacks(out, append([]string{"sub"}, harness.OddNames...))
}

func lacks(out string, names []string) error {
	for _, name := range names {
		if !strings.Contains(out, name) {
			return fmt.Errorf("the list lacks %q:\n%s", name, out)
		}
	}
	return nil
}

func (e *task) mkdir() error {
	if _, err := e.do("mkdir", e.remote("a directory")); err != nil {
		return err
	}
	return e.hasKeys("a directory/")
}

func (e *task) rmdir() error {
	e.bucket.Put(e.home+"/a directory/", "")
	if _, err := e.do("rmdir", e.remote("a directory")); err != nil {
		return err
	}
	return e.hasKeys()
}

func (e *task) rename() error {
	e.bucket.Put(e.home+"/from here", "content")
	e.bucket.Put(e.home+"/sub/", "")
	if _, err := e.do("rename", e.remote("from here"), e.remote("sub/re+named %.txt")); err != nil {
		return err
	}
	if err := e.stored("sub/re+named %.txt", harness.SumOf(e.t, strings.NewReader("content"))); err != nil {
		return err
	}
	return e.hasKeys("sub/", "sub/re+named %.txt")
}

func (e *task) remove() error {
	e.bucket.Put(e.home+"/a file", "content")
	if _, err := e.do("delete", e.remote("a file")); err != nil {
		return err
	}
	return e.hasKeys()
}

// hasKeys returns an error unless S3 has these keys, and that of the directory itself.
func (e *task) hasKeys(want ...string) error {
	var got []string
	for _, key := range e.bucket.Keys(e.home + "/") {
		if name := strings.TrimPrefix(key, e.home+"/"); name != "" {
			got = append(got, name)
		}
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("S3 has %q, want %q", got, want)
	}
	return nil
}

func (e *task) size() error {
	e.bucket.Put(e.home+"/file", strings.Repeat("x", 12345))
	out, err := e.do("size", e.remote("file"))
	if err == nil && !slices.Contains(strings.Fields(out), "12345") {
		return fmt.Errorf("it says %q", out)
	}
	return err
}

func (e *task) time() error {
	e.bucket.Put(e.home+"/file", "content")
	out, err := e.do("time", e.remote("file"))
	if err != nil {
		return err
	}
	key := e.home + "/file"
	head, err := e.bucket.HeadObject(e.t.Context(), &s3.HeadObjectInput{Bucket: &e.bucket.Name, Key: &key})
	if err != nil {
		return err
	}
	if want := head.LastModified.UTC().Format("20060102150405"); !strings.Contains(out, want) {
		return fmt.Errorf("it says %q, want %s", out, want)
	}
	return nil
}

// oddUp uploads a file under each odd name.
func (e *task) oddUp() error {
	f := e.files[1]
	return e.eachName(func(name string) error {
		if _, err := e.do("put", filepath.Join(e.local, f.Name), e.remote(name)); err != nil {
			return err
		}
		return e.stored(name, f.Sum)
	})
}

// oddDown downloads the files with odd names.
func (e *task) oddDown() error {
	return e.eachName(func(name string) error {
		e.bucket.Put(e.home+"/"+name, name)
		back := filepath.Join(e.dir, "back")
		if _, err := e.do("get", e.remote(name), back); err != nil {
			return err
		}
		if err := received(e, back, harness.SumOf(e.t, strings.NewReader(name))); err != nil {
			return err
		}
		return os.Remove(back)
	})
}

// eachName joins the verdicts of single names into one.
func (e *task) eachName(do func(name string) error) error {
	odd, names := make(map[verdict][]string), harness.OddNames
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

package scenario

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
func (e *Task) list() error {
	for _, name := range e.names {
		e.Bucket.Put(e.Home+"/"+name, "x")
	}
	e.Bucket.Put(e.Home+"/sub/", "")
	out, err := e.Do("list", "/"+e.Home)
	if err != nil {
		return err
	}
	return lacks(out, append([]string{"sub"}, e.names...))
}

func lacks(out string, names []string) error {
	for _, name := range names {
		if !strings.Contains(out, name) {
			return fmt.Errorf("the list lacks %q:\n%s", name, out)
		}
	}
	return nil
}

func (e *Task) mkdir() error {
	if _, err := e.Do("mkdir", e.Remote("a directory")); err != nil {
		return err
	}
	return e.hasKeys("a directory/")
}

func (e *Task) rmdir() error {
	e.Bucket.Put(e.Home+"/a directory/", "")
	if _, err := e.Do("rmdir", e.Remote("a directory")); err != nil {
		return err
	}
	return e.hasKeys()
}

func (e *Task) rename() error {
	e.Bucket.Put(e.Home+"/from here", "content")
	e.Bucket.Put(e.Home+"/sub/", "")
	if _, err := e.Do("rename", e.Remote("from here"), e.Remote("sub/re+named %.txt")); err != nil {
		return err
	}
	if err := e.Stored("sub/re+named %.txt", harness.SumOf(e.T, strings.NewReader("content"))); err != nil {
		return err
	}
	return e.hasKeys("sub/", "sub/re+named %.txt")
}

func (e *Task) remove() error {
	e.Bucket.Put(e.Home+"/a file", "content")
	if _, err := e.Do("delete", e.Remote("a file")); err != nil {
		return err
	}
	return e.hasKeys()
}

// hasKeys returns an error unless S3 has these keys, and that of the directory itself.
func (e *Task) hasKeys(want ...string) error {
	var got []string
	for _, key := range e.Bucket.Keys(e.Home + "/") {
		if name := strings.TrimPrefix(key, e.Home+"/"); name != "" {
			got = append(got, name)
		}
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("S3 has %q, want %q", got, want)
	}
	return nil
}

func (e *Task) size() error {
	e.Bucket.Put(e.Home+"/file", strings.Repeat("x", 12345))
	out, err := e.Do("size", e.Remote("file"))
	if err == nil && !slices.Contains(strings.Fields(out), "12345") {
		return fmt.Errorf("it says %q", out)
	}
	return err
}

func (e *Task) time() error {
	e.Bucket.Put(e.Home+"/file", "content")
	out, err := e.Do("time", e.Remote("file"))
	if err != nil {
		return err
	}
	key := e.Home + "/file"
	head, err := e.Bucket.HeadObject(e.T.Context(), &s3.HeadObjectInput{Bucket: &e.Bucket.Name, Key: &key})
	if err != nil {
		return err
	}
	if want := head.LastModified.UTC().Format("20060102150405"); !strings.Contains(out, want) {
		return fmt.Errorf("it says %q, want %s", out, want)
	}
	return nil
}

// oddUp uploads a file under each odd name.
func (e *Task) oddUp() error {
	f := e.Files[1]
	return e.eachName(func(name string) error {
		if _, err := e.Do("put", filepath.Join(e.Local, f.Name), e.Remote(name)); err != nil {
			return err
		}
		return e.Stored(name, f.Sum)
	})
}

// oddDown downloads the files with odd names.
func (e *Task) oddDown() error {
	return e.eachName(func(name string) error {
		e.Bucket.Put(e.Home+"/"+name, name)
		back := filepath.Join(e.Dir, "back")
		if _, err := e.Do("get", e.Remote(name), back); err != nil {
			return err
		}
		if err := e.Received(back, harness.SumOf(e.T, strings.NewReader(name))); err != nil {
			return err
		}
		return os.Remove(back)
	})
}

// eachName joins the verdicts of single names into one.
func (e *Task) eachName(do func(name string) error) error {
	odd, names := make(map[Verdict][]string), e.names
	if e.Slow {
		names = names[len(names)-1:]
	}
	for _, name := range names {
		v := Verdict{}
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
		parts = append(parts, fmt.Sprintf("`%s`: %s", strings.Join(some, "`, `"), v.Reason))
	}
	if len(parts) == 0 {
		return nil
	}
	slices.Sort(parts)
	return Verdict{"in part", strings.Join(parts, "; ")}
}

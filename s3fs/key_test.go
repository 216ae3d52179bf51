package s3fs

import (
	"errors"
	"io/fs"
	"strings"
	"syscall"
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy"
)

func TestKey(t *testing.T) {
	f := NewFS(&Client{}, Options{Prefix: "/tenant/"})
	for name, want := range map[string]string{
		"/a":         "tenant/a",
		"/a/b c+%":   "tenant/a/b c+%",
		"/a/":        "tenant/a",
		"/../../a":   "tenant/a",
		"/a//./b/..": "tenant/a",
		"/\\..\\x":   `tenant/\..\x`,
	} {
		if got, err := f.fileKey(name); got != want || err != nil {
			t.Errorf("%q: %q, %v; want %q", name, got, err, want)
		}
		if got, err := f.dirPrefix(name); got != want+"/" || err != nil {
			t.Errorf("directory %q: %q, %v; want %q", name, got, err, want+"/")
		}
	}
	for name, want := range map[string]error{
		"/":       syscall.EISDIR,
		"/..":     syscall.EISDIR,
		"/a\x00":  fs.ErrInvalid,
		"/a\nb":   fs.ErrInvalid,
		"/\x7f":   fs.ErrInvalid,
		"/\u009b": fs.ErrInvalid,
		"/\xff":   fs.ErrInvalid,
		"/" + strings.Repeat("n", maxKeyLength-len("tenant/")+1): fs.ErrInvalid,
	} {
		if got, err := f.fileKey(name); !errors.Is(err, want) {
			t.Errorf("%q: %q, %v; want %v", name, got, err, want)
		}
	}
	if key, err := f.fileKey("/" + strings.Repeat("n", maxKeyLength-len("tenant/"))); len(key) != maxKeyLength || err != nil {
		t.Errorf("the longest key: %d bytes, %v", len(key), err)
	}
	if root, err := NewFS(&Client{}, Options{}).dirPrefix("/"); root != "" || err != nil {
		t.Errorf("the root of a bucket: %q, %v", root, err)
	}
}

func FuzzKey(f *testing.F) {
	for _, name := range []string{"/a", "", "..", "/../x", "/a//b/./c", "/a/..", "/\x00", "/\xff", "/ü/日本", "a/../../..", "/a/", strings.Repeat("/x", 600)} {
		f.Add(name)
	}
	store := NewFS(&Client{}, Options{Prefix: "tenant"})
	f.Fuzz(func(t *testing.T, name string) {
		key, err := store.fileKey(name)
		if err != nil {
			if key != "" {
				t.Errorf("%q with %v", key, err)
			}
			return
		}
		rest, inside := strings.CutPrefix(key, "tenant/")
		if !inside || len(key) > maxKeyLength {
			t.Fatalf("key %q", key)
		}
		for element := range strings.SplitSeq(rest, "/") {
			if !proxy.IsElement(element) {
				t.Errorf("key %q has %q", key, element)
			}
		}
		if again, err := store.fileKey("/" + rest); again != key || err != nil {
			t.Errorf("%q becomes %q, %v", key, again, err)
		}
	})
}

// A name of 1,024 bytes is valid for a file, but not for a directory, because its marker has a slash more.
func TestMaxLengthOfDirectoryName(t *testing.T) {
	s := newFake(t)
	if _, err := s.fs(Options{}).statDir(t.Context(), strings.Repeat("n", maxKeyLength)+"/"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error %v", err)
	}
	s.checkCalls()
}

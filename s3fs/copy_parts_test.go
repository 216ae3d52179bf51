package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

const large = 3*minPart + 1234 // bytes, three parts of a copy in parts

// A copy has the headers and tags of its source, in one request and in parts.
func TestCopiesKeepHeadersAndTags(t *testing.T) {
	changes := map[string]func(f *FS) (string, error){
		"a file's rename":      func(f *FS) (string, error) { return "to", errOf(f.Rename(t.Context(), "/from/f", "/to", true)) },
		"a directory's rename": func(f *FS) (string, error) { return "to/f", errOf(f.Rename(t.Context(), "/from", "/to", true)) },
		"a new time": func(f *FS) (string, error) {
			return "from/f", errOf(f.SetTime(t.Context(), "/from/f", time.Unix(981173106, 0)))
		},
	}
	bothStores(t, func(t *testing.T, c *Client) {
		for name, change := range changes {
			for _, parts := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, in parts: %v", name, parts), func(t *testing.T) {
					f := NewFS(c, Options{Bucket: "files", Prefix: strings.ReplaceAll(t.Name(), "/", "_")})
					if parts {
						inSmallParts(f)
					}
					putWithHeaders(t, f, f.prefix+"from/f", large)
					before := copiedHeaders(t, f, f.prefix+"from/f")
					key, err := change(f)
					if err != nil {
						t.Fatal(err)
					}
					after := copiedHeaders(t, f, f.prefix+key)
					if name != "a new time" && !parts {
						delete(before, "Expires") // which MinIO's CopyObject forgets
						delete(after, "Expires")
					}
					if !maps.Equal(before, after) {
						t.Errorf("before %v\nafter  %v", before, after)
					}
					if etag := unquote(headOf(t, f, f.prefix+key).ETag); strings.HasSuffix(etag, "-3") != parts {
						t.Errorf("ETag %s", etag)
					}
					checkObject(t, f, key, noise(large))
					checkNoUploads(t, f, f.prefix+key)
					if key != "from/f" {
						checkMissing(t, f, "/from")
					}
				})
			}
		}
	})
}

// A copy in parts for the rename of a directory does not replace an object that was stored meanwhile, and SetTime does not replace a
// changed file by its old content.
func TestCopyInPartsReplacesNoNewerObject(t *testing.T) {
	bothStores(t, func(t *testing.T, c *Client) {
		f := NewFS(c, Options{Bucket: "files"})
		meanwhile := func(key string) *FS {
			return withSpy(t, f, func(call string, _ *http.Request) (*http.Response, error) {
				if call == "Complete" {
					putWithHeaders(t, f, key, 7)
				}
				return nil, nil
			})
		}
		for _, key := range []string{"d/large", "d/small", "file"} {
			putWithHeaders(t, f, key, map[bool]int{true: 7, false: large}[key == "d/small"])
		}
		if _, err := meanwhile("e/large").Rename(t.Context(), "/d", "/e", true); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Rename: %v", err)
		}
		checkObject(t, f, "d/large", noise(large))
		checkObject(t, f, "d/small", noise(7))
		checkObject(t, f, "e/large", noise(7))
		checkMissing(t, f, "/e/small")
		if _, err := meanwhile("file").SetTime(t.Context(), "/file", time.Unix(0, 0)); err == nil {
			t.Error("SetTime: no error")
		}
		checkObject(t, f, "file", noise(7))
		checkNoUploads(t, f, "e/large", "file")
	})
}

// If two directories are renamed to the same name at the same time, one rename succeeds.
func TestConcurrentRenamesToOneName(t *testing.T) {
	bothStores(t, func(t *testing.T, c *Client) {
		f := NewFS(c, Options{Bucket: "files"})
		putWithHeaders(t, f, "first/f", 3)
		putWithHeaders(t, f, "second/f", 7)
		late := withSpy(t, f, func(call string, _ *http.Request) (*http.Response, error) {
			if call != "Put" {
				return nil, nil
			}
			return nil, errOf(f.Rename(t.Context(), "/first", "/to", true))
		})
		if _, err := late.Rename(t.Context(), "/second", "/to", true); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Rename: %v", err)
		}
		checkObject(t, f, "to/f", noise(3))
		checkObject(t, f, "second/f", noise(7))
		checkMissing(t, f, "/first")
		if p, err := f.fetchPage(t.Context(), "to/", "", "", 0); err != nil || len(p.objects) != 1 {
			t.Errorf("%v, %v: the marker still exists", p.objects, err)
		}
	})
}

// After a cancelled rename, the source is complete and the new name is free.
func TestCancelledRename(t *testing.T) {
	sizes := map[string]int{"d/": 0, "d/1": 1, "d/2": 2, "d/3": 3, "d/large": large, "file": large}
	bothStores(t, func(t *testing.T, c *Client) {
		f := NewFS(c, Options{Bucket: "files"})
		for key, size := range sizes {
			putWithHeaders(t, f, key, size)
		}
		for _, test := range []struct{ from, to, at string }{
			{"/file", "/new", "PartCopy 2"}, {"/d", "/new", "PartCopy 2"}, {"/d", "/new", "Copy"}, {"/d", "/new", "Create"}, {"/d", "/new", "Put"},
		} {
			ctx, cancel := context.WithCancelCause(t.Context())
			ending := withSpy(t, f, func(call string, _ *http.Request) (*http.Response, error) {
				if call == test.at {
					cancel(errCut)
				}
				return nil, nil
			})
			if _, err := ending.Rename(ctx, test.from, test.to, true); !errors.Is(err, errCut) {
				t.Errorf("%s, cut at %s: %v", test.from, test.at, err)
			}
			checkMissing(t, f, "/new")
			checkNoUploads(t, f, "new", "new/large")
		}
		for key, size := range sizes {
			if key != "d/" {
				checkObject(t, f, key, noise(size))
			}
		}
	})
}

// The contract of a Store with copies in parts for all objects of two bytes and more.
func TestContractWithCopiesInParts(t *testing.T) {
	t.Parallel()
	c := embedded(t, "files")
	n := 0
	limits := storetest.Limits{}
	if testing.Short() { // the groups that copy alone: the others run on the same store anyway
		limits = storetest.Limits{Brief: true, Groups: []string{"resume", "append", "rename", "time"}}
	}
	storetest.Run(t, limits, func(t *testing.T) proxy.Store {
		n++
		f := inSmallParts(NewFS(c, Options{Bucket: "files", Prefix: fmt.Sprint(n), PartSize: minPart}))
		f.copyLimit = 1
		return f
	})
}

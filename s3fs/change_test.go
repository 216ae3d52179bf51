package s3fs

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
)

// tree makes the fake have a directory d of n objects, and nothing else; each further fault comes first.
func (s *fake) tree(n int, size int64, fault func(*http.Request, string) (*http.Response, error)) {
	var keys strings.Builder
	for i := range n {
		fmt.Fprintf(&keys, `<Contents><Key>d/%d</Key><Size>%d</Size><ETag>"e%d"</ETag><StorageClass>GLACIER_IR</StorageClass></Contents>`, i, size, i)
	}
	s.fault = func(r *http.Request, call string) (*http.Response, error) {
		if fault != nil {
			if resp, err := fault(r, call); resp != nil || err != nil {
				return resp, err
			}
		}
		switch {
		case call == "Head":
			return response(404, ""), nil
		case call == "List" && r.URL.Query().Get("prefix") == "d/":
			return response(200, "<ListBucketResult>"+keys.String()+"</ListBucketResult>"), nil
		case call == "Copy":
			s.copies.Store(strings.TrimPrefix(r.URL.Path, "/b/"), true)
			return response(200, `<R><ETag>"x"</ETag></R>`), nil
		case call == "Put" && r.URL.Path == "/b/e/":
			s.copies.Store("e/", true)
			resp := response(200, "")
			resp.Header.Set("ETag", `"x"`)
			return resp, nil
		case call == "Delete":
			s.copies.Delete(strings.TrimPrefix(r.URL.Path, "/b/"))
			return response(204, ""), nil
		case call == "List" && r.URL.Query().Get("prefix") == "e/":
			return response(200, "<ListBucketResult>"+listed(&s.copies)+"</ListBucketResult>"), nil
		}
		return response(200, "<ListBucketResult></ListBucketResult>"), nil
	}
}

// listed is how a listing shows the copies made so far, whose ETag is x.
func listed(copies *sync.Map) string {
	var b strings.Builder
	copies.Range(func(key, _ any) bool {
		fmt.Fprintf(&b, `<Contents><Key>%s</Key><Size>1</Size><ETag>"x"</ETag></Contents>`, key)
		return true
	})
	return b.String()
}

// TestRenameKeepsWhatIsWritten: an upload that S3 has confirmed while its directory was being renamed is not deleted
// with the rest, neither at the old name nor, when the rename fails, at the new one.
func TestRenameKeepsWhatIsWritten(t *testing.T) {
	for name, fails := range map[string]bool{"d/1": false, "e/1": true} {
		s := newFake(t)
		lists := 0
		s.tree(3, 1, func(r *http.Request, call string) (*http.Response, error) {
			switch prefix := r.URL.Query().Get("prefix"); {
			case call == "Copy" && fails && r.URL.Path == "/b/e/2":
				return refusal(412, "PreconditionFailed", ""), nil
			case call == "List" && prefix == name[:2] && r.URL.Query().Get("max-keys") == "":
				if lists++; lists == 1 && !fails {
					return nil, nil // before the copies
				}
				return response(200, `<ListBucketResult><Contents><Key>`+name[:2]+`0</Key><ETag>"`+map[bool]string{false: "e0", true: "x"}[fails]+
					`"</ETag></Contents><Contents><Key>`+name+`</Key><ETag>"written"</ETag></Contents></ListBucketResult>`), nil
			}
			return nil, nil
		})
		if err := s.fs(Options{}).Rename(t.Context(), "/d", "/e"); (err != nil) != fails {
			t.Errorf("%s: %v", name, err)
		}
		removed := strings.Join(s.bodies, "")
		if !strings.Contains(removed, "<Key>"+name[:2]+"0</Key>") || strings.Contains(removed, "<Key>"+name+"</Key>") {
			t.Errorf("%s is written meanwhile; removed: %s", name, removed)
		}
	}
}

// TestRenameKeepsAFileWrittenMeanwhile is the same for a single file.
func TestRenameKeepsAFileWrittenMeanwhile(t *testing.T) {
	s := newFake(t)
	heads := 0
	s.fault = func(_ *http.Request, call string) (*http.Response, error) {
		switch call {
		case "Head":
			heads++
			resp := response(200, "")
			resp.Header.Set("ETag", fmt.Sprintf(`"%d"`, heads))
			return resp, nil
		case "List":
			return response(200, "<ListBucketResult></ListBucketResult>"), nil
		case "Copy":
			return response(200, `<R><ETag>"1"</ETag></R>`), nil
		}
		return nil, nil
	}
	if err := s.fs(Options{}).Rename(t.Context(), "/a", "/b"); err != nil {
		t.Error(err)
	}
	s.made("Head x2", "List x2", "Copy")
}

func TestRenameDirectory(t *testing.T) {
	s := newFake(t)
	s.tree(3, 1, nil)
	if err := s.fs(Options{}).Rename(t.Context(), "/d", "/e"); err != nil {
		t.Fatal(err)
	}
	s.made("Head x2", "List x5", "Put", "Copy x3", "Delete", "DeleteMany")
	if _, left := s.copies.Load("e/"); left {
		t.Error("the marker that reserved the name is left")
	}
	if got := s.header("Put", "If-None-Match"); got != "*" {
		t.Errorf("the name is reserved with If-None-Match: %q", got)
	}
	if got := s.header("Copy", "X-Amz-Storage-Class"); got != "GLACIER_IR" {
		t.Errorf("storage class %q", got)
	}
	if got := s.header("Copy", "X-Amz-Copy-Source-If-Match"); !strings.HasPrefix(got, `"e`) {
		t.Errorf("source's ETag %q", got)
	}
	if last := s.bodies[len(s.bodies)-1]; strings.Count(last, "<Key>d/") != 3 {
		t.Errorf("the last request is %q, want the deletion of the sources", last)
	}
}

// TestRenameDirectoryFaults says what is deleted of the directory d, or of its copy e, when something goes wrong.
func TestRenameDirectoryFaults(t *testing.T) {
	for name, test := range map[string]struct {
		n     int
		size  int64
		fault func(*http.Request, string) (*http.Response, error)
		want  error
		copy  bool // was begun, and all of it removed
	}{
		"a copy fails": {n: 40, copy: true, want: errAny, fault: func(r *http.Request, call string) (*http.Response, error) {
			if call == "Copy" && r.URL.Path == "/b/e/30" {
				return refusal(412, "PreconditionFailed", "the source has changed"), nil
			}
			return nil, nil
		}},
		"a copy answers 200 with an error": {n: 3, copy: true, want: errAny, fault: func(r *http.Request, call string) (*http.Response, error) {
			if call == "Copy" && r.URL.Path == "/b/e/1" {
				return refusal(200, "InternalError", ""), nil
			}
			return nil, nil
		}},
		"too many objects": {n: 51, want: syscall.EFBIG},
		"a file has the new name": {n: 2, want: fs.ErrExist, fault: func(r *http.Request, call string) (*http.Response, error) {
			if call == "Head" && r.URL.Path == "/b/e" {
				return response(200, ""), nil
			}
			return nil, nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				s.tree(test.n, test.size, test.fault)
				err := s.fs(Options{RenameMax: 50}).Rename(t.Context(), "/d", "/e")
				if err == nil || test.want != errAny && !errors.Is(err, test.want) {
					t.Errorf("error %v, want %v", err, test.want)
				}
				removed := strings.Join(s.bodies, "")
				copied := strings.Count(listed(&s.copies), "<Key>")
				if strings.Contains(removed, "<Key>d/") {
					t.Errorf("a source was deleted: %s", removed)
				}
				if (copied > 0) != test.copy || strings.Count(removed, "<Key>e/") != copied {
					t.Errorf("%d copies made, removed: %s", copied, removed)
				}
			})
		})
	}
}

func TestRenameSaysWhatWasNotDeleted(t *testing.T) {
	s := newFake(t)
	s.tree(3, 1, func(_ *http.Request, call string) (*http.Response, error) {
		if call == "DeleteMany" {
			return response(200, "<DeleteResult><Error><Key>d/1</Key><Code>AccessDenied</Code></Error></DeleteResult>"), nil
		}
		return nil, nil
	})
	err := s.fs(Options{}).Rename(t.Context(), "/d", "/e")
	if err == nil || !strings.Contains(err.Error(), `"d/1": AccessDenied`) {
		t.Errorf("error %v", err)
	}
	if removed := s.bodies[len(s.bodies)-1]; strings.Contains(removed, "<Key>e/") {
		t.Errorf("the copies were removed after sources had been: %s", removed)
	}
}

func TestRenameLeavesAFileThatChanges(t *testing.T) {
	s := newFake(t)
	s.fault = func(_ *http.Request, call string) (*http.Response, error) {
		switch call {
		case "Head":
			resp := response(200, "")
			resp.Header.Set("ETag", `"old"`)
			return resp, nil
		case "List":
			return response(200, "<ListBucketResult></ListBucketResult>"), nil
		case "Copy":
			return refusal(412, "PreconditionFailed", ""), nil
		}
		return nil, nil
	}
	if err := s.fs(Options{}).Rename(t.Context(), "/a b+c", "/e"); err == nil {
		t.Error("no error")
	}
	s.made("Head", "List x2", "Copy")
	if got := s.header("Copy", "X-Amz-Copy-Source"); got != "b/a%20b%2Bc" {
		t.Errorf("source %q", got)
	}
	if got := s.header("Copy", "X-Amz-Copy-Source-If-Match"); got != `"old"` {
		t.Errorf("source's ETag %q", got)
	}
}

// TestListingAllowedForAPrefix: where listing is allowed for some prefixes only, S3 says of a missing object that
// access is denied.
func TestListingAllowedForAPrefix(t *testing.T) {
	s := newFake(t)
	s.tree(3, 1, func(_ *http.Request, call string) (*http.Response, error) {
		if call == "Head" {
			return response(403, ""), nil
		}
		return nil, nil
	})
	f := s.fs(Options{})
	if err := f.Mkdir(t.Context(), "/new"); err != nil {
		t.Errorf("Mkdir: %v", err)
	}
	if err := f.Rename(t.Context(), "/d", "/e"); err != nil {
		t.Errorf("Rename: %v", err)
	}
	if _, err := f.Stat(t.Context(), "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat: %v", err)
	}
}

func TestMkdirIsChecked(t *testing.T) {
	s := newFake(t)
	s.tree(0, 0, nil)
	if err := s.fs(Options{}).Mkdir(t.Context(), "/e"); err != nil {
		t.Fatal(err)
	}
	if got := s.header("Put", "X-Amz-Checksum-Crc32c"); got != crcText(nil) {
		t.Errorf("checksum %q", got)
	}
}

// TestDeletionWithoutCRC is for services that refuse the newer checksums: the list of keys then has an MD5.
func TestDeletionWithoutCRC(t *testing.T) {
	for mode, want := range map[string]string{"md5": "Content-Md5", "none": "Content-Md5", "crc32c": "X-Amz-Checksum-Crc32"} {
		s := newFake(t)
		f := s.fs(Options{})
		f.client.checksum = mode
		if err := f.deleteAll(t.Context(), []string{"a", "b"}); err != nil {
			t.Fatal(err)
		}
		for _, header := range []string{"Content-Md5", "X-Amz-Checksum-Crc32"} {
			if got := s.header("DeleteMany", header); (got != "") != (header == want) {
				t.Errorf("%s: %s is %q", mode, header, got)
			}
		}
	}
}

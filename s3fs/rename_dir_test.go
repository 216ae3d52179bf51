package s3fs

import (
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
)

// If S3 refused a copy, an object with the same content at the new name is of another client, and must not be deleted.
func TestFailedRenameKeepsObjectsOfOthers(t *testing.T) {
	s := newFake(t)
	s.makeTree(1, 1, func(r *http.Request, call string) (*http.Response, error) {
		switch q := r.URL.Query(); {
		case call == "Copy":
			return refusal(403, "AccessDenied", ""), nil
		case call == "List" && q.Get("prefix") == "e/" && q.Get("max-keys") == "":
			return response(200, `<ListBucketResult><Contents><Key>e/0</Key><ETag>"e0"</ETag></Contents></ListBucketResult>`), nil
		}
		return nil, nil
	})
	if _, err := s.fs(Options{}).Rename(t.Context(), "/d", "/e", true); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
	if removed := strings.Join(s.sent(), ""); strings.Contains(removed, "e/0") {
		t.Errorf("removed: %s", removed)
	}
}

// On services that ignore conditions, a name cannot be reserved.
func TestRenameWithoutConditions(t *testing.T) {
	s := newFake(t)
	s.makeTree(1, 1, func(r *http.Request, call string) (*http.Response, error) {
		if call == "Put" && r.Header.Get("If-None-Match") != "" {
			return refusal(501, "NotImplemented", "A header you provided implies functionality that is not implemented"), nil
		}
		return nil, nil
	})
	f := s.fs(Options{})
	f.client.checksum = string(none) // else the service is asked again without CRC32C
	if _, err := f.Rename(t.Context(), "/d", "/e", true); err != nil {
		t.Fatal(err)
	}
	s.checkCalls("Head x3", "List x5", "Put x2", "Copy", "Delete", "DeleteMany")
}

// A file that is stored in the directory during its rename is not deleted with the others, neither at the old name nor, if the rename
// fails, at the new one.
func TestDirectoryRenameKeepsNewFiles(t *testing.T) {
	for name, fails := range map[string]bool{"d/1": false, "e/1": true} {
		s := newFake(t)
		lists := 0
		s.makeTree(3, 1, func(r *http.Request, call string) (*http.Response, error) {
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
		if _, err := s.fs(Options{}).Rename(t.Context(), "/d", "/e", true); (err != nil) != fails {
			t.Errorf("%s: %v", name, err)
		}
		removed := strings.Join(s.sent(), "")
		if !strings.Contains(removed, "<Key>"+name[:2]+"0</Key>") || strings.Contains(removed, "<Key>"+name+"</Key>") {
			t.Errorf("%s is written meanwhile; removed: %s", name, removed)
		}
	}
}

func TestRenameDirectory(t *testing.T) {
	s := newFake(t)
	s.makeTree(3, 1, nil)
	if _, err := s.fs(Options{}).Rename(t.Context(), "/d", "/e", true); err != nil {
		t.Fatal(err)
	}
	s.checkCalls("Head x2", "List x5", "Put", "Copy x3", "Delete", "DeleteMany")
	if _, left := s.copies.Load("e/"); left {
		t.Error("the marker that reserved the name still exists")
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
	if last := s.lastSent(); strings.Count(last, "<Key>d/") != 3 {
		t.Errorf("the last request is %q, want the deletion of the sources", last)
	}
}

// The table has the deletions in the directory d, or in its copy e, for each fault.
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
				return tagged("e"), nil
			}
			return nil, nil
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				s.makeTree(test.n, test.size, test.fault)
				_, err := s.fs(Options{RenameMax: 50}).Rename(t.Context(), "/d", "/e", true)
				if err == nil || test.want != errAny && !errors.Is(err, test.want) {
					t.Errorf("error %v, want %v", err, test.want)
				}
				removed := strings.Join(s.sent(), "")
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

func TestRenameErrorNamesUndeletedKeys(t *testing.T) {
	s := newFake(t)
	s.makeTree(3, 1, func(_ *http.Request, call string) (*http.Response, error) {
		if call == "DeleteMany" {
			return response(200, "<DeleteResult><Error><Key>d/1</Key><Code>AccessDenied</Code></Error></DeleteResult>"), nil
		}
		return nil, nil
	})
	_, err := s.fs(Options{}).Rename(t.Context(), "/d", "/e", true)
	if err == nil || !errors.Is(err, fs.ErrPermission) || !strings.Contains(err.Error(), `deleting "d/1"`) {
		t.Errorf("error %v", err)
	}
	if removed := s.lastSent(); strings.Contains(removed, "<Key>e/") {
		t.Errorf("the copies were removed after sources had been: %s", removed)
	}
}

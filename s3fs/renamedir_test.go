package s3fs

import (
	"errors"
	"io/fs"
	"net/http"
	"strings"
	"testing"
)

// TestRenameKeepsWhatItDidNotCopy: where a copy was refused, the same content at the new name is somebody else's.
func TestRenameKeepsWhatItDidNotCopy(t *testing.T) {
	s := newFake(t)
	s.tree(1, 1, func(r *http.Request, call string) (*http.Response, error) {
		switch q := r.URL.Query(); {
		case call == "Copy":
			return refusal(403, "AccessDenied", ""), nil
		case call == "List" && q.Get("prefix") == "e/" && q.Get("max-keys") == "":
			return response(200, `<ListBucketResult><Contents><Key>e/0</Key><ETag>"e0"</ETag></Contents></ListBucketResult>`), nil
		}
		return nil, nil
	})
	if err := s.fs(Options{}).Rename(t.Context(), "/d", "/e"); !errors.Is(err, fs.ErrPermission) {
		t.Error(err)
	}
	if removed := strings.Join(s.bodies, ""); strings.Contains(removed, "e/0") {
		t.Errorf("removed: %s", removed)
	}
}

// TestRenameWithoutConditions is for services that put nothing on conditions: no name can be reserved there.
func TestRenameWithoutConditions(t *testing.T) {
	s := newFake(t)
	s.tree(1, 1, func(_ *http.Request, call string) (*http.Response, error) {
		if call == "Put" {
			return refusal(501, "NotImplemented", "A header you provided implies functionality that is not implemented"), nil
		}
		return nil, nil
	})
	f := s.fs(Options{})
	f.client.checksum = string(none) // else the service is asked again without CRC32C
	if err := f.Rename(t.Context(), "/d", "/e"); err != nil {
		t.Fatal(err)
	}
	s.made("Head x2", "List x5", "Put", "Copy", "DeleteMany")
}

package s3fs

import (
	"errors"
	"io/fs"
	"net/http"
	"testing"
)

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
		if err := f.deleteAll(t.Context(), []string{"a", "b"}, nil); err != nil {
			t.Fatal(err)
		}
		for _, header := range []string{"Content-Md5", "X-Amz-Checksum-Crc32"} {
			if got := s.header("DeleteMany", header); (got != "") != (header == want) {
				t.Errorf("%s: %s is %q", mode, header, got)
			}
		}
	}
}

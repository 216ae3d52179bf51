package s3fs

import (
	"errors"
	"io/fs"
	"net/http"
	"testing"
	"time"
)

// If listing is allowed for some prefixes only, S3 answers with AccessDenied for a missing object.
func TestMissingObjectWithRestrictedListing(t *testing.T) {
	s := newFake(t)
	s.makeTree(3, 1, func(_ *http.Request, call string) (*http.Response, error) {
		if call == "Head" {
			return response(403, ""), nil
		}
		return nil, nil
	})
	f := s.fs(Options{})
	if _, err := f.Mkdir(t.Context(), "/new"); err != nil {
		t.Errorf("Mkdir: %v", err)
	}
	if _, err := f.Rename(t.Context(), "/d", "/e", true); err != nil {
		t.Errorf("Rename: %v", err)
	}
	if _, err := f.Stat(t.Context(), "/none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Stat: %v", err)
	}
}

func TestMkdirIsChecked(t *testing.T) {
	s := newFake(t)
	s.makeTree(0, 0, nil)
	if _, err := s.fs(Options{}).Mkdir(t.Context(), "/e"); err != nil {
		t.Fatal(err)
	}
	if got := s.header("Put", "X-Amz-Checksum-Crc32c"); got != crcText(nil) {
		t.Errorf("checksum %q", got)
	}
}

// DeleteObjects has an MD5, whatever checksum is configured, because several services accept no other there. Directory buckets accept no
// MD5.
func TestDeletionChecksum(t *testing.T) {
	for _, mode := range algorithms {
		for bucket, want := range map[string]string{"b": "Content-Md5", "b--use1-az4--x-s3": "X-Amz-Checksum-Crc32"} {
			s := newFake(t)
			f := s.fs(Options{})
			f.client.checksum, f.bucket = mode, bucket
			s.fault = sessions
			if err := f.deleteAll(t.Context(), []string{"a", "b"}, nil); err != nil {
				t.Fatal(err)
			}
			for _, header := range []string{"Content-Md5", "X-Amz-Checksum-Crc32"} {
				if got := s.header("DeleteMany", header); (got != "") != (header == want) {
					t.Errorf("%s, %s: %s is %q", mode, bucket, header, got)
				}
			}
		}
	}
}

// sessions answers CreateSession for a directory bucket.
func sessions(r *http.Request, _ string) (*http.Response, error) {
	if !r.URL.Query().Has("session") {
		return nil, nil
	}
	return response(200, "<R><Credentials><AccessKeyId>a</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>"+
		"<Expiration>"+time.Now().Add(time.Hour).UTC().Format(time.RFC3339)+"</Expiration></Credentials></R>"), nil
}

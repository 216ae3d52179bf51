package s3fs

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// The Stored of a change has the data of S3's answer.
func TestStoredDescribesChange(t *testing.T) {
	s := newFake(t)
	sums := http.Header{"Etag": {`"e1"`}, "X-Amz-Version-Id": {"v1"}, "X-Amz-Checksum-Crc32c": {"yZRlqg=="}}
	s.fault = func(r *http.Request, call string) (*http.Response, error) {
		switch {
		case call == "Put" && r.URL.Path == "/b/f":
			resp := response(200, "")
			resp.Header = sums.Clone()
			return resp, nil
		case call == "Head" && (r.URL.Path == "/b/f" || r.URL.Path == "/b/old"):
			return headAnswer(map[string]string{"ETag": `"e1"`}, 3), nil
		case call == "Copy":
			resp := response(200, `<R><ETag>"e2"</ETag></R>`)
			resp.Header.Set("X-Amz-Version-Id", "v2")
			return resp, nil
		case call == "List" && strings.Contains(r.URL.RawQuery, "prefix=d%2F"):
			return response(200, `<ListBucketResult><Contents><Key>d/</Key><ETag>"m"</ETag></Contents></ListBucketResult>`), nil
		}
		return nil, nil
	}
	f := s.fs(Options{})
	for name, test := range map[string]struct {
		do   func() (proxy.Stored, error)
		want proxy.Stored
	}{
		"an upload": {
			func() (proxy.Stored, error) {
				return f.Put(t.Context(), "/f", storetest.Source(zeros(3)), proxy.Write{})
			},
			proxy.Stored{Bucket: "b", Key: "f", Size: 3, ETag: "e1", Version: "v1", Checksum: "CRC32C:yZRlqg=="},
		},
		"a rename": {
			func() (proxy.Stored, error) { return f.Rename(t.Context(), "/old", "/new", true) },
			proxy.Stored{Bucket: "b", Key: "new", From: "old", Size: 3, ETag: "e2", Version: "v2"},
		},
		"a deletion": {
			func() (proxy.Stored, error) { return f.Remove(t.Context(), "/f") },
			proxy.Stored{Bucket: "b", Key: "f", OldETag: "e1", OldSize: 3},
		},
		"a time": {
			func() (proxy.Stored, error) { return f.SetTime(t.Context(), "/f", time.Unix(1, 0)) },
			proxy.Stored{Bucket: "b", Key: "f", Size: 3, ETag: "e2", OldETag: "e1", Version: "v2"},
		},
		"a directory that is removed": {
			func() (proxy.Stored, error) { return f.Rmdir(t.Context(), "/d") },
			proxy.Stored{Bucket: "b", Key: "d/", OldETag: "m"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := test.do(); err != nil || got != test.want {
				t.Errorf("%+v, %v\nwant %+v", got, err, test.want)
			}
		})
	}
}

// The modification time of an upload in parts is set by a copy. If that fails, or if the object was replaced meanwhile, the upload has
// still succeeded.
func TestModTimeOfMultipartUpload(t *testing.T) {
	for name, test := range map[string]struct {
		head, copied *http.Response
		copies       int
		etag         string
	}{
		"it is set":              {headAnswer(map[string]string{"ETag": `"whole-etag"`}, twoParts), response(200, `<R><ETag>"timed-etag"</ETag></R>`), 1, "timed-etag"},
		"S3 refuses the copy":    {headAnswer(map[string]string{"ETag": `"whole-etag"`}, twoParts), refusal(403, "AccessDenied", ""), 1, "whole-etag"},
		"another object instead": {headAnswer(map[string]string{"ETag": `"other-etag"`}, twoParts), response(200, `<R><ETag>"timed-etag"</ETag></R>`), 0, "whole-etag"},
	} {
		t.Run(name, func(t *testing.T) {
			s := newFake(t)
			s.fault = func(r *http.Request, call string) (*http.Response, error) {
				switch call {
				case "Complete":
					return response(200, `<R><ETag>"whole-etag"</ETag></R>`), nil
				case "Head":
					return test.head, nil
				case "Copy":
					if got := r.Header.Get("X-Amz-Meta-Mtime"); got != "981173106" {
						t.Errorf("copied with the time %q", got)
					}
					return test.copied, nil
				}
				return nil, nil
			}
			f := s.fs(Options{PartSize: minPart})
			made, err := f.Put(t.Context(), "/f", storetest.WithModTime(zeros(twoParts), time.Unix(981173106, 0)), proxy.Write{})
			if err != nil || made.ETag != test.etag || made.Size != twoParts || s.count("Copy") != test.copies {
				t.Errorf("%+v, %v, %d copies", made, err, s.count("Copy"))
			}
		})
	}
}

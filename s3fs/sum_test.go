package s3fs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A stored checksum is of the whole object: it is used for the whole, however the range is given, and not for a part.
func TestStoredSumIsForWholeObject(t *testing.T) {
	for _, c := range []struct {
		offset, length int64
		text           string
		calls          []string
	}{
		{0, -1, other, []string{"Head"}},
		{0, 5, other, []string{"Head"}},
		{0, 4, "hell", []string{"Head", "Get"}},
		{0, 0, "", []string{"Head", "Get"}},
	} {
		s := answering(t, "X-Amz-Checksum-Type: FULL_OBJECT", "X-Amz-Checksum-Sha256: "+based(digestOf("SHA-256", other)))
		got, err := s.fs(Options{}).Sum(t.Context(), "/f", "", "SHA-256", c.offset, c.length)
		if err != nil || !bytes.Equal(got, digestOf("SHA-256", c.text)) {
			t.Errorf("%d from %d: %x, %v", c.length, c.offset, got, err)
		}
		s.checkCalls(c.calls...)
	}
}

// If a service refuses to return checksums, the object is read. If it fails, the request is not sent again without them.
func TestSumOfServiceThatRefuses(t *testing.T) {
	for code, word := range map[int]error{400: nil, 501: nil, 403: fs.ErrPermission} {
		s := answering(t)
		say := s.fault
		s.fault = func(r *http.Request, call string) (*http.Response, error) {
			if call == "Head" {
				return response(code, ""), nil
			}
			return say(r, call)
		}
		got, err := s.fs(Options{}).Sum(t.Context(), "/f", "", "SHA-256", 0, -1)
		if word == nil && bytes.Equal(got, digestOf("SHA-256", hello)) && err == nil {
			s.checkCalls("Head x2", "Get")
		} else if word == nil || !errors.Is(err, word) {
			t.Errorf("%d: %x, %v", code, got, err)
		} else {
			s.checkCalls("Head")
		}
	}
}

// A truncated body has no checksum, and its memory is returned.
func TestSumOfTruncatedBody(t *testing.T) {
	for _, length := range []int64{-1, 4} {
		s := answering(t)
		s.fault = func(_ *http.Request, call string) (*http.Response, error) {
			resp := dated("hel")
			resp.Header.Set("Content-Length", "5")
			if call == "Head" {
				resp.Body = http.NoBody
			}
			return resp, nil
		}
		f := s.fs(Options{})
		if got, err := f.Sum(t.Context(), "/f", "", "MD5", 0, length); !errors.Is(err, io.ErrUnexpectedEOF) || got != nil {
			t.Errorf("%d bytes: %x, %v", length, got, err)
		}
		if f.budget.Stats().Used != 0 {
			t.Errorf("%d bytes are still out", f.budget.Stats().Used)
		}
	}
}

// The body is closed also if only a part of it was read.
func TestSumClosesBody(t *testing.T) {
	for _, length := range []int64{-1, 0, 3, 5, 6} {
		s, closed := answering(t), 0
		say := s.fault
		s.fault = func(r *http.Request, call string) (*http.Response, error) {
			resp, err := say(r, call)
			if call == "Get" {
				resp.Body = onClose{resp.Body, func() { closed++ }}
			}
			return resp, err
		}
		s.fs(Options{}).Sum(t.Context(), "/f", "", "MD5", 0, length)
		if closed == 0 {
			t.Errorf("%d bytes: the body stays open", length)
		}
	}
}

type onClose struct {
	io.Reader
	do func()
}

func (c onClose) Close() error {
	c.do()
	return nil
}

// Sum waits for memory like a transfer, and ends with its context at any time.
func TestSumEndsWithContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := answering(t)
		f := s.fs(Options{Budget: budget.New(0), Stall: time.Minute})
		exhaust(t, f.budget)
		if _, err := f.Sum(t.Context(), "/f", "", "MD5", 0, -1); !errors.Is(err, syscall.ENOBUFS) {
			t.Errorf("without memory: %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		begin := time.Now()
		if _, err := f.Sum(ctx, "/f", "", "MD5", 0, -1); !errors.Is(err, context.Canceled) || time.Since(begin) != time.Second {
			t.Errorf("cancelled: %v after %v", err, time.Since(begin))
		}
	})
}

// The checksums that need no download are right, and are those that docs/objects.md lists.
func TestSumOnMinIO(t *testing.T) {
	m := minio(t, "sums")
	for checksum, free := range map[string]struct{ one, parts string }{
		"crc32c": {one: "MD5"}, "crc32": {one: "CRC32 MD5", parts: "CRC32"}, "sha256": {one: "MD5 SHA-256"}, "md5": {one: "MD5"}, "none": {one: "MD5"},
	} {
		c := &Client{api: m.api, checksum: checksum, names: m.names, uploads: m.uploads, background: m.background, log: m.log}
		f := NewFS(c, Options{Bucket: "sums", Prefix: checksum, PartSize: minPart})
		for size, want := range map[int]string{0: free.one, 1000: free.one, 2*minPart + 5: free.parts} {
			if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(size)), proxy.Write{}); err != nil {
				t.Fatal(err)
			}
			var got []string
			for _, algorithm := range []string{"CRC32", "MD5", "SHA-1", "SHA-256", "SHA-512"} {
				out, err := f.headWithChecksums(t.Context(), checksum+"/f")
				if err != nil {
					t.Fatal(err)
				}
				kept := f.checksumIn(out, algorithm)
				if kept != nil {
					got = append(got, algorithm)
				}
				h := proxy.NewHash(algorithm)
				io.Copy(h, zeros(size))
				sum, err := f.Sum(t.Context(), "/f", "", algorithm, 0, -1)
				if err != nil || !bytes.Equal(sum, h.Sum(nil)) || kept != nil && !bytes.Equal(kept, sum) {
					t.Errorf("%s: %s of %d bytes: %x, kept %x, %v; want %x", checksum, algorithm, size, sum, kept, err, h.Sum(nil))
				}
			}
			if fmt.Sprint(got) != "["+want+"]" {
				t.Errorf("%s, %d bytes: %v are kept, want %s", checksum, size, got, want)
			}
		}
	}
}

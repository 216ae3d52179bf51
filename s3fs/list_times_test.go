package s3fs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// timed prepares the fake with n files in d, in pages of perPage. Only HEAD has their times.
func (s *fake) timed(n, perPage int, head func(r *http.Request, i int) (*http.Response, error)) {
	s.fault = func(r *http.Request, call string) (*http.Response, error) {
		if call == "Head" {
			var i int
			fmt.Sscanf(r.URL.Path, "/b/d/%d", &i)
			return head(r, i)
		}
		var first int
		fmt.Sscanf(r.URL.Query().Get("continuation-token"), "after%d", &first)
		var page strings.Builder
		last := min(first+perPage, n)
		for i := first; i < last; i++ {
			fmt.Fprintf(&page, "<Contents><Key>d/%05d</Key><LastModified>2026-01-02T03:04:05Z</LastModified><Size>9</Size></Contents>", i)
		}
		if last < n {
			fmt.Fprintf(&page, "<IsTruncated>true</IsTruncated><NextContinuationToken>after%d</NextContinuationToken>", last)
		}
		return response(200, "<ListBucketResult>"+page.String()+"<CommonPrefixes><Prefix>d/zz/</Prefix></CommonPrefixes></ListBucketResult>"), nil
	}
}

// withTime returns the answer to HEAD for a file with a time in its metadata.
func withTime(seconds int) *http.Response {
	resp := response(200, "")
	resp.Header.Set("Content-Length", "7")
	resp.Header.Set("Last-Modified", "Fri, 02 Jan 2026 03:04:05 GMT")
	resp.Header.Set("X-Amz-Meta-Mtime", fmt.Sprint(seconds))
	return resp
}

// The order is that of S3, even if answers for later files arrive first, and the number of concurrent requests is limited.
func TestListedTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		var asked, most atomic.Int32
		s.timed(100, 40, func(_ *http.Request, i int) (*http.Response, error) {
			n := asked.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			<-time.After(time.Duration(100-i) * time.Millisecond)
			asked.Add(-1)
			return withTime(i), nil
		})
		i := 0
		for e, err := range s.fs(Options{ListMtime: mtimeFromMetadata}).List(t.Context(), "/d", "") {
			switch {
			case err != nil:
				t.Fatal(err)
			case e.Dir:
				continue
			case e.Name != fmt.Sprintf("%05d", i) || !e.ModTime.Equal(time.Unix(int64(i), 0)) || e.Size != 7:
				t.Fatalf("entry %d is %s of %v with %d bytes", i, e.Name, e.ModTime, e.Size)
			}
			i++
		}
		if i != 100 || most.Load() != maxParallelHeads {
			t.Errorf("%d files, %d concurrent requests", i, most.Load())
		}
	})
}

// The first entry is yielded after one page, and a caller that stops then causes no further requests.
func TestListedTimesOfFirstEntry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		var running atomic.Int32
		s.timed(5000, 1000, func(r *http.Request, i int) (*http.Response, error) {
			if i > 0 {
				running.Add(1)
				defer running.Add(-1)
				<-r.Context().Done()
				<-time.After(time.Millisecond)
			}
			return withTime(i), nil
		})
		for e, err := range s.fs(Options{ListMtime: mtimeFromMetadata}).List(t.Context(), "/d", "") {
			if err != nil || !e.ModTime.Equal(time.Unix(0, 0)) {
				t.Errorf("%v, %v", e, err)
			}
			break
		}
		if n := running.Load(); n != 0 {
			t.Errorf("%d requests go on after the listing is over", n)
		}
		heads := slices.DeleteFunc(slices.Clone(s.requests()), func(c string) bool { return c != "Head" })
		if len(heads) > maxParallelHeads || len(s.requests())-len(heads) > 2 {
			t.Errorf("requests for %d pages and %d files", len(s.requests())-len(heads), len(heads))
		}
	})
}

// A failed HEAD does not fail the listing: a deleted file is omitted, others have their LastModified.
func TestListedTimesWithFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		s.timed(40, 1000, func(_ *http.Request, i int) (*http.Response, error) {
			switch i {
			case 3:
				return response(404, ""), nil
			case 5:
				return response(403, ""), nil
			case 39:
				return response(500, ""), nil
			}
			return withTime(i), nil
		})
		var got []string
		for e, err := range s.fs(Options{ListMtime: mtimeFromMetadata}).List(t.Context(), "/d", "") {
			if err != nil {
				t.Fatal(err)
			}
			if got = append(got, e.Name); e.Name == "00005" || e.Name == "00039" {
				if e.ModTime.Year() != 2026 || e.Size != 9 {
					t.Errorf("%s: %v, %d bytes", e.Name, e.ModTime, e.Size)
				}
			}
		}
		if len(got) != 40 || slices.Contains(got, "00003") {
			t.Errorf("listed: %q", got)
		}
	})
}

// A cancelled listing ends with an error, and not with LastModified for the rest.
func TestListedTimesWithCancelledContext(t *testing.T) {
	s := newFake(t)
	ctx, cancel := context.WithCancel(t.Context())
	s.timed(40, 1000, func(r *http.Request, i int) (*http.Response, error) {
		if i == 20 {
			cancel()
		}
		if i >= 20 {
			<-r.Context().Done()
			return nil, r.Context().Err()
		}
		return withTime(i), nil
	})
	var last error
	for e, err := range s.fs(Options{ListMtime: mtimeFromMetadata}).List(ctx, "/d", "") {
		if last = err; err == nil && e.Name >= "00020" {
			t.Errorf("%s is listed", e.Name)
		}
	}
	if !errors.Is(last, context.Canceled) {
		t.Errorf("error %v", last)
	}
}

func TestListedTimesOnMinIO(t *testing.T) {
	c := minio(t, "times")
	f := NewFS(c, Options{Bucket: "times", ListMtime: mtimeFromMetadata})
	for i := range 40 {
		name := fmt.Sprintf("/d/%02d", i)
		if _, err := f.Put(t.Context(), name, storetest.Source(zeros(1)), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
		if i%2 == 0 {
			if _, err := f.SetTime(t.Context(), name, time.Unix(int64(i), 0)); err != nil {
				t.Fatal(err)
			}
		}
	}
	n := 0
	for e, err := range f.List(t.Context(), "/d", "") {
		if err != nil {
			t.Fatal(err)
		}
		if kept := e.ModTime.Equal(time.Unix(int64(n), 0)); kept != (n%2 == 0) || e.Size != 1 {
			t.Errorf("%s: %v", e.Name, e.ModTime)
		}
		n++
	}
	if n != 40 {
		t.Errorf("%d files", n)
	}
	for e := range NewFS(c, Options{Bucket: "times"}).List(t.Context(), "/d", "") {
		if e.ModTime.Year() == 1970 {
			t.Errorf("%s: %v without being asked for", e.Name, e.ModTime)
		}
	}
}

// A time is requested once, and again when the file has changed.
func TestListedTimesAreCached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const entry = "<ListBucketResult><Contents><Key>d/f</Key><LastModified>%s</LastModified><ETag>%s</ETag><Size>9</Size></Contents></ListBucketResult>"
		s := newFake(t)
		var modified time.Time
		etag, headTag, heads := "x", "x", 0
		s.fault = func(_ *http.Request, call string) (*http.Response, error) {
			if call == "List" {
				return response(200, fmt.Sprintf(entry, modified.UTC().Format(time.RFC3339), etag)), nil
			}
			heads++
			resp := withTime(heads)
			resp.Header.Set("Last-Modified", modified.UTC().Format(http.TimeFormat))
			resp.Header.Set("ETag", `"`+headTag+`"`)
			return resp, nil
		}
		f := s.fs(Options{ListMtime: mtimeFromMetadata})
		list := func(what string, wantHeads int) {
			t.Helper()
			for e, err := range f.List(t.Context(), "/d", "") {
				if err != nil || !e.ModTime.Equal(time.Unix(int64(heads), 0)) || heads != wantHeads {
					t.Errorf("%s: %v, %v, %d requests, want %d", what, e, err, heads, wantHeads)
				}
			}
		}
		modified = time.Now().Add(-time.Hour).Truncate(time.Second)
		list("first", 1)
		list("again", 1)
		modified = modified.Add(time.Second)
		list("LastModified is another", 2)
		list("again", 2)
		etag, headTag = "y", "y"
		list("the ETag is another", 3)
		list("again", 3)
		etag = "z"
		list("the file changed after the listing", 4)
		list("and again", 5)
		etag, headTag, modified = "w", "w", time.Now().Truncate(time.Second)
		list("just written", 6)
		list("and again", 7)
		<-time.After(minCacheAge + time.Second)
		list("a while ago", 8)
		list("again", 8)
	})
}

// The size of the cache is limited.
func TestCacheOfTimesIsBounded(t *testing.T) {
	var k mtimeCache
	key := func(i int) entryVersion { return entryVersion{byte(i), byte(i >> 8), byte(i >> 16)} }
	const n = 5 * generationSize
	for i := range n {
		k.add(key(i), time.Unix(int64(i), 0))
		if got, ok := k.get(key(0)); i < generationSize && (!ok || !got.Equal(time.Unix(0, 0))) {
			t.Fatalf("%d: lost", i)
		}
	}
	if len(k.recent)+len(k.old) > 2*generationSize {
		t.Errorf("%d times are kept", len(k.recent)+len(k.old))
	}
	if got, ok := k.get(key(n - 1)); !ok || !got.Equal(time.Unix(n-1, 0)) {
		t.Errorf("the last: %v, %v", got, ok)
	}
	if _, ok := k.get(key(n - 3*generationSize)); ok {
		t.Error("an old one is kept")
	}
}

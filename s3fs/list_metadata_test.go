package s3fs

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// keptEntry is an entry of a listing with metadata, in MinIO's format.
const keptEntry = `<Contents><Key>d/f</Key><LastModified>2026-01-02T03:04:05Z</LastModified><ETag>&#34;x&#34;</ETag><Size>9</Size>` +
	`<StorageClass>STANDARD</StorageClass><UserMetadata><X-Amz-Meta-Key>d/other</X-Amz-Meta-Key><Key>d/other</Key><Size>1</Size>%s` +
	`<content-type>text/plain</content-type></UserMetadata><UserTags>mtime=1</UserTags><Internal><K>1</K><M>0</M></Internal></Contents>`

// Only the time is used of the metadata, and none of its elements is mistaken for one of S3.
func TestParseMetadata(t *testing.T) {
	modified := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	for text, want := range map[string]time.Time{
		"<X-Amz-Meta-Mtime>12</X-Amz-Meta-Mtime>":              time.Unix(12, 0).UTC(),
		"<X-Amz-Meta-mtime>12.25</X-Amz-Meta-mtime>":           time.Unix(12, 25e7).UTC(),
		"<x-amz-meta-mtime>&#49;2</x-amz-meta-mtime>":          time.Unix(12, 0).UTC(),
		"<X-Amz-Meta-Mtime>yesterday</X-Amz-Meta-Mtime>":       modified,
		"<X-Amz-Meta-Mtime></X-Amz-Meta-Mtime>":                modified,
		"<X-Amz-Meta-Mtime-Of-Mine>12</X-Amz-Meta-Mtime-Of-M>": modified,
		"": modified,
	} {
		var p page
		if err := p.parse("<ListBucketResult>" + fmt.Sprintf(keptEntry, text) + "</ListBucketResult>"); err != nil || len(p.objects) != 1 {
			t.Fatalf("%s: %+v, %v", text, p, err)
		}
		if o := p.objects[0]; o.key != "d/f" || o.size != 9 || o.etag != "x" || o.class != "STANDARD" || !o.mtime.Equal(want) {
			t.Errorf("%s: got %+v, want the time %v", text, o, want)
		}
	}
}

// A lister answers listings of the directory d with one file, and counts those with metadata.
type lister struct {
	*fake
	server  string // header of its answers
	refuses int    // status of its answers to metadata=true
	hides   bool   // the file's metadata, as MinIO does where the key may not read it

	plain, with int
}

func newLister(t *testing.T) *lister {
	l := &lister{fake: newFake(t)}
	l.fault = func(r *http.Request, call string) (*http.Response, error) {
		switch call {
		case "Head":
			return withTime(12), nil
		case "List":
		default:
			return nil, nil
		}
		resp := l.list(r.URL.Query().Get("metadata") == "true")
		if l.server != "" {
			resp.Header.Set("Server", l.server)
		}
		return resp, nil
	}
	return l
}

func (l *lister) list(with bool) *http.Response {
	if !with {
		l.plain++
	} else if l.with++; l.refuses != 0 {
		return refusal(l.refuses, map[int]string{501: "NotImplemented", 400: "InvalidArgument", 403: "AccessDenied"}[l.refuses], "metadata")
	}
	entry := fmt.Sprintf(keptEntry, "<X-Amz-Meta-Mtime>12</X-Amz-Meta-Mtime>")
	if !with || l.hides {
		from, to := strings.Index(entry, "<UserMetadata>"), strings.Index(entry, "</Contents>")
		entry = entry[:from] + entry[to:]
	}
	return response(200, "<ListBucketResult>"+entry+"</ListBucketResult>")
}

// year returns the year of the file in a listing.
func year(t *testing.T, f *FS) (year int) {
	t.Helper()
	for e, err := range f.List(t.Context(), "/d", "") {
		if err != nil {
			t.Fatal(err)
		}
		year = e.ModTime.Year()
	}
	return year
}

// The first listing detects whether the service is MinIO. Each further listing has one request.
func TestListMetadata(t *testing.T) {
	for name, c := range map[string]struct {
		server, option string
		years          []int
		plain, with    int
	}{
		"MinIO":           {"MinIO", auto, []int{1970, 1970, 1970}, 1, 3},
		"MinIO AIStor":    {"MinIO AIStor", auto, []int{1970, 1970}, 1, 2},
		"another":         {"AmazonS3", auto, []int{2026, 2026}, 2, 0},
		"none":            {"", auto, []int{2026, 2026}, 2, 0},
		"not asked for":   {"MinIO", "s3", []int{2026, 2026}, 2, 0},
		"not by default":  {"MinIO", "", []int{2026, 2026}, 2, 0},
		"by HEAD instead": {"MinIO", mtimeFromMetadata, []int{1970}, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			l := newLister(t)
			l.server = c.server
			f := l.fs(Options{ListMtime: c.option})
			for _, want := range c.years {
				if got := year(t, f); got != want {
					t.Errorf("got the year %d, want %d", got, want)
				}
			}
			if l.plain != c.plain || l.with != c.with {
				t.Errorf("%d questions without metadata and %d with, want %d and %d", l.plain, l.with, c.plain, c.with)
			}
		})
	}
}

// Listings for renames and deletions do not request metadata.
func TestOnlyListingsRequestMetadata(t *testing.T) {
	l := newLister(t)
	l.server = "MinIO"
	f := l.fs(Options{ListMtime: auto})
	year(t, f)
	l.with = 0
	f.Stat(t.Context(), "/d/")
	f.Rmdir(t.Context(), "/d")
	f.Rename(t.Context(), "/d", "/e", true)
	if l.with != 0 || l.plain < 3 {
		t.Errorf("%d questions with metadata, %d without", l.with, l.plain)
	}
}

// If the service refuses metadata, listings do not request it for ten minutes.
func TestListMetadataRefused(t *testing.T) {
	for _, status := range []int{501, 400, 403} {
		synctest.Test(t, func(t *testing.T) {
			l := newLister(t)
			l.server, l.refuses = "MinIO", status
			f := l.fs(Options{ListMtime: auto})
			for range 3 {
				if got := year(t, f); got != 2026 {
					t.Errorf("%d: got the year %d", status, got)
				}
			}
			refused := slices.ContainsFunc(f.client.Refusals(), func(r Refusal) bool { return r.Feature == listMetadata && r.Scope == "b" })
			if l.with > 2 || !refused { // the first question is repeated without encoding-type
				t.Errorf("%d: %d requests, remembered: %v", status, l.with, refused)
			}
			l.refuses = 0
			<-time.After(refusalTTL)
			if got := year(t, f); got != 1970 {
				t.Errorf("%d: got the year %d when it is no longer refused", status, got)
			}
		})
	}
}

// A file without read permission has its LastModified, and does not count as a refusal.
func TestListMetadataHidden(t *testing.T) {
	l := newLister(t)
	l.server, l.hides = "MinIO", true
	f := l.fs(Options{ListMtime: auto})
	for range 2 {
		if got := year(t, f); got != 2026 {
			t.Errorf("got the year %d", got)
		}
	}
	if l.with != 2 || len(f.client.Refusals()) != 0 {
		t.Errorf("%d requests, refused: %v", l.with, f.client.Refusals())
	}
}

// A missing bucket does not count as a refusal, and has one request.
func TestListMetadataWithoutBucket(t *testing.T) {
	l := newLister(t)
	l.server = "MinIO"
	f := l.fs(Options{ListMtime: auto})
	year(t, f)
	l.with, l.plain = 0, 0
	list := l.fault
	l.fault = func(r *http.Request, call string) (*http.Response, error) {
		list(r, call)
		return refusal(404, "NoSuchBucket", ""), nil
	}
	for _, err := range f.List(t.Context(), "/d", "") {
		if err == nil {
			t.Error("listed")
		}
	}
	if l.with != 1 || l.plain != 0 {
		t.Errorf("%d requests with metadata, %d times without", l.with, l.plain)
	}
}

func TestListMetadataOnMinIO(t *testing.T) {
	c := minio(t, "listmetadata")
	f := NewFS(c, Options{Bucket: "listmetadata", ListMtime: auto})
	for i := range 1100 { // more than a page
		if _, err := f.Put(t.Context(), fmt.Sprintf("/d/%04d", i), storetest.Source(zeros(1)), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
	}
	for i := 0; i < 1100; i += 50 {
		if _, err := f.SetTime(t.Context(), fmt.Sprintf("/d/%04d", i), time.Unix(int64(i), 0)); err != nil {
			t.Fatal(err)
		}
	}
	n := 0
	for e, err := range f.List(t.Context(), "/d", "") {
		if err != nil {
			t.Fatal(err)
		}
		if kept := e.ModTime.Equal(time.Unix(int64(n), 0)); kept != (n%50 == 0) || e.Size != 1 {
			t.Errorf("%s: %v, %d bytes", e.Name, e.ModTime, e.Size)
		}
		n++
	}
	if n != 1100 || len(c.Refusals()) != 0 {
		t.Errorf("%d files, refused: %v", n, c.Refusals())
	}
}

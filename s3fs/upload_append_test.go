package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// If the object is replaced during an append, the new object is unchanged.
func TestAppendToObjectReplacedMeanwhile(t *testing.T) {
	for name, c := range map[string]*Client{"MinIO": minio(t, "changes"), "embedded": embedded(t, "changes")} {
		for _, size := range []int64{10, 2 * minPart} {
			t.Run(fmt.Sprint(name, " ", size), func(t *testing.T) {
				f := NewFS(c, Options{Bucket: "changes", PartSize: minPart})
				if _, err := f.Put(t.Context(), "/f", storetest.Source(letters("old", size)), proxy.Write{}); err != nil {
					t.Fatal(err)
				}
				g := newGate(letters("more", 1000))
				result := make(chan error, 1)
				go func() {
					result <- errOf(f.Put(context.WithoutCancel(t.Context()), "/f", storetest.Source(g, storetest.All()), proxy.Write{}))
				}()
				<-g.there
				if _, err := f.Put(t.Context(), "/f", storetest.Source(letters("new", size)), proxy.Write{}); err != nil {
					t.Fatal(err)
				}
				g.end <- io.EOF
				if err := <-result; !errors.Is(err, syscall.EBUSY) {
					t.Errorf("error %v, want %v", err, syscall.EBUSY)
				}
				checkFile(t, f, "/f", letters("new", size))
			})
		}
	}
}

// If another session stores the file during an append to a missing one, that file is unchanged.
func TestAppendToFileCreatedMeanwhile(t *testing.T) {
	for name, c := range map[string]*Client{"MinIO": minio(t, "nothing"), "embedded": embedded(t, "nothing")} {
		for _, size := range []int64{10, 2 * minPart} {
			t.Run(fmt.Sprint(name, " ", size), func(t *testing.T) {
				f := NewFS(c, Options{Bucket: "nothing", PartSize: minPart})
				file := fmt.Sprint("/f", size)
				g := newGate(letters("first", size))
				result := make(chan error, 1)
				go func() {
					result <- errOf(f.Put(context.WithoutCancel(t.Context()), file, storetest.Source(g, storetest.All()), proxy.Write{}))
				}()
				<-g.there
				if _, err := f.Put(t.Context(), file, storetest.Source(letters("second", 10), storetest.All()), proxy.Write{}); err != nil {
					t.Fatal(err)
				}
				g.end <- io.EOF
				if err := <-result; !errors.Is(err, errBusy) {
					t.Errorf("error %v, want %v", err, errBusy)
				}
				checkFile(t, f, file, letters("second", 10))
			})
		}
	}
}

// An append transfers the new bytes, and at most 5 MiB of the object.
func TestAppendTransfersOnlyNewBytes(t *testing.T) {
	c := minio(t, "moves")
	size := int64(1 << 30)
	if testing.Short() {
		size = 64 << 20
	}
	f := NewFS(c, Options{Bucket: "moves"})
	if _, err := f.Put(t.Context(), "/f", storetest.Source(io.LimitReader(endless{}, size)), proxy.Write{}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Put(t.Context(), "/small", storetest.Source(letters("small", minPart-1)), proxy.Write{}); err != nil {
		t.Fatal(err)
	}
	m := &moved{HTTPClient: c.http}
	counted := dial(t, Config{Endpoint: *c.api.Options().BaseEndpoint, Credentials: c.api.Options().Credentials, HTTPClient: m})
	f = NewFS(counted, Options{Bucket: "moves"})
	const more = 9<<20 + 7
	for _, test := range []struct {
		name   string
		before proxy.Copy
		size   int64
		most   int64
	}{
		{"/f", storetest.All(), size, more},
		{"/f", storetest.First(size), size, more},
		{"/small", storetest.All(), minPart - 1, more + 2*(minPart-1)},
	} {
		m.bytes.Store(0)
		if _, err := f.Put(t.Context(), test.name, storetest.Source(letters("more", more), test.before), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
		if got := m.bytes.Load(); got < more || got > test.most+64<<10 {
			t.Errorf("%+v: %d bytes moved to append %d to %d", test.before, got, more, test.size)
		}
		t.Logf("%d bytes moved to append %d to %d", m.bytes.Load(), more, test.size)
		r, err := f.Open(t.Context(), test.name, proxy.Range{Offset: test.size})
		if err != nil {
			t.Fatal(err)
		}
		if got, want := hexOf(t, r), hexOf(t, letters("more", more)); got != want {
			t.Errorf("%+v: the content after the append to %s is %s, want %s", test.before, test.name, got, want)
		}
		r.Close()
	}
}

// moved counts the bytes in the bodies of requests and answers.
type moved struct {
	s3.HTTPClient
	bytes atomic.Int64
}

func (m *moved) Do(r *http.Request) (*http.Response, error) {
	m.bytes.Add(max(r.ContentLength, 0))
	resp, err := m.HTTPClient.Do(r)
	if err == nil && r.Method != http.MethodHead {
		m.bytes.Add(max(resp.ContentLength, 0))
	}
	return resp, err
}

// An append keeps content type, metadata, tags and storage class, but not the time.
func TestAppendKeepsHeadersAndTags(t *testing.T) {
	c := minio(t, "kinds")
	f := NewFS(c, Options{Bucket: "kinds", PartSize: minPart})
	for _, size := range []int{10, 2 * minPart} {
		_, err := c.api.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: &f.bucket, Key: aws.String("f"), Body: zeros(size), ContentType: aws.String("text/x-log"),
			Metadata: map[string]string{"owner": "alice", "mtime": "1000000000"}, Tagging: aws.String("kind=log&year=2026"),
			StorageClass: types.StorageClassReducedRedundancy, ContentLanguage: aws.String("de"),
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(5), storetest.All()), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
		is, err := f.head(t.Context(), "f")
		if err != nil {
			t.Fatal(err)
		}
		h := is.head
		if aws.ToString(h.ContentType) != "text/x-log" || h.Metadata["owner"] != "alice" || h.Metadata["mtime"] != "" ||
			h.StorageClass != types.StorageClassReducedRedundancy || aws.ToString(h.ContentLanguage) != "de" || is.size != int64(size)+5 {
			t.Errorf("%d bytes: %q %v %q %q %d", size, aws.ToString(h.ContentType), h.Metadata, h.StorageClass, aws.ToString(h.ContentLanguage), is.size)
		}
		tags, err := c.api.GetObjectTagging(t.Context(), &s3.GetObjectTaggingInput{Bucket: &f.bucket, Key: aws.String("f")})
		if err != nil || len(tags.TagSet) != 2 {
			t.Errorf("%d bytes: tags %v, %v", size, tags.TagSet, err)
		}
	}
}

// The multipart upload of a killed append is not resumed, and does not affect other uploads.
func TestKilledAppendIsNotResumed(t *testing.T) {
	c := minio(t, "killed")
	for _, size := range []int64{10, 2 * minPart} {
		f := replica(t, c, "killed")
		if _, err := f.Put(t.Context(), "/f", storetest.Source(letters("old", size)), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
		g := newGate(letters("lost", 2*minPart+7))
		result := make(chan error, 1)
		go func() {
			result <- errOf(f.Put(context.WithoutCancel(t.Context()), "/f", storetest.Source(g, storetest.All()), proxy.Write{}))
		}()
		<-g.there // the process may be killed here
		if _, err := replica(t, c, "killed").Put(t.Context(), "/f", storetest.Source(letters("more", 7), storetest.First(size)), proxy.Write{}); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
		g.end <- errCut
		<-result
		checkFile(t, f, "/f", io.MultiReader(letters("old", size), letters("more", 7)))
	}
}

package s3fs

import (
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/test/real"
)

func TestContractOnMinIO(t *testing.T) {
	notBrief(t)
	t.Parallel() // most of its time it waits for the server's disk
	// MinIO keeps "a" and "a/b", but does not list the second.
	contract(t, minio(t, "contract"), storetest.Limits{NoSharedNames: true})
}

// VersityGW stores objects as files: "a" and "a/b" cannot both exist, and the rename of a directory loses its time, because its marker
// cannot be copied.
func TestContractOnVersityGW(t *testing.T) {
	notBrief(t)
	t.Parallel()
	server := real.VersityGW(t)
	c := dial(t, Config{Endpoint: server.Endpoint, Region: server.Region, Credentials: keys(server.AccessKey, server.SecretKey)})
	makeBucket(t, c, "contract")
	contract(t, c, storetest.Limits{NoSharedNames: true})
}

// gofakes3 cannot copy parts, ignores the conditions of CompleteMultipartUpload, and keeps the metadata of a replaced object on the new
// one. That includes x-amz-checksum-crc32c, so only MD5 works there.
func TestContractOnGofakes3(t *testing.T) {
	notBrief(t)
	t.Parallel()
	server := real.GoFakeS3(t)
	c := dial(t, Config{Endpoint: server.Endpoint, Region: server.Region, Checksum: "md5", Credentials: keys(server.AccessKey, server.SecretKey)})
	makeBucket(t, c, "contract")
	contract(t, c, storetest.Limits{NoLargeAppend: true, NoNewLarge: true, KeepsTime: true})
}

// SeaweedFS stores objects as files, and removes empty directories some time later. It does not distinguish parts that were sent again
// within a second.
func TestContractOnSeaweedFS(t *testing.T) {
	notBrief(t)
	t.Parallel()
	server := real.SeaweedFS(t)
	c := dial(t, Config{Endpoint: server.Endpoint, Region: server.Region, Credentials: keys(server.AccessKey, server.SecretKey)})
	makeBucket(t, c, "contract")
	contract(t, c, storetest.Limits{LingeringDirs: true, SlowResume: true})
}

// gofakes3 answers ListMultipartUploads with NoSuchUpload in a bucket that never had an upload. That is an empty list.
func TestNoSuchUploadIsAnEmptyList(t *testing.T) {
	s := newFake(t)
	s.fault = func(_ *http.Request, call string) (*http.Response, error) {
		switch call {
		case "Head":
			return refusal(404, "NotFound", ""), nil
		case "ListUploads":
			return refusal(404, "NoSuchUpload", ""), nil
		}
		return nil, nil
	}
	for range 2 {
		if _, err := s.fs(Options{Resume: time.Hour}).Stat(t.Context(), "/f"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("error %v, want fs.ErrNotExist", err)
		}
	}
	if !slices.Contains(s.requests(), "ListUploads") {
		t.Errorf("requests: %q", s.requests())
	}
}

func TestContractOnTheEmbeddedStore(t *testing.T) {
	t.Parallel()
	contract(t, embedded(t, "contract"), storetest.Limits{})
}

// notBrief skips the contract with a real service under -short, because the embedded store runs the same code.
func notBrief(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("under -short, the embedded store is enough")
	}
}

// contract runs the contract of a Store in the bucket "contract", each test with its own prefix.
func contract(t *testing.T, c *Client, limits storetest.Limits) {
	limits.Brief = testing.Short()
	var n atomic.Int32
	storetest.Run(t, limits, func(t *testing.T) proxy.Store {
		b := budget.New(64 << 20)
		t.Cleanup(func() { allFree(t, b) })
		return NewFS(c, Options{Bucket: "contract", Prefix: fmt.Sprintf("tenant %d", n.Add(1)), PartSize: minPart, Budget: b})
	})
}

// embedded returns a client of the embedded store, with an empty bucket.
func embedded(t testing.TB, bucket string) *Client {
	t.Helper()
	server := httptest.NewServer(embeddedStore(t, signed, bucket))
	t.Cleanup(server.Close)
	return dial(t, Config{Endpoint: server.URL, Credentials: keys("demo", "demo-secret")})
}

// Keys of other programs that XML or FTP cannot represent must not break a listing.
func TestListingWithUnrepresentableKeys(t *testing.T) {
	for name, c := range map[string]*Client{"MinIO": minio(t, "odd"), "embedded": embedded(t, "odd")} {
		t.Run(name, func(t *testing.T) {
			f := NewFS(c, Options{Bucket: "odd"})
			for _, key := range []string{"d/a\x01b", "d/line\nfeed", "d/<&>", "d/sub\x02/x", "d/z"} {
				if _, err := c.api.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &f.bucket, Key: &key, Body: zeros(1)}); err != nil {
					t.Fatal(err)
				}
			}
			var got []string
			for i, err := range f.List(t.Context(), "/d", "") {
				if err != nil {
					t.Fatal(err)
				}
				got = append(got, i.Name)
			}
			if fmt.Sprint(got) != "[<&> z]" {
				t.Errorf("listed as %q", got)
			}
		})
	}
}

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
	t.Parallel() // most of its time it waits for the server's disk
	// MinIO keeps "a" and "a/b", but does not list the second.
	contract(t, minio(t, "contract"), storetest.Limits{NoSharedNames: true})
}

// TestContractOnVersityGW runs on a store whose objects are files: "a" and "a/b" cannot both be there, and of a directory
// that is renamed the time is lost, as its marker cannot be copied.
func TestContractOnVersityGW(t *testing.T) {
	notBrief(t)
	t.Parallel()
	server := real.VersityGW(t)
	c := dial(t, Config{Endpoint: server.Endpoint, Region: server.Region, Credentials: keys(server.AccessKey, server.SecretKey)})
	makeBucket(t, c, "contract")
	contract(t, c, storetest.Limits{NoSharedNames: true})
}

// TestContractOnGofakes3 runs on a store that cannot copy parts, ignores the conditions of CompleteMultipartUpload, and carries the
// metadata of a replaced object over to the new one: x-amz-checksum-crc32c too, so that MD5 alone is of use there.
func TestContractOnGofakes3(t *testing.T) {
	notBrief(t)
	t.Parallel()
	server := real.GoFakeS3(t)
	c := dial(t, Config{Endpoint: server.Endpoint, Region: server.Region, Checksum: "md5", Credentials: keys(server.AccessKey, server.SecretKey)})
	makeBucket(t, c, "contract")
	contract(t, c, storetest.Limits{NoLargeAppend: true, NoNewLarge: true, KeepsTime: true})
}

// TestContractOnSeaweedFS runs on a store whose objects are files of a file system: it removes empty directories some time later.
// Parts that were sent again within a second cannot be told apart.
func TestContractOnSeaweedFS(t *testing.T) {
	notBrief(t)
	t.Parallel()
	server := real.SeaweedFS(t)
	c := dial(t, Config{Endpoint: server.Endpoint, Region: server.Region, Credentials: keys(server.AccessKey, server.SecretKey)})
	makeBucket(t, c, "contract")
	contract(t, c, storetest.Limits{LingeringDirs: true, SlowResume: true})
}

// A service may say that there is no upload where it is asked which there are: gofakes3 does, in a bucket that never had one.
func TestNoUploadsAreNone(t *testing.T) {
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
			t.Errorf("error %v, want that there is no such file", err)
		}
	}
	if !slices.Contains(s.requests(), "ListUploads") {
		t.Errorf("asked for %q", s.requests())
	}
}

func TestContractOnTheEmbeddedStore(t *testing.T) {
	t.Parallel()
	contract(t, embedded(t, "contract"), storetest.Limits{})
}

// notBrief skips the contract on one more service under -short: MinIO and the embedded store reach the same code.
func notBrief(t *testing.T) {
	t.Helper()
	if testing.Short() {
		t.Skip("under -short, MinIO and the embedded store are enough")
	}
}

// contract runs the store's contract in the bucket "contract", each test under a prefix of its own.
func contract(t *testing.T, c *Client, limits storetest.Limits) {
	limits.Brief = testing.Short()
	var n atomic.Int32
	storetest.Run(t, limits, func(t *testing.T) proxy.Store {
		b := budget.New(64 << 20)
		t.Cleanup(func() { allFree(t, b) })
		return NewFS(c, Options{Bucket: "contract", Prefix: fmt.Sprintf("tenant %d", n.Add(1)), PartSize: minPart, Budget: b})
	})
}

// embedded returns a client of the embedded store, with an empty bucket of that name.
func embedded(t testing.TB, bucket string) *Client {
	t.Helper()
	server := httptest.NewServer(embeddedStore(t, signed, bucket))
	t.Cleanup(server.Close)
	return dial(t, Config{Endpoint: server.URL, Credentials: keys("demo", "demo-secret")})
}

// TestOddKeysDoNotHideOthers lists what other programs have put there, with keys that XML or FTP cannot take.
func TestOddKeysDoNotHideOthers(t *testing.T) {
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

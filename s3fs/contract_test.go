package s3fs

import (
	"fmt"
	"net/http/httptest"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/test/real"
)

func TestContractOnMinIO(t *testing.T) {
	// MinIO keeps "a" and "a/b", but does not list the second.
	contract(t, minio(t, "contract"), storetest.Limits{NoTwins: true})
}

// TestContractOnVersityGW runs on a store whose objects are files: "a" and "a/b" cannot both be there, and of a directory
// that is renamed the time is lost, as its marker cannot be copied.
func TestContractOnVersityGW(t *testing.T) {
	server := real.VersityGW(t)
	c := dial(t, Service{Endpoint: server.Endpoint, Region: server.Region, Credentials: keys(server.AccessKey, server.SecretKey)})
	makeBucket(t, c, "contract")
	contract(t, c, storetest.Limits{NoTwins: true})
}

func TestContractOnTheEmbeddedStore(t *testing.T) {
	contract(t, embedded(t, "contract"), storetest.Limits{})
}

// contract runs the store's contract in the bucket "contract", each test under a prefix of its own.
func contract(t *testing.T, c *Client, limits storetest.Limits) {
	var n atomic.Int32
	storetest.Run(t, limits, func(t *testing.T) proxy.Store {
		memory := NewMemory(64 << 20)
		t.Cleanup(func() {
			if memory.used != 0 || len(memory.filling) != 0 || len(memory.waiting) != 0 || len(memory.kept) != 0 {
				t.Errorf("%d bytes still taken, by %d parts; %d kept; %d waiting", memory.used, len(memory.filling), len(memory.kept), len(memory.waiting))
			}
		})
		return New(c, Options{Bucket: "contract", Prefix: fmt.Sprintf("tenant %d", n.Add(1)), PartSize: minPart, Memory: memory})
	})
}

// embedded returns a client of the embedded store, with an empty bucket of that name.
func embedded(t testing.TB, bucket string) *Client {
	t.Helper()
	server := httptest.NewServer(embeddedStore(t, signed, bucket))
	t.Cleanup(server.Close)
	return dial(t, Service{Endpoint: server.URL, Credentials: keys("demo", "demo-secret")})
}

// TestOddKeysDoNotHideOthers lists what other programs have put there, with keys that XML or FTP cannot take.
func TestOddKeysDoNotHideOthers(t *testing.T) {
	for name, c := range map[string]*Client{"MinIO": minio(t, "odd"), "embedded": embedded(t, "odd")} {
		t.Run(name, func(t *testing.T) {
			f := New(c, Options{Bucket: "odd"})
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
				got = append(got, i.Name())
			}
			if fmt.Sprint(got) != "[<&> z]" {
				t.Errorf("listed as %q", got)
			}
		})
	}
}

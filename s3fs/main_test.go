package s3fs

import (
	"context"
	"net/http"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"go.uber.org/goleak"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
	"github.com/s3ftpd/s3ftpd/test/real"
)

var _ proxy.Store = (*FS)(nil)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// keys returns static credentials.
func keys(access, secret string) aws.CredentialsProvider {
	return aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: access, SecretAccessKey: secret}, nil
	})
}

// dial returns a client that is closed at the end of the test.
func dial(t testing.TB, s Config) *Client {
	t.Helper()
	c, err := NewClient(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// minio returns a client of a MinIO server, with an empty bucket.
func minio(t testing.TB, bucket string) *Client {
	t.Helper()
	server := real.MinIO(t)
	c := dial(t, Config{Endpoint: server.Endpoint, Region: server.Region, Credentials: keys(server.AccessKey, server.SecretKey)})
	makeBucket(t, c, bucket)
	return c
}

// signed are the options of an embedded store that accepts keys("demo", "demo-secret").
var signed = s3demo.Options{Keys: map[string]string{"demo": "demo-secret"}}

// embeddedStore returns an embedded store with empty buckets of these names.
func embeddedStore(t testing.TB, o s3demo.Options, buckets ...string) http.Handler {
	t.Helper()
	store, err := s3demo.Open(t.TempDir(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	for _, name := range buckets {
		if err := store.CreateBucket(name); err != nil {
			t.Fatal(err)
		}
	}
	return store.Handler()
}

func makeBucket(t testing.TB, c *Client, name string) {
	t.Helper()
	if _, err := c.api.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &name}); err != nil {
		t.Fatal(err)
	}
}

// errOf returns only the error of an operation of FS.
func errOf(_ proxy.Stored, err error) error { return err }

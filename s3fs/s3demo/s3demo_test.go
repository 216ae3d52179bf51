package s3demo_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	"go.uber.org/goleak"

	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
)

const (
	bucketName = "bucket"
	accessKey  = "demo"
	secretKey  = "demo-secret"
	mib        = 1 << 20
)

func TestMain(m *testing.M) {
	if dir := os.Getenv("S3DEMO_WRITE_TO"); dir != "" {
		writeForever(dir)
	}
	goleak.VerifyTestMain(m)
}

// An open is a store with a client. Its methods fail the test instead of returning errors.
type open struct {
	*s3.Client
	t     testing.TB
	dir   string
	url   string
	store *s3demo.Store
	close func()
}

// start opens a store in a new directory, with one bucket.
func start(t testing.TB) *open {
	t.Helper()
	o := startIn(t, t.TempDir())
	if err := o.store.CreateBucket(bucketName); err != nil {
		t.Fatal(err)
	}
	return o
}

func startIn(t testing.TB, dir string) *open {
	t.Helper()
	return startWith(t, dir, s3demo.Options{})
}

func startWith(t testing.TB, dir string, options s3demo.Options) *open {
	t.Helper()
	options.Keys = map[string]string{accessKey: secretKey}
	store, err := s3demo.Open(dir, options)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(store.Handler())
	transport := &http.Transport{}
	o := &open{t: t, dir: dir, url: server.URL, store: store}
	o.Client = client(server.URL, transport, accessKey, secretKey)
	closed := false
	o.close = func() {
		if closed {
			return
		}
		closed = true
		transport.CloseIdleConnections()
		server.Close()
		if err := store.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	t.Cleanup(o.close)
	return o
}

func client(url string, transport http.RoundTripper, access, secret string) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: &url,
		Region:       "us-east-1",
		UsePathStyle: true,
		HTTPClient:   &http.Client{Transport: transport},
		Retryer:      aws.NopRetryer{},
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: access, SecretAccessKey: secret}, nil
		}),
	})
}

// restart closes the store, and opens its directory again.
func (o *open) restart() *open {
	o.t.Helper()
	o.close()
	return startIn(o.t, o.dir)
}

// unsigned sends payloads as s3fs does: unsigned, and with a checksum only if the request has one.
func unsigned(o *s3.Options) {
	o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
	o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
}

func (o *open) put(key string, content []byte, change ...func(*s3.PutObjectInput)) *s3.PutObjectOutput {
	o.t.Helper()
	in := &s3.PutObjectInput{Bucket: aws.String(bucketName), Key: &key, Body: bytes.NewReader(content)}
	for _, f := range change {
		f(in)
	}
	out, err := o.PutObject(o.t.Context(), in, unsigned)
	if err != nil {
		o.t.Fatalf("PutObject %q: %v", key, err)
	}
	return out
}

func (o *open) get(key string, change ...func(*s3.GetObjectInput)) []byte {
	o.t.Helper()
	in := &s3.GetObjectInput{Bucket: aws.String(bucketName), Key: &key}
	for _, f := range change {
		f(in)
	}
	out, err := o.GetObject(o.t.Context(), in)
	if err != nil {
		o.t.Fatalf("GetObject %q: %v", key, err)
	}
	defer out.Body.Close()
	content, err := io.ReadAll(out.Body)
	if err != nil {
		o.t.Fatalf("GetObject %q: %v", key, err)
	}
	return content
}

func (o *open) head(key string) *s3.HeadObjectOutput {
	o.t.Helper()
	out, err := o.HeadObject(o.t.Context(), &s3.HeadObjectInput{Bucket: aws.String(bucketName), Key: &key, ChecksumMode: "ENABLED"})
	if err != nil {
		o.t.Fatalf("HeadObject %q: %v", key, err)
	}
	return out
}

// keys lists all keys, in pages of the size.
func (o *open) keys(prefix string, size int32) (keys []string) {
	o.t.Helper()
	pages := s3.NewListObjectsV2Paginator(o.Client, &s3.ListObjectsV2Input{
		Bucket: aws.String(bucketName), Prefix: &prefix, MaxKeys: &size,
	})
	for pages.HasMorePages() {
		page, err := pages.NextPage(o.t.Context())
		if err != nil {
			o.t.Fatalf("ListObjectsV2: %v", err)
		}
		for _, object := range page.Contents {
			keys = append(keys, *object.Key)
		}
	}
	return keys
}

// files lists the files in a directory of the store.
func (o *open) files(dir string) (names []string) {
	o.t.Helper()
	files, err := os.ReadDir(filepath.Join(o.dir, dir))
	if err != nil {
		o.t.Fatal(err)
	}
	for _, f := range files {
		names = append(names, f.Name())
	}
	return names
}

// code returns S3's code of an error, or "" when there is none.
func code(t testing.TB, err error) string {
	t.Helper()
	if err == nil {
		return ""
	}
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		t.Fatalf("not an error of S3: %v", err)
	}
	return api.ErrorCode()
}

func md5Hex(content []byte) string {
	sum := md5.Sum(content)
	return hex.EncodeToString(sum[:])
}

// text returns n bytes without repetition, different for each seed.
func text(seed byte, n int) []byte {
	content := make([]byte, n)
	x := uint32(seed) + 1
	for i := range content {
		x = x*1664525 + 1013904223
		content[i] = byte(x >> 24)
	}
	return content
}

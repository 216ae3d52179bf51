package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/test/quirks"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// A realStore signs unsigned requests and forwards them to a real server.
type realStore struct {
	t      *testing.T
	server *real.S3
	client http.Client
}

func newRealStore(t *testing.T, server *real.S3) *realStore {
	s := &realStore{t: t, server: server, client: http.Client{Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64}}}
	t.Cleanup(s.client.CloseIdleConnections)
	api := s3.New(s3.Options{BaseEndpoint: &server.Endpoint, Region: server.Region, UsePathStyle: true, Credentials: s, RetryMaxAttempts: 10})
	if _, err := api.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: aws.String("files")}); err != nil {
		t.Fatal(err)
	}
	return s
}

// Retrieve implements aws.CredentialsProvider.
func (s *realStore) Retrieve(context.Context) (aws.Credentials, error) {
	return aws.Credentials{AccessKeyID: s.server.AccessKey, SecretAccessKey: s.server.SecretKey}, nil
}

// send signs a request and sends it.
func (s *realStore) send(r *http.Request) (*http.Response, error) {
	const payload = "UNSIGNED-PAYLOAD"
	r.Header.Set("X-Amz-Content-Sha256", payload)
	keys, _ := s.Retrieve(r.Context())
	unescaped := func(o *v4.SignerOptions) { o.DisableURIPathEscaping = true }
	if err := v4.NewSigner().SignHTTP(r.Context(), keys, r, payload, "s3", s.server.Region, time.Now(), unescaped); err != nil {
		return nil, err
	}
	return s.client.Do(r)
}

// ServeHTTP implements http.Handler.
func (s *realStore) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	content, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	target, err := url.Parse(s.server.Endpoint)
	if err != nil {
		s.t.Error(err)
	}
	out := r.Clone(r.Context())
	out.URL.Scheme, out.URL.Host, out.Host, out.RequestURI = target.Scheme, target.Host, target.Host, ""
	out.Body, out.ContentLength, out.TransferEncoding = io.NopCloser(bytes.NewReader(content)), int64(len(content)), nil
	if len(content) == 0 {
		out.Body = http.NoBody // otherwise no Content-Length is sent
	}
	for _, name := range []string{"Authorization", "X-Amz-Date", "Expect", "Accept-Encoding"} {
		out.Header.Del(name)
	}
	resp, err := s.send(out)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer resp.Body.Close()
	for name, values := range resp.Header {
		w.Header()[name] = slices.Clone(values)
	}
	w.WriteHeader(resp.StatusCode)
	io.Copy(w, resp.Body)
}

// realExceptions are the commands that fail on a real server, with the reason.
var realExceptions = map[string]map[string]quirkOutcome{
	"gofakes3": of(copies, cannotCopy),
}

// TestCommandsOnRealServers runs every row of quirkRows on every real server that is installed.
func TestCommandsOnRealServers(t *testing.T) {
	if testing.Short() {
		t.Skip("the servers take some seconds to start")
	}
	awsEnvironment(t)
	for name, start := range map[string]func(testing.TB) *real.S3{
		"MinIO": real.MinIO, "versitygw": real.VersityGW, "SeaweedFS": real.SeaweedFS, "gofakes3": real.GoFakeS3,
	} {
		t.Run(name, func(t *testing.T) {
			options := map[string][]string{"gofakes3": {"--checksum=md5"}}[name]
			q := newQuirkServiceOn(t, newRealStore(t, start(t)), quirks.Mode{Name: name}, options...)
			q.rows = realExceptions[name]
			for i, row := range quirkRows {
				if strings.Contains(row.name, "archived") {
					continue // archived files need a storage class of AWS
				}
				t.Run(row.name, func(t *testing.T) { q.check(t, i, row) })
			}
		})
	}
}

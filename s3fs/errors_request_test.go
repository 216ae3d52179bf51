package s3fs

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
	"github.com/s3ftpd/s3ftpd/test/quirks"
)

// listError returns the error of a listing, and how many connections it took.
func listError(t *testing.T, endpoint string, s Config) *RequestError {
	t.Helper()
	s.Endpoint, s.Region, s.MaxBackoff = endpoint, "us-east-1", time.Millisecond
	if s.Credentials == nil {
		s.Credentials = keys("key", "secret")
	}
	f := NewFS(dial(t, s), Options{Bucket: "b"})
	for _, err := range f.List(t.Context(), "/", "") {
		if e, ok := errors.AsType[*RequestError](err); ok {
			return e
		}
		t.Fatalf("%v", err)
	}
	t.Fatal("no error")
	return nil
}

// The error of a request has the facts of the answer, and a text without the SDK's words.
func TestRequestError(t *testing.T) {
	const xml = "<Error><Code>%</Code><Message>Some words.</Message></Error>"
	for name, test := range map[string]struct {
		status           int
		header, body     string
		want             RequestError
		text             string
		attemptedSeveral bool
	}{
		"S3's": {403, "", strings.Replace(xml, "%", "InvalidAccessKeyId", 1), RequestError{Status: 403, Code: "InvalidAccessKeyId", Message: "Some words."},
			"S3 says InvalidAccessKeyId, Some words", false},
		"region in a header": {301, "X-Amz-Bucket-Region: eu-west-1", strings.Replace(xml, "%", "PermanentRedirect", 1),
			RequestError{Status: 301, Code: "PermanentRedirect", Message: "Some words.", BucketRegion: "eu-west-1"}, "S3 says PermanentRedirect, Some words", false},
		"region in the message": {400, "", "<Error><Code>AuthorizationHeaderMalformed</Code><Message>the region 'x' is wrong; expecting 'eu-west-1'</Message></Error>",
			RequestError{Status: 400, Code: "AuthorizationHeaderMalformed", Message: "the region 'x' is wrong; expecting 'eu-west-1'", BucketRegion: "eu-west-1"},
			"S3 says AuthorizationHeaderMalformed, the region 'x' is wrong; expecting 'eu-west-1'", false},
		"page":        {200, "Content-Type: text/html", "<!DOCTYPE html><html><body>Welcome</body></html>", RequestError{Status: 200, Sent: "HTML"}, "", true},
		"page of 404": {404, "Content-Type: text/html", "<html><body>Nothing here</body></html>", RequestError{Status: 404, Code: "NotFound", Message: "Not Found", Sent: "HTML"}, "S3 says NotFound, Not Found", false},
		"text":        {404, "Content-Type: text/plain", "404 page not found\n", RequestError{Status: 404, Code: "NotFound", Message: "Not Found", Sent: "text"}, "S3 says NotFound, Not Found", false},
		"TLS wanted":  {400, "", "Client sent an HTTP request to an HTTPS server.\n", RequestError{Status: 400, Code: "BadRequest", Message: "Bad Request", Sent: "text", Speaks: "https"}, "S3 says BadRequest, Bad Request", false},
		"TLS on nginx": {400, "Content-Type: text/html", "<html>\n<center>The plain HTTP request was sent to HTTPS port</center></html>",
			RequestError{Status: 400, Code: "BadRequest", Message: "Bad Request", Sent: "HTML", Speaks: "https"}, "S3 says BadRequest, Bad Request", false},
	} {
		t.Run(name, func(t *testing.T) {
			n := 0
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				n++
				key, value, _ := strings.Cut(test.header, ": ")
				w.Header().Set(key, value)
				w.WriteHeader(test.status)
				io.WriteString(w, test.body)
			}))
			defer server.Close()
			got := listError(t, server.URL, Config{})
			want := test.want
			want.Operation, want.Bucket, want.Endpoint, want.Region, want.PathStyle, want.err = "ListObjectsV2", "b", server.URL, "us-east-1", true, got.err
			if *got != want || test.text != "" && got.Error() != test.text || (n > 1) != test.attemptedSeveral {
				t.Errorf("%+v\n%v\n%d attempts", got, got, n)
			}
			for _, word := range []string{"operation error", "StatusCode", "RequestID", "attempts"} {
				if strings.Contains(got.Error(), word) {
					t.Errorf("%v", got)
				}
			}
		})
	}
}

// A failure that another attempt would not change is reported after one.
func TestHopeless(t *testing.T) {
	secure := httptest.NewUnstartedServer(http.NotFoundHandler())
	n := 0
	secure.Config.ErrorLog = log.New(io.Discard, "", 0)
	secure.Config.ConnState = func(_ net.Conn, s http.ConnState) {
		if s == http.StateNew {
			n++
		}
	}
	secure.StartTLS()
	defer secure.Close()
	got := listError(t, secure.URL, Config{})
	if _, untrusted := errors.AsType[*tls.CertificateVerificationError](got); !untrusted || n != 1 || strings.Contains(got.Error(), "https://") {
		t.Errorf("%v after %d connections", got, n)
	}
	n = 0
	if got := listError(t, "http://"+secure.Listener.Addr().String(), Config{}); got.Speaks != "https" || n != 1 {
		t.Errorf("%+v after %d connections", got, n)
	}
	plain := httptest.NewServer(http.NotFoundHandler())
	defer plain.Close()
	if got := listError(t, "https://"+plain.Listener.Addr().String(), Config{}); got.Speaks != "http" {
		t.Errorf("%+v", got)
	}
}

// Credentials that cannot be renewed once do not fail a request, and their error is not taken for missing keys.
func TestFailedRenewalOfCredentials(t *testing.T) {
	for name, test := range map[string]struct {
		failures int
		stored   bool
	}{
		"once":   {1, true},
		"always": {attempts, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				left := test.failures
				provider := aws.CredentialsProviderFunc(func(ctx context.Context) (aws.Credentials, error) {
					if left--; left >= 0 {
						return aws.Credentials{}, fmt.Errorf("operation error STS: AssumeRole, %w", syscall.ECONNRESET)
					}
					return keys("a", "s").Retrieve(ctx)
				})
				f := NewFS(dial(t, Config{Endpoint: "http://fake", Credentials: provider, HTTPClient: s}), Options{Bucket: "b", PartSize: minPart})
				_, err := f.Put(t.Context(), "/f", storetest.Source(zeros(10)), proxy.Write{})
				if stored := err == nil; stored != test.stored {
					t.Errorf("%v after %d failures", err, test.failures)
				}
				if e, ok := errors.AsType[*RequestError](err); ok && (e.NoKeys || !strings.Contains(e.Error(), "AssumeRole")) {
					t.Errorf("%+v: %v", e, e)
				}
			})
		})
	}
}

// The error of each request has the facts, and can be recognized as before.
func TestErrorsAreRequestErrors(t *testing.T) {
	f := quirkFS(t, "signed-payloads")
	_, err := f.Put(t.Context(), "/f", storetest.Source(strings.NewReader("x")), proxy.Write{})
	if e, ok := errors.AsType[*RequestError](err); !ok || e.Operation != "PutObject" || e.Code != "AccessDenied" || e.Status != http.StatusForbidden {
		t.Errorf("%v", err)
	}
	if errorCode(err) != "AccessDenied" || status(err) != http.StatusForbidden {
		t.Errorf("%v: code %s, status %d", err, errorCode(err), status(err))
	}
	if got := operationOf(&s3.ListObjectsV2Input{}); got != "ListObjectsV2" {
		t.Errorf("operation %q", got)
	}
}

func TestMaxPart(t *testing.T) {
	for message, want := range map[string]string{
		"Part number must be an integer between 1 and 1000, inclusive": "1000",
		"partNumber must be from 1 to 500":                             "500",
		"partNumber 10000 is too high":                                 "1000",
		"x-amz-checksum-crc32c":                                        "",
	} {
		if got := (&RequestError{Status: 400, Code: "InvalidArgument", Message: message}).MaxPart(); got != want {
			t.Errorf("%s: %q", message, got)
		}
	}
	if got := (&RequestError{Status: 404, Code: "InvalidPart", Message: "part number 5 is missing"}).MaxPart(); got != "" {
		t.Errorf("%q", got)
	}
}

// Where no part may have the number of the lease part, uploads work, which is logged once, and write no lease for a while.
func TestLeaseNumberRefused(t *testing.T) {
	f := quirkFS(t, "at-most-1000-parts")
	for range 2 {
		if _, err := f.Put(t.Context(), "/f", storetest.Source(strings.NewReader(strings.Repeat("x", minPart+1))), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
	}
	all := f.client.Refusals()
	if len(all) != 1 || all[0].Feature != highPartNumbers || !refusesPartNumber(all[0].Err) {
		t.Errorf("refusals %v", all)
	}
	if u, err := f.newUpload(t.Context(), "f", proxy.Write{}, 0); err != nil || u.resuming.resumable {
		t.Errorf("an upload is resumable, or %v", err)
	} else {
		u.close()
	}
}

// quirkFS returns an FS on a service with a quirk.
func quirkFS(t *testing.T, mode string) *FS {
	t.Helper()
	server := serveQuirks(t, embeddedStore(t, s3demo.Options{}, "contract"), quirks.Named(mode))
	return NewFS(dialQuirks(t, server, Config{}), Options{Bucket: "contract", PartSize: minPart})
}

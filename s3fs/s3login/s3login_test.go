package s3login

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/grant"
	"github.com/s3ftpd/s3ftpd/s3fs"
	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// newSource returns a source for a service. The SDK finds no keys of the server.
func newSource(t *testing.T, c s3fs.Config, o s3fs.Options) *Source {
	t.Helper()
	for _, name := range []string{"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"} {
		t.Setenv(name, os.DevNull)
	}
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
	c.MaxBackoff = time.Millisecond
	client, err := s3fs.NewClient(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return New(client, o, grant.Buckets)
}

func attempt(user, password string) proxy.Attempt {
	return proxy.Attempt{User: user, Password: password, Method: proxy.ByPassword}
}

func TestLogin(t *testing.T) {
	t.Run("embedded store", func(t *testing.T) {
		store, err := s3demo.Open(t.TempDir(), s3demo.Options{Keys: map[string]string{"alice": "wonderland"}})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { store.Close() })
		server := httptest.NewServer(store.Handler())
		t.Cleanup(server.Close)
		testLogin(t, s3fs.Config{Endpoint: server.URL}, "alice", "wonderland")
	})
	t.Run("MinIO", func(t *testing.T) {
		server := real.MinIO(t)
		real.AwaitKeys(t, server)
		testLogin(t, s3fs.Config{Endpoint: server.Endpoint, Region: server.Region}, server.AccessKey, server.SecretKey)
	})
}

func testLogin(t *testing.T, c s3fs.Config, key, secret string) {
	s := newSource(t, c, s3fs.Options{})
	for name, x := range map[string]struct {
		attempt proxy.Attempt
		right   bool
	}{
		"right":                     {attempt(key, secret), true},
		"with MinIO's suffix":       {attempt(key+"=svc", secret), true},
		"LDAP":                      {attempt(key+"=ldap", secret), false},
		"wrong secret key":          {attempt(key, secret+"x"), false},
		"no secret key":             {attempt(key, ""), false},
		"unknown access key":        {attempt("unknown", secret), false},
		"no access key":             {attempt("", secret), false},
		"more than an access key":   {attempt(key+"/20260101", secret), false},
		"a space in the access key": {attempt(key+" ", secret), false},
		"a certificate":             {proxy.Attempt{User: key, Password: secret, Method: proxy.ByCertificate}, false},
	} {
		account, err := s.Login(t.Context(), x.attempt)
		switch {
		case !x.right && !errors.Is(err, fs.ErrPermission), x.right && err != nil:
			t.Errorf("%s: %v", name, err)
		case x.right && (account.User != key || account.Store == nil), !x.right && account.Store != nil:
			t.Errorf("%s: account %+v", name, account)
		}
		if err != nil && strings.Contains(err.Error(), secret) {
			t.Errorf("%s: the error has the secret key", name)
		}
	}
	bucket := newSource(t, c, s3fs.Options{Bucket: "missing-bucket", Prefix: "a"})
	if _, err := bucket.Login(t.Context(), attempt(key, secret)); err == nil || errors.Is(err, fs.ErrPermission) {
		t.Errorf("the bucket is missing: %v", err)
	}
}

// Only S3's answer that the keys are wrong refuses a login, and only its answer that they are right accepts one.
func TestAnswersToLogin(t *testing.T) {
	const accept, refuse, undecided = "accept", "refuse", "undecided"
	for _, x := range []struct {
		name, first, control, want string // answers with the keys, and with a wrong secret key: status, blank, code
	}{
		{"may list", "200 ", "", accept},
		{"unknown key", "403 InvalidAccessKeyId", "", refuse},
		{"wrong secret key", "403 SignatureDoesNotMatch", "", refuse},
		{"Cloudflare's unknown key", "401 Unauthorized", "", refuse},
		{"may not list", "403 AccessDenied", "403 SignatureDoesNotMatch", accept},
		{"any refusal is AccessDenied", "403 AccessDenied", "403 AccessDenied", refuse},
		{"down at the second request", "403 AccessDenied", "500 InternalError", undecided},
		{"everything is right", "403 AccessDenied", "200 ", undecided},
		{"down", "503 SlowDown", "", undecided},
		{"no bucket", "404 NoSuchBucket", "", undecided},
		{"wrong clock", "403 RequestTimeTooSkewed", "", undecided},
		{"account disabled", "403 AllAccessDisabled", "", undecided},
		{"no S3", "403 ", "", undecided},
	} {
		signatures := map[string]bool{}
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			answer := x.first
			if signatures[r.Header.Get("Authorization")] = true; len(signatures) > 1 && x.control != "" {
				answer = x.control
			}
			var status int
			var code string
			fmt.Sscan(answer, &status, &code)
			w.WriteHeader(status)
			switch {
			case code != "":
				fmt.Fprintf(w, "<Error><Code>%s</Code></Error>", code)
			case status == http.StatusOK:
				fmt.Fprint(w, `<ListBucketResult><Name>invoices</Name></ListBucketResult>`)
			default:
				fmt.Fprint(w, "<html>")
			}
		}))
		s := newSource(t, s3fs.Config{Endpoint: server.URL}, s3fs.Options{Bucket: "invoices"})
		account, err := s.Login(t.Context(), attempt("alice", "wonderland"))
		got := undecided
		if err == nil && account.Store != nil {
			got = accept
		} else if errors.Is(err, fs.ErrPermission) {
			got = refuse
		}
		if got != x.want {
			t.Errorf("%s: %s, %v, want %s", x.name, got, err, x.want)
		}
		server.Close()
	}
}

// silent is a service that does not answer.
type silent struct{}

func (silent) Do(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// If S3 does not answer, a login ends undecided after some seconds.
func TestLoginWithoutAnswer(t *testing.T) {
	source := newSource(t, s3fs.Config{Endpoint: "http://127.0.0.1:1", HTTPClient: silent{}}, s3fs.Options{Bucket: "invoices"})
	synctest.Test(t, func(t *testing.T) {
		s := New(source.client, source.options, grant.Buckets)
		begin := time.Now()
		if _, err := s.Login(t.Context(), attempt("alice", "wonderland")); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, fs.ErrPermission) {
			t.Errorf("got %v", err)
		}
		if d := time.Since(begin); d > timeout+time.Second {
			t.Errorf("the login took %v", d)
		}
	})
}

package docs

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestGetStartedDoc runs the commands of docs/get-started.md.
func TestGetStartedDoc(t *testing.T) {
	real.Client(t, "curl")
	commands := readCommands(t)
	server, bucket := invoices(t)

	t.Run("check", func(t *testing.T) {
		p := newPlace(t, server, t.TempDir())
		if out := p.run(t, commands.get(t, "check")); strings.Contains(out, "FAIL") || !strings.Contains(out, "ok    an object can be deleted\n") {
			t.Errorf("the check says\n%s", out)
		}
	})
	t.Run("hash", func(t *testing.T) {
		p := newPlace(t, server, t.TempDir())
		harness.Run(t, p.dir, "", "sh", "-ec", commands.get(t, "hash"))
		if text, err := os.ReadFile(p.dir + "/password"); err != nil || !strings.HasPrefix(string(text), "$argon2id$") {
			t.Fatalf("the password file has %q, or %v", text, err)
		}
		p.serve(t, strings.Replace(commands.get(t, "minio"), "S3FTPD_PASSWORD=secret", "S3FTPD_PASSWORD_FILE="+p.dir+"/password", 1), nil)
		p.run(t, put)
		if got, want := bucket.Sum("2026/README.md"), harness.SumFile(t, harness.Root+"/README.md"); got != want {
			t.Errorf("S3 has %s, want %s", got, want)
		}
	})
	t.Run("keys", func(t *testing.T) {
		p := newPlace(t, server, t.TempDir())
		p.serve(t, commands.get(t, "keys"), nil)
		if out := p.run(t, commands.get(t, "keys client")); !strings.Contains(out, " README.md") {
			t.Errorf("the bucket lists\n%s", out)
		}
	})
	t.Run("lifecycle", func(t *testing.T) {
		if _, err := exec.LookPath("aws"); err != nil {
			t.Skip("no AWS CLI")
		}
		withRules := *server
		withRules.Endpoint = lifecycleProxy(t, server.Endpoint)
		p := newPlace(t, &withRules, t.TempDir())
		const rule = "a lifecycle rule aborts incomplete multipart uploads, 7 days after they began"
		if out := p.run(t, commands.get(t, "check")); strings.Contains(out, rule) {
			t.Fatalf("before there is a rule, the check says\n%s", out)
		}
		for _, env := range append(server.Env(), "AWS_ENDPOINT_URL="+withRules.Endpoint) {
			name, value, _ := strings.Cut(env, "=")
			t.Setenv(name, value)
		}
		p.run(t, commands.get(t, "lifecycle"))
		if out := p.run(t, commands.get(t, "check")); !strings.Contains(out, rule) {
			t.Errorf("the check says\n%s", out)
		}
	})
}

// lifecycleProxy returns the address of a proxy before an S3 service which keeps the lifecycle rules of a bucket itself: MinIO does
// not support those that abort uploads.
func lifecycleProxy(t *testing.T, endpoint string) string {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	forward := httputil.NewSingleHostReverseProxy(target)
	var mu sync.Mutex
	var rules []byte
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !r.URL.Query().Has("lifecycle") {
			forward.ServeHTTP(w, r)
			return
		}
		mu.Lock()
		defer mu.Unlock()
		switch {
		case r.Method == http.MethodPut:
			rules, _ = io.ReadAll(r.Body)
		case rules == nil:
			http.Error(w, "<Error><Code>NoSuchLifecycleConfiguration</Code></Error>", http.StatusNotFound)
		default:
			w.Write(rules)
		}
	}))
	t.Cleanup(proxy.Close)
	return proxy.URL
}

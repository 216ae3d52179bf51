package s3fs

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

func TestInvalidConfigIsRefused(t *testing.T) {
	if _, err := NewClient(t.Context(), Config{Checksum: "crc16"}); err == nil || !strings.Contains(err.Error(), "crc32c, crc32, sha256, md5, none, auto") {
		t.Errorf("error %v, want one that names the valid values", err)
	}
}

func TestPathStyleWithEndpoint(t *testing.T) {
	yes, no := true, false
	for _, test := range []struct {
		endpoint string
		style    *bool
		want     string
	}{
		{"http://s3.test", nil, "s3.test"},
		{"http://s3.test", &no, "bucket.s3.test"},
		{"https://cos.ap-beijing.myqcloud.com", nil, "bucket.cos.ap-beijing.myqcloud.com"},
		{"https://oss-cn-hangzhou.aliyuncs.com", nil, "bucket.oss-cn-hangzhou.aliyuncs.com"},
		{"https://oss-cn-hangzhou.aliyuncs.com", &yes, "oss-cn-hangzhou.aliyuncs.com"},
		{"https://s3.fr-par.scw.cloud", nil, "s3.fr-par.scw.cloud"},
		{"", nil, "bucket.s3.us-east-1.amazonaws.com"},
		{"", &yes, "s3.us-east-1.amazonaws.com"},
	} {
		s := newFake(t)
		s.fault = func(*http.Request, string) (*http.Response, error) { return tagged("x"), nil } // whatever the path
		f := NewFS(dial(t, Config{Endpoint: test.endpoint, PathStyle: test.style, Region: "us-east-1", Credentials: keys("a", "s"), HTTPClient: s}), Options{Bucket: "bucket"})
		if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(1)), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
		if got := s.requestHosts()[0]; got != test.want {
			t.Errorf("%+v: sent to %q", test, got)
		}
	}
}

// The client trusts the certificates in the file that AWS_CA_BUNDLE names.
func TestOverTLS(t *testing.T) {
	server := httptest.NewTLSServer(embeddedStore(t, signed, "tls"))
	t.Cleanup(server.Close)
	bundle := filepath.Join(t.TempDir(), "ca.pem")
	block := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	if err := os.WriteFile(bundle, block, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CA_BUNDLE", bundle)
	c := dial(t, Config{Endpoint: server.URL, Credentials: keys("demo", "demo-secret")})
	f := NewFS(c, Options{Bucket: "tls", PartSize: minPart})
	if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(twoParts)), proxy.Write{}); err != nil {
		t.Fatal(err)
	}
	i, err := f.Stat(t.Context(), "/f")
	if err != nil || i.Size != twoParts {
		t.Errorf("%v, %v", i, err)
	}
}

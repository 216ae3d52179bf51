package signed

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// The value was computed with: printf '1700000000.{"a":1}' | openssl dgst -sha256 -hmac secret
func TestValue(t *testing.T) {
	const want = "t=1700000000,v1=49f24e537407743fa4a0242bb63b94b9a47ee99cbbe071ccd8a22550ae411686"
	if got := Value([]byte("secret"), time.Unix(1700000000, 999), []byte(`{"a":1}`)); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestReadSecret(t *testing.T) {
	name := filepath.Join(t.TempDir(), "secret")
	if _, err := ReadSecret(name); !os.IsNotExist(err) {
		t.Errorf("a missing file: %v", err)
	}
	for _, c := range []struct{ text, want, problem string }{
		{"one", "one", ""},
		{"\uFEFFtwo words\r\n", "two words", ""},
		{" \n", "", "is empty"},
		{strings.Repeat("x", maxSecret+1), "", "at most 4096 bytes"},
	} {
		if err := os.WriteFile(name, []byte(c.text), 0o600); err != nil {
			t.Fatal(err)
		}
		got, err := ReadSecret(name)
		if string(got) != c.want || (err == nil) != (c.problem == "") || err != nil && !strings.Contains(err.Error(), c.problem) {
			t.Errorf("%.20q: got %q, %v, want %q, %s", c.text, got, err, c.want, c.problem)
		}
	}
}

func TestClientFollowsNoRedirect(t *testing.T) {
	s := httptest.NewServer(http.RedirectHandler("/elsewhere", http.StatusTemporaryRedirect))
	defer s.Close()
	client := NewClient(s.URL, 1)
	defer client.CloseIdleConnections()
	r, err := client.Post(s.URL, "text/plain", strings.NewReader("x"))
	if err != nil || r.StatusCode != http.StatusTemporaryRedirect || r.Request.URL.Path != "" {
		t.Fatal(r, err)
	}
	r.Body.Close()
}

// A name such as localhost could resolve to any address.
func TestClientRefusesPlainHTTPToOthers(t *testing.T) {
	client := NewClient("http://localhost/", 1)
	client.Transport.(*http.Transport).Proxy = nil
	_, err := client.Get("http://192.0.2.1/")
	if err == nil || !strings.Contains(err.Error(), "must be https unless") {
		t.Error(err)
	}
}

func TestClientVerifiesTLS(t *testing.T) {
	s := httptest.NewTLSServer(http.NotFoundHandler())
	defer s.Close()
	s.Config.ErrorLog = nil
	_, err := NewClient(s.URL, 1).Get(s.URL)
	if err == nil || !strings.Contains(err.Error(), "certificate signed by unknown authority") {
		t.Error(err)
	}
}

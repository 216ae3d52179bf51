package s3fs

import (
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/s3fs/s3demo"
)

// Clients with other keys send their requests with these, over the connections of the first one.
func TestWithKeysSharesConnections(t *testing.T) {
	var connections atomic.Int64
	server := httptest.NewUnstartedServer(embeddedStore(t, s3demo.Options{Keys: map[string]string{"alice": "wonderland", "bob": "builder"}}, "invoices"))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	c := dial(t, Config{Endpoint: server.URL, Credentials: keys("nobody", "x")})
	for range 3 {
		for _, k := range [][2]string{{"alice", "wonderland"}, {"bob", "builder"}} {
			d := c.WithKeys(k[0], k[1])
			if err := d.VerifyKeys(t.Context(), "invoices", ""); err != nil {
				t.Fatal(err)
			}
			f := NewFS(d, Options{Bucket: "invoices"})
			if _, err := f.Put(t.Context(), "/"+k[0], storetest.Source(strings.NewReader("x")), proxy.Write{}); err != nil {
				t.Fatal(err)
			}
		}
		if err := c.VerifyKeys(t.Context(), "", ""); !errors.Is(err, ErrWrongKeys) {
			t.Errorf("the first client: %v", err)
		}
		if err := c.WithKeys("alice", "builder").VerifyKeys(t.Context(), "", ""); !errors.Is(err, ErrWrongKeys) {
			t.Errorf("the secret key of another: %v", err)
		}
	}
	if n := connections.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

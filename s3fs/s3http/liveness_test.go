package s3http

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// A panickingTransport panics on probes, and answers no other request.
type panickingTransport struct{}

// RoundTrip implements http.RoundTripper.
func (panickingTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodHead && r.URL.Path == "/" {
		panic("panic in a probe")
	}
	<-r.Context().Done()
	return nil, r.Context().Err()
}

// A panic in the goroutine of a probe must fail the request, and not end the process.
func TestPanicOfAProbe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := New(Config{Timeout: testTimeout})
		c.http.Transport = panickingTransport{}
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
		defer cancel()
		if _, err := put(WithSlow(ctx), c); err == nil || !strings.Contains(err.Error(), "panic in a probe") {
			t.Errorf("a slow request: %v", err)
		}
		if _, err := put(WithExpect(ctx), c); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("a request that expects 100 Continue: %v", err)
		}
	})
}

// Package faults is a proxy between s3ftpd and an S3 server that makes requests fail, for tests.
package faults

import (
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"
	"time"
)

// A Proxy forwards requests to an S3 server, except those for which Match returns a fault.
type Proxy struct {
	Forward http.Handler
	Done    chan struct{} // closed at the end of the test
	URL     string        // of the proxy
	Match   func(r *http.Request) Fault
}

// A Fault handles a request instead of the proxy.
type Fault func(p *Proxy, w http.ResponseWriter, r *http.Request)

// New starts a proxy that forwards to an S3 server. It stops at the end of the test.
func New(t testing.TB, forward http.Handler, match func(r *http.Request) Fault) *Proxy {
	p := &Proxy{Forward: forward, Done: make(chan struct{}), Match: match}
	server := httptest.NewServer(p)
	t.Cleanup(server.Close)
	t.Cleanup(func() { close(p.Done) })
	p.URL = server.URL
	return p
}

// To returns a handler that forwards requests to the server at endpoint.
func To(t testing.TB, endpoint string) http.Handler {
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host, r.Out.Host = target.Scheme, target.Host, r.In.Host // the signature covers the host
		},
		Transport: &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 64,
			ExpectContinueTimeout: time.Hour}, // S3 decides on Expect: 100-continue
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
}

// ServeHTTP implements http.Handler.
func (p *Proxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if do := p.Match(r); do != nil {
		do(p, w, r)
		return
	}
	p.Forward.ServeHTTP(w, r)
}

// Cut resets the connection of a request.
func Cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	conn.(*net.TCPConn).SetLinger(0)
	conn.Close()
}

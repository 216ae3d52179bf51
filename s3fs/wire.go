package s3fs

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"os"
	"sync/atomic"
	"time"
)

// patience is how many times longer S3 may be silent about requests that it works on by itself: to complete a
// multipart upload or to copy an object takes long when they are large. It is asked for a sign of life meanwhile.
const patience = 10

// httpClient sends requests that fail when S3 is silent for too long.
type httpClient struct {
	http.Client
	transport *http.Transport
	timeout   time.Duration
	mute      atomic.Int64 // until when the service is not asked to say when it takes the content of a request
	onMute    func()
}

type dialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

func newHTTPClient(timeout time.Duration, dial dialFunc) *httpClient {
	plain := new(http.Protocols)
	plain.SetHTTP1(true) // with HTTP/2, all transfers would share one connection
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			conn, err := dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			w := &wire{Conn: conn}
			w.allow(timeout)
			return w, nil
		},
		Protocols:           plain,
		TLSHandshakeTimeout: min(timeout, 10*time.Second),
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     min(55*time.Second, timeout*3/4), // sooner than S3 closes it, or silence does
		DisableCompression:  true,

		ExpectContinueTimeout: time.Hour, // see handOver; silence ends it sooner

		WriteBufferSize: 4 << 10, // small, so that the first bytes of a request are sent before its last are there
		ReadBufferSize:  4 << 10, // small, so that bodies are read past it, straight into the reader's buffer
	}
	last := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &httpClient{Client: http.Client{Transport: transport, CheckRedirect: last}, transport: transport, timeout: timeout}
}

type patienceKey struct{}

// patient marks a request about which S3 may be silent for long.
func patient(ctx context.Context) context.Context {
	return context.WithValue(ctx, patienceKey{}, true)
}

// Do sends a request, and tells the connection it goes over how patient to be.
func (c *httpClient) Do(r *http.Request) (*http.Response, error) {
	send := func(r *http.Request) (*http.Response, error) { return c.send(r, c.timeout) }
	if r.Context().Value(patienceKey{}) != nil {
		send = c.long
	}
	if r.Context().Value(handOverKey{}) != nil && r.ContentLength > 0 && !c.isMute() {
		return c.hand(r, send)
	}
	return send(r)
}

func (c *httpClient) send(r *http.Request, silence time.Duration) (*http.Response, error) {
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		conn := info.Conn
		if t, ok := conn.(*tls.Conn); ok {
			conn = t.NetConn()
		}
		if w, ok := conn.(*wire); ok {
			w.allow(silence)
		}
	}}
	return c.Client.Do(r.WithContext(httptrace.WithClientTrace(r.Context(), trace)))
}

// wire is a connection to S3 that breaks when nothing has moved on it for some time. What is sent renews the wait
// for what is received, because S3 answers only when it has got everything.
type wire struct {
	net.Conn
	silence atomic.Int64 // nanoseconds
}

// allow sets how long the next request may make no progress.
func (w *wire) allow(silence time.Duration) {
	w.silence.Store(int64(silence))
	w.Conn.SetDeadline(w.deadline())
}

func (w *wire) deadline() time.Time { return time.Now().Add(time.Duration(w.silence.Load())) }

// Read implements io.Reader.
func (w *wire) Read(b []byte) (int, error) {
	w.Conn.SetReadDeadline(w.deadline())
	return w.Conn.Read(b)
}

// Write implements io.Writer. It goes on as long as S3 takes any of it; that it takes no more is known when a
// whole silence has passed without, which is twice the silence at the latest.
func (w *wire) Write(b []byte) (n int, err error) {
	w.Conn.SetReadDeadline(time.Time{}) // the wait for an answer begins when all is sent
	for n < len(b) {
		w.Conn.SetWriteDeadline(w.deadline())
		m, err := w.Conn.Write(b[n:])
		n += m
		if err != nil && !(m > 0 && errors.Is(err, os.ErrDeadlineExceeded)) {
			return n, err
		}
	}
	w.Conn.SetReadDeadline(w.deadline())
	return n, nil
}

// ReadFrom implements io.ReaderFrom. The body of a request, which net/http has wrapped, writes itself.
func (w *wire) ReadFrom(r io.Reader) (int64, error) {
	type writer struct{ io.Writer } // without ReadFrom
	limited, ok := r.(*io.LimitedReader)
	if !ok {
		return io.Copy(writer{w}, r)
	}
	body, ok := limited.R.(io.WriterTo)
	if !ok {
		return io.Copy(writer{w}, r)
	}
	n, err := body.WriteTo(writer{w})
	limited.N -= n
	return n, err
}

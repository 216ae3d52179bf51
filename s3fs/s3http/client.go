package s3http

import (
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptrace"
	"time"
)

// A Config says how a [Client] connects to S3, and when a request has failed. The zero value is valid.
type Config struct {
	Timeout time.Duration // how long a request may make no progress; 0 = 30 s
	TLS     *tls.Config   // nil = the defaults of crypto/tls
	Log     *slog.Logger  // nil = none

	// Dial connects to S3; nil = a net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Expects reports whether the service may support Expect: 100-continue; nil = it always may.
	Expects func() bool
	// ExpectRefused is called with the reason if the service turns out not to support it; nil = nothing is called.
	ExpectRefused func(error)
}

// A Client sends requests that fail when S3 is silent for too long. It is safe for concurrent use.
type Client struct {
	http    http.Client
	config  Config
	answers lastAnswer
}

// New returns a client.
func New(config Config) *Client {
	config.Timeout = cmp.Or(config.Timeout, 30*time.Second)
	if config.Dial == nil {
		config.Dial = new(net.Dialer).DialContext
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	if config.Expects == nil {
		config.Expects = func() bool { return true }
	}
	if config.ExpectRefused == nil {
		config.ExpectRefused = func(error) {}
	}
	return &Client{
		http: http.Client{
			Transport:     newTransport(config),
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		config:  config,
		answers: lastAnswer{log: config.Log},
	}
}

func newTransport(config Config) *http.Transport {
	http1 := new(http.Protocols)
	http1.SetHTTP1(true) // with HTTP/2, all transfers would share one connection
	return &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			dialed, err := config.Dial(ctx, network, addr)
			if err != nil {
				return nil, err
			}
			c := &conn{Conn: dialed}
			c.setLimit(config.Timeout)
			return c, nil
		},
		TLSClientConfig:     config.TLS,
		Protocols:           http1,
		TLSHandshakeTimeout: min(config.Timeout, 10*time.Second),
		MaxIdleConnsPerHost: 256,
		IdleConnTimeout:     min(55*time.Second, config.Timeout*3/4), // before S3 closes it, or its deadline passes
		DisableCompression:  true,

		ExpectContinueTimeout: time.Hour, // never send the body without 100 Continue; silence ends the wait sooner

		WriteBufferSize: 4 << 10, // small, to send the first bytes of a request before its last are available
		ReadBufferSize:  4 << 10, // small, to read bodies straight into the caller's buffer
	}
}

// CloseIdleConnections closes the connections that no request uses.
func (c *Client) CloseIdleConnections() { c.http.CloseIdleConnections() }

// Do sends a request once, as WithSlow, WithRunning and the others mark its context, and returns the response. If S3 did
// not answer in time, the error is a *[SilentError]. The caller must close the body of the response.
func (c *Client) Do(r *http.Request) (*http.Response, error) {
	a, began := c.attemptsOf(r.Context()), time.Now()
	limit := c.limit(r.Context(), a)
	send := func(r *http.Request) (*http.Response, error) { return c.send(r, limit) }
	if isSlow(r.Context()) {
		send = func(r *http.Request) (*http.Response, error) { return c.sendSlow(r, limit) }
	}
	var resp *http.Response
	var err error
	if c.expects(r) {
		resp, err = c.sendExpecting(r, a, send)
	} else {
		resp, err = send(r)
	}
	if err != nil {
		c.answers.noteUnreachable(r, err)
		return nil, c.answers.classify(r, a, began, err)
	}
	return resp, nil
}

// send sends a request over a connection that fails after limit without progress. The failure also cancels the context
// of the request: net/http retries some requests by itself, for as long as it has idle connections.
func (c *Client) send(r *http.Request, limit time.Duration) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		used := info.Conn
		if t, ok := used.(*tls.Conn); ok {
			used = t.NetConn()
		}
		if used, ok := used.(*conn); ok {
			used.cancel.Store(&cancel)
			used.setLimit(limit)
		}
	}}
	resp, err := c.http.Do(r.WithContext(httptrace.WithClientTrace(ctx, trace)))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	c.answers.received()
	if resp.Body == http.NoBody {
		cancel(nil)
		return resp, nil
	}
	resp.Body = cancelingBody{resp.Body, cancel}
	return resp, nil
}

// A cancelingBody cancels the context of its request when it is closed, and not before.
type cancelingBody struct {
	io.ReadCloser
	cancel context.CancelCauseFunc
}

// Close implements io.Closer.
func (b cancelingBody) Close() error {
	err := b.ReadCloser.Close()
	b.cancel(nil)
	return err
}

package s3fs

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptrace"
	"sync/atomic"
	"time"
)

// A service that is there says within mostHush that it takes the content of a request, or it is not asked again for the time
// of muteFor: it does not know how, or was only slow.
const (
	mostHush = 3 * time.Second
	muteFor  = 10 * time.Minute
)

type handOverKey struct{}

// handOver marks a request whose content, without which S3 cannot obey it, is sent only when S3 has said that it is there to
// take it (RFC 9110, section 10.1.1). Otherwise one that waits in the memory of a server which has stopped would be
// obeyed when the server runs again, long after it was given up.
func handOver(ctx context.Context) context.Context {
	return context.WithValue(ctx, handOverKey{}, true)
}

// errMute is why a request is broken off whose content the service does not ask for.
var errMute = errors.New("the service does not know Expect: 100-continue")

// hand sends a request that is marked by handOver. A service that does not say that it takes the content, but is there, gets
// later ones as a whole.
func (c *httpClient) hand(r *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	var taken atomic.Bool
	hush := time.AfterFunc(min(c.timeout/4, mostHush), func() {
		if !taken.Load() && c.answers(ctx, r) == nil && !taken.Load() {
			c.muted()
			cancel(errMute)
		}
	})
	traced := httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{Got100Continue: func() { taken.Store(true) }})
	asks := r.Clone(traced)
	asks.Header.Set("Expect", "100-continue")
	asks.Proto, asks.ProtoMajor, asks.ProtoMinor = "HTTP/1.1", 1, 1 // the SDK sets none, and then net/http does not wait
	resp, err := send(asks)
	taken.Store(true) // or refused: hush may be at it
	hush.Stop()
	switch {
	case err != nil:
		if context.Cause(ctx) == errMute {
			err = errMute
		}
		cancel(nil)
		return nil, err
	case resp.StatusCode == http.StatusExpectationFailed:
		resp.Body.Close()
		c.muted()
		cancel(nil)
		return nil, errMute
	}
	resp.Body = watched{resp.Body, cancel}
	return resp, nil
}

// muted notes that requests are to be sent as a whole.
func (c *httpClient) muted() {
	if c.mute.Swap(time.Now().Add(muteFor).UnixNano()) == 0 && c.onMute != nil {
		c.onMute()
	}
}

func (c *httpClient) isMute() bool { return time.Now().UnixNano() < c.mute.Load() }

package s3fs

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A lostAnswer drops the answer to the first request of one kind, and answers the retries itself.
type lostAnswer struct {
	s3.HTTPClient
	call  string
	again func() *http.Response
	times int
}

// Do implements s3.HTTPClient.
func (l *lostAnswer) Do(r *http.Request) (*http.Response, error) {
	if name(r) != l.call {
		return l.HTTPClient.Do(r)
	}
	if l.times++; l.times > 1 {
		return l.again(), nil
	}
	resp, err := l.HTTPClient.Do(r)
	if err == nil {
		resp.Body.Close()
		err = errors.New("connection reset by peer")
	}
	return nil, err
}

// If the answer to a request is lost and S3 refuses the retry, HEAD shows that the request was executed.
func TestRefusedRetryAfterLostAnswer(t *testing.T) {
	for name, test := range map[string]struct {
		call string
		do   func(context.Context, *FS) error
	}{
		"STOR": {"Put", func(ctx context.Context, f *FS) error {
			return errOf(f.Put(ctx, "/f", storetest.Source(strings.NewReader("new")), proxy.Write{}))
		}},
		"DELE": {"Delete", func(ctx context.Context, f *FS) error { return errOf(f.Remove(ctx, "/f")) }},
		"RNTO": {"Copy", func(ctx context.Context, f *FS) error { return errOf(f.Rename(ctx, "/f", "/to", true)) }},
		"MFMT": {"Copy", func(ctx context.Context, f *FS) error { return errOf(f.SetTime(ctx, "/f", time.Unix(1000, 0))) }},
	} {
		for code, status := range map[string]int{
			"TooManyRequests": 429, "XMinioStorageFull": 507, "QuotaExceeded": 403, "RequestTimeTooSkewed": 403, "SlowDown": 503,
		} {
			c := embedded(t, "files")
			f := NewFS(c, Options{Bucket: "files"})
			if _, err := f.Put(t.Context(), "/f", storetest.Source(strings.NewReader("old")), proxy.Write{}); err != nil {
				t.Fatal(err)
			}
			o := c.api.Options()
			lost := &lostAnswer{HTTPClient: c.http, call: test.call, again: func() *http.Response { return refusal(status, code, "") }}
			d := dial(t, Config{
				Endpoint: *o.BaseEndpoint, Region: o.Region, Credentials: o.Credentials, HTTPClient: lost, MaxBackoff: time.Millisecond,
			})
			if err := test.do(t.Context(), NewFS(d, Options{Bucket: "files"})); err != nil || lost.times < 2 {
				t.Errorf("%s, then %s: sent %d times: %v", name, code, lost.times, err)
			}
		}
	}
}

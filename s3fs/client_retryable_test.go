package s3fs

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"testing/synctest"

	"github.com/aws/aws-sdk-go-v2/aws"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// The table has the failures of a request that are retried.
func TestRetryableFailures(t *testing.T) {
	for name, test := range map[string]struct {
		answer func() *http.Response
		times  int
	}{
		"throttled with 503":     {times: 4, answer: func() *http.Response { return refusal(503, "SlowDown", "") }},
		"throttled with 429":     {times: 4, answer: func() *http.Response { return refusal(429, "TooManyRequests", "") }},
		"failed":                 {times: 4, answer: func() *http.Response { return refusal(500, "InternalError", "") }},
		"refused":                {times: 1, answer: func() *http.Response { return refusal(403, "AccessDenied", "") }},
		"full":                   {times: 1, answer: func() *http.Response { return refusal(507, "NotHeardOf", "") }},
		"an answer ends early":   {times: 4, answer: truncatedAnswer},
		"an expired token":       {times: 4, answer: func() *http.Response { return refusal(400, "ExpiredToken", "") }},
		"an unknown key":         {times: 1, answer: func() *http.Response { return refusal(403, "InvalidAccessKeyId", "") }},
		"a checksum, on the way": {times: 4, answer: func() *http.Response { return refusal(400, "BadDigest", "") }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				s.fault = func(*http.Request, string) (*http.Response, error) { return test.answer(), nil }
				for _, err := range s.fs(Options{}).List(t.Context(), "/", "") {
					if err == nil {
						t.Error("no error")
					}
				}
				if n := len(s.requests()); n != test.times {
					t.Errorf("%d requests, want %d", n, test.times)
				}
			})
		})
	}
}

// truncatedAnswer returns an answer with a connection that ends in the middle of the body.
func truncatedAnswer() *http.Response {
	resp := response(200, "")
	resp.ContentLength = 1000
	resp.Body = io.NopCloser(io.MultiReader(strings.NewReader("<ListBucketResult><Contents>"), iotest.ErrReader(io.ErrUnexpectedEOF)))
	return resp
}

// S3 may report credentials as expired before their time. Then they are fetched again.
func TestExpiredCredentialsAreRefreshed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fetched := 0
		provider := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			fetched++
			return aws.Credentials{AccessKeyID: fmt.Sprint("key", fetched), SecretAccessKey: "s"}, nil
		})
		s := newFake(t)
		s.fault = func(r *http.Request, _ string) (*http.Response, error) {
			if strings.Contains(r.Header.Get("Authorization"), "Credential=key1/") {
				return refusal(400, "ExpiredToken", ""), nil
			}
			return nil, nil
		}
		f := NewFS(dial(t, Config{Endpoint: "http://fake", Credentials: provider, HTTPClient: s}), Options{Bucket: "b"})
		if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(10)), proxy.Write{}); err != nil {
			t.Error(err)
		}
		s.checkCalls("Put x2")
	})
}

// If S3 does not answer Complete, the upload fails without further requests that would delay the client's reply.
func TestNoRequestsAfterUnansweredComplete(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		s.silentFrom("Complete")
		f := s.fs(Options{PartSize: minPart, Resume: 1 << 40})
		if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(twoParts)), proxy.Write{}); err == nil {
			t.Error("no error")
		}
		sent := s.requests()
		s.mu.Lock()
		defer s.mu.Unlock()
		after := slices.DeleteFunc(sent[slices.Index(sent, "Complete"):], func(c string) bool { return c == "Complete" || c == "Head" })
		if len(after) > 0 || !s.open {
			t.Errorf("open: %v, requests after Complete: %q", s.open, after)
		}
		if f.budget.Stats().Used != 0 {
			t.Errorf("%d bytes of the budget are still in use", f.budget.Stats().Used)
		}
	})
}

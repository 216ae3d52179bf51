package s3fs

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// signedHeaders returns the names of the headers that the signature of a request covers.
func signedHeaders(h http.Header) string {
	_, rest, _ := strings.Cut(h.Get("Authorization"), "SignedHeaders=")
	names, _, _ := strings.Cut(rest, ",")
	return names
}

// requestsOfAllKinds sends one request of each kind.
func requestsOfAllKinds(t *testing.T, f *FS) {
	t.Helper()
	for _, err := range []error{
		errOf(f.Put(t.Context(), "/f", storetest.Source(zeros(10)), proxy.Write{})),
		errOf(f.Put(t.Context(), "/g", storetest.Source(zeros(twoParts)), proxy.Write{})),
		f.delete(t.Context(), "f", "", nil),
		f.deleteAll(t.Context(), []string{"a"}, nil),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	f.Stat(t.Context(), "/f")
	f.Open(t.Context(), "/f", proxy.Range{})
}

// deletes answers deletions.
func deletes(_ *http.Request, call string) (*http.Response, error) {
	if call == "Delete" {
		return response(204, ""), nil
	}
	return nil, nil
}

// Accept-Encoding must not be signed, because Google's front end rewrites it.
func TestAcceptEncodingIsNotSigned(t *testing.T) {
	s := newFake(t)
	s.fault = deletes
	requestsOfAllKinds(t, s.fs(Options{PartSize: minPart}))
	for i, h := range s.sentHeaders() {
		if names := signedHeaders(h); names == "" || strings.Contains(names, "accept-encoding") || h.Get("Accept-Encoding") != "" {
			t.Errorf("%s: signed %q, Accept-Encoding %q", s.requests()[i], names, h.Get("Accept-Encoding"))
		}
	}
}

// With RequestPayer each request has the header, without it none.
func TestRequestPayer(t *testing.T) {
	for _, pays := range []bool{true, false} {
		s := newFake(t)
		s.fault = deletes
		f := NewFS(dial(t, Config{Endpoint: "http://fake", Credentials: keys("a", "s"), HTTPClient: s, RequestPayer: pays}), Options{Bucket: "b", PartSize: minPart})
		requestsOfAllKinds(t, f)
		for i, h := range s.sentHeaders() {
			if got := h.Get("X-Amz-Request-Payer"); (got == "requester") != pays {
				t.Errorf("%s: %q", s.requests()[i], got)
			}
			if strings.Contains(signedHeaders(h), "x-amz-request-payer") != pays {
				t.Errorf("%s: signed are %s", s.requests()[i], signedHeaders(h))
			}
		}
	}
}

// A doer is a client of a service.
type doer func(*http.Request) (*http.Response, error)

// Do implements s3.HTTPClient.
func (d doer) Do(r *http.Request) (*http.Response, error) { return d(r) }

// With a signed payload the signature covers the SHA-256 of the content. A small file is hashed before Commit, and published after it.
func TestPayloadSigned(t *testing.T) {
	if _, err := NewClient(t.Context(), Config{Payload: "sha256"}); err == nil {
		t.Error("any payload will do")
	}
	for payload, sum := range map[string]func([]byte) string{
		"":       func([]byte) string { return "UNSIGNED-PAYLOAD" },
		"signed": func(b []byte) string { h := sha256.Sum256(b); return hex.EncodeToString(h[:]) },
	} {
		s := newFake(t)
		var begun atomic.Bool
		ordered := 0
		client := doer(func(r *http.Request) (*http.Response, error) {
			begun.Store(true)
			return s.Do(r)
		})
		f := NewFS(dial(t, Config{Endpoint: "http://fake", Credentials: keys("a", "s"), HTTPClient: client, Payload: payload}),
			Options{Bucket: "b", PartSize: minPart, Resume: -1})
		src := storetest.CommittedBy(zeros(10), func() error {
			if ordered++; !begun.Load() || len(s.requests()) != 0 {
				t.Errorf("%q: ordered while a request was begun: %v, and sent: %q", payload, begun.Load(), s.requests())
			}
			return nil
		})
		if _, err := f.Put(t.Context(), "/f", src, proxy.Write{}); err != nil || ordered != 1 {
			t.Errorf("%s: %v, %d orders", payload, err, ordered)
		}
		if got := s.header("Put", "X-Amz-Content-Sha256"); got != sum(make([]byte, 10)) {
			t.Errorf("%s: a file has %s", payload, got)
		}
		if _, err := f.Put(t.Context(), "/g", storetest.Source(zeros(twoParts)), proxy.Write{}); err != nil {
			t.Fatal(err)
		}
		if got := s.header("Part 1", "X-Amz-Content-Sha256"); got != sum(make([]byte, minPart)) {
			t.Errorf("%s: a part has %s", payload, got)
		}
	}
}

// A redirected request is sent again with its content, and signed for the new host.
func TestRedirection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) { // so that the upload takes less than a second, and is not verified
		for _, status := range []int{307, 308} {
			s := newFake(t)
			s.fault = func(r *http.Request, call string) (*http.Response, error) {
				if r.URL.Host != "fake" {
					return nil, nil
				}
				resp := refusal(status, "TemporaryRedirect", "")
				resp.Header.Set("Location", "http://b.elsewhere"+r.URL.Path+"?rk=1")
				return resp, nil
			}
			f := s.fs(Options{PartSize: minPart})
			if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(twoParts)), proxy.Write{}); err != nil {
				t.Fatal(err)
			}
			for i, call := range s.requests() {
				if want := []string{"fake", "b.elsewhere"}[i%2]; s.requestHosts()[i] != want && !strings.HasPrefix(call, "Part") {
					t.Errorf("request %d, %s, went to %s", i, call, s.requestHosts()[i])
				}
			}
			if s.objects["/b/f"] != twoParts {
				t.Errorf("%d: %d bytes are there", status, s.objects["/b/f"])
			}
			if a, b := s.sentHeaders()[0].Get("Authorization"), s.sentHeaders()[1].Get("Authorization"); a == b || b == "" {
				t.Errorf("%d: signed %q for both hosts", status, a)
			}
		}
	})
}

// The number of redirections is limited, and one from https to http is refused.
func TestRedirectionsAreLimited(t *testing.T) {
	for location, requests := range map[string]int{"/b/d/?again": maxRedirects, "http://fake/b/d/": 1, "": 1} {
		s := newFake(t)
		s.fault = func(*http.Request, string) (*http.Response, error) {
			resp := refusal(307, "TemporaryRedirect", "")
			resp.Header.Set("Location", location)
			return resp, nil
		}
		c := dial(t, Config{Endpoint: "https://fake", Credentials: keys("a", "s"), HTTPClient: s})
		_, err := NewFS(c, Options{Bucket: "b"}).putMarker(t.Context(), "d/", condition{})
		if err == nil || !isRejected(err) || len(s.requests()) != requests {
			t.Errorf("%q: %d requests, %v", location, len(s.requests()), err)
		}
	}
}

// The error for a bucket in another region names that region.
func TestWrongRegion(t *testing.T) {
	s := newFake(t)
	s.fault = func(*http.Request, string) (*http.Response, error) {
		resp := refusal(301, "PermanentRedirect", "")
		resp.Header.Set("X-Amz-Bucket-Region", "eu-north-1")
		return resp, nil
	}
	_, err := s.fs(Options{}).head(t.Context(), "f")
	if e, ok := errors.AsType[*RequestError](err); !ok || e.BucketRegion != "eu-north-1" || errors.Is(err, errConditionFailed) {
		t.Errorf("error %v", err)
	}
}

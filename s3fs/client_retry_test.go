package s3fs

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// A retry has a backoff, except after a silence, which has lasted for the whole timeout.
func TestBackoffAfterSilence(t *testing.T) {
	b := silenceBackoff{retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return time.Second, nil })}
	for err, want := range map[error]time.Duration{
		fmt.Errorf("sending: %w", &s3http.SilentError{Err: io.EOF}): 0,
		errors.New("reset"): time.Second,
	} {
		if got, _ := b.BackoffDelay(1, err); got != want {
			t.Errorf("%v: %v, want %v", err, got, want)
		}
	}
}

// After its HTTP client has met a refusal of Expect, the client lists it, and does not send Expect again.
func TestRefusalOfExpect(t *testing.T) {
	var expected []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		expected = append(expected, r.Header.Get("Expect"))
		if r.Header.Get("Expect") != "" {
			w.WriteHeader(http.StatusExpectationFailed)
			return
		}
		io.Copy(io.Discard, r.Body)
		w.Header().Set("ETag", `"x"`)
	}))
	defer server.Close()
	c := dial(t, Config{Endpoint: server.URL, Credentials: keys("a", "s"), MaxBackoff: time.Nanosecond})
	for range 2 {
		in := &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("f"), Body: strings.NewReader("content")}
		if _, err := c.api.PutObject(s3http.WithExpect(t.Context()), in); err != nil {
			t.Error(err)
		}
	}
	refusals := c.Refusals()
	if fmt.Sprintf("%q", expected) != `["100-continue" "" ""]` || len(refusals) != 1 || refusals[0].Feature != expectContinue ||
		!errors.Is(refusals[0].Err, s3http.ErrNoContinue) {
		t.Errorf("Expect: %q, refusals: %v", expected, refusals)
	}
}

package s3fs

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A version is one version of an object.
type version struct {
	fs   *FS
	key  string
	etag string // as S3 wrote it; empty = S3 sent none, so only the first response is known to be of this version
	id   string // of the version; empty = unknown
	size int64

	options []func(*s3.Options) // of requests for it
}

// A stream reads the bytes of a version from at to end. It resumes with a new request if a response breaks off.
type stream struct {
	*version
	ctx        context.Context
	at         int64
	end        int64
	body       io.ReadCloser // nil = must be requested
	lastErr    error         // of the last body or request; nil = none failed
	sdkRetries bool          // the SDK retries requests, and the stream does not
	failures   int           // consecutive, without a byte between them
}

// maxFailures is the number of consecutive failures without a byte after which a stream fails.
const maxFailures = 5

// Read implements io.Reader. If a body breaks off, it requests the missing bytes.
func (s *stream) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	for s.at < s.end {
		if s.body == nil {
			if err := s.reopen(); err != nil {
				return 0, err
			}
		}
		n, err := s.body.Read(p[:min(int64(len(p)), s.end-s.at)])
		s.at += int64(n)
		if n > 0 {
			s.failures = 0
		}
		if err == io.EOF {
			err = fmt.Errorf("%d bytes are missing: %w", s.end-s.at, io.ErrUnexpectedEOF)
		}
		if err != nil && s.at < s.end {
			s.close()
			s.lastErr = err
		}
		if n > 0 {
			return n, nil
		}
	}
	return 0, io.EOF
}

// reopen requests the remaining bytes: at once the first time, with backoff after a failure.
func (s *stream) reopen() error {
	for {
		if s.lastErr != nil {
			if s.etag == "" || s.failures == maxFailures {
				return s.lastErr
			}
			if err := s.backOff(); err != nil {
				return err
			}
			s.failures++
		}
		err := s.request()
		if err == nil {
			return nil
		}
		if s.sdkRetries || !s.fs.client.retryable(err) {
			return err
		}
		s.lastErr = err
	}
}

func (s *stream) backOff() error {
	delay, err := backoff.BackoffDelay(s.failures, s.lastErr)
	if err != nil {
		return err
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-s.ctx.Done():
		return context.Cause(s.ctx)
	}
}

// request sends one request for the remaining bytes.
func (s *stream) request() error {
	options := slices.Clip(s.options)
	if !s.sdkRetries {
		options = append(options, noRetry)
	}
	out, err := s.fs.api.GetObject(s.ctx, &s3.GetObjectInput{
		Bucket:  &s.fs.bucket,
		Key:     &s.key,
		Range:   aws.String(fmt.Sprintf("bytes=%d-%d", s.at, s.end-1)),
		IfMatch: &s.etag,
	}, options...)
	switch {
	case isConditionFailed(err), errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ESPIPE):
		return fmt.Errorf("%w: %v", proxy.ErrStale, err) // ErrStale alone: the others would mean that the name does not exist
	case err != nil:
		return err
	}
	if err := s.checkAnswer(out); err != nil {
		out.Body.Close()
		return err
	}
	s.body = out.Body
	return nil
}

// checkAnswer returns an error unless the response has the requested range of the version. A service may ignore If-Match
// or Range.
func (s *stream) checkAnswer(out *s3.GetObjectOutput) error {
	got, ok := parseRange(out.ContentRange)
	if out.ContentRange == nil && s.at == 0 && s.end == s.size { // some services ignore a range of the whole object
		got, ok = byteRange{0, s.end - 1, cmp.Or(aws.ToInt64(out.ContentLength), s.size)}, true
	}
	size, etag := got.total, unquote(out.ETag)
	if !ok {
		size = aws.ToInt64(out.ContentLength)
	}
	if etag != unquote(&s.etag) || size != s.size {
		return fmt.Errorf("%w: version %s of %d bytes is now %s of %d", proxy.ErrStale, s.etag, s.size, etag, size)
	}
	want := byteRange{s.at, s.end - 1, s.size}
	if out.ContentLength == nil && ok { // implied by the range
		out.ContentLength = aws.Int64(s.end - s.at)
	}
	if !ok || got != want || aws.ToInt64(out.ContentLength) != s.end-s.at {
		return fmt.Errorf("requested %v, got %q with %d bytes", want, aws.ToString(out.ContentRange), aws.ToInt64(out.ContentLength))
	}
	return nil
}

// close cancels the request in progress, if any.
func (s *stream) close() error {
	if s.body == nil {
		return nil
	}
	err := s.body.Close()
	s.body = nil
	return err
}

// retryable reports whether a request may be retried after err.
func (c *Client) retryable(err error) bool { return c.api.Options().Retryer.IsErrorRetryable(err) }

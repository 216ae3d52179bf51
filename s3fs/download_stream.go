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
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A version is one version of an object. Whatever is asked for of its content has to be of it.
type version struct {
	fs   *FS
	key  string
	etag string // as S3 wrote it; empty = S3 gives none, and only the first answer is known to be of this version
	size int64

	options []func(*s3.Options) // of requests for it
}

// A stream reads the bytes of a version from at to end, over as many requests as it takes.
type stream struct {
	*version
	ctx        context.Context
	at         int64
	end        int64
	body       io.ReadCloser // nil = has to be asked for
	lastErr    error         // why the last body or request ended early
	sdkRetries bool          // a request is sent again as often as other requests are, and then not once more by the stream
	failures   int           // in a row, without a byte between them
}

// maxFailures is how often in a row a stream may break without a byte before it has failed.
const maxFailures = 5

var backoff = retry.NewExponentialJitterBackoff(maxBackoff)

// Read implements io.Reader. A body that breaks off is asked for again, from the byte that is missing.
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
			err = fmt.Errorf("%d bytes short: %w", s.end-s.at, io.ErrUnexpectedEOF)
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

// reopen asks for what has not come yet: at once the first time, and after a pause when that was tried before.
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

// request sends one request for the rest of the stream.
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
	case precondition(err), errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ESPIPE):
		return fmt.Errorf("%w: %v", proxy.ErrStale, err) // and only that: the other words are for the first answer
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

// checkAnswer reports whether an answer is what was asked for, as a service may ignore If-Match or Range.
func (s *stream) checkAnswer(out *s3.GetObjectOutput) error {
	got, ok := parseRange(out.ContentRange)
	if out.ContentRange == nil && s.at == 0 && s.end == s.size { // some services ignore a range that is all
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
	if out.ContentLength == nil && ok { // the range tells
		out.ContentLength = aws.Int64(s.end - s.at)
	}
	if !ok || got != want || aws.ToInt64(out.ContentLength) != s.end-s.at {
		return fmt.Errorf("asked for %v, got %q with %d bytes", want, aws.ToString(out.ContentRange), aws.ToInt64(out.ContentLength))
	}
	return nil
}

// close gives up the request under way, if there is one.
func (s *stream) close() error {
	if s.body == nil {
		return nil
	}
	err := s.body.Close()
	s.body = nil
	return err
}

// retryable reports whether a request that failed so may work another time.
func (c *Client) retryable(err error) bool { return c.api.Options().Retryer.IsErrorRetryable(err) }

// A byteRange is what the header Content-Range says.
type byteRange struct{ first, last, total int64 }

func (r byteRange) String() string { return fmt.Sprintf("bytes %d-%d/%d", r.first, r.last, r.total) }

func parseRange(text *string) (r byteRange, ok bool) {
	n, _ := fmt.Sscanf(aws.ToString(text), "bytes %d-%d/%d", &r.first, &r.last, &r.total)
	return r, n == 3 && r.String() == *text
}

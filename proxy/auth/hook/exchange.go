package hook

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy/signed"
)

const (
	maxAnswer  = 64 << 10               // bytes of the body
	retryPause = 200 * time.Millisecond // before the second request
)

// An answer is one that decides: its status is 200, 401, 403 or 404.
type answer struct {
	status int
	body   []byte        // of a 200
	maxAge time.Duration // how long it may be remembered; 0 = not at all
}

// A failure is why the hook has not decided. Its text has nothing of the request or of the answer but the status.
type failure struct {
	text  string
	retry bool // another request may succeed
}

func (f *failure) Error() string { return f.text }

// ask sends a request, and repeats it once if it fails.
func (s *Source[U]) ask(ctx context.Context, request []byte) (answer, error) {
	got, err := s.post(ctx, request)
	if err == nil {
		return got, nil
	}
	if err.retry {
		select {
		case <-ctx.Done():
		case <-time.After(retryPause):
			if got, err = s.post(ctx, request); err == nil {
				return got, nil
			}
		}
	}
	if ctx.Err() != nil {
		return answer{}, fmt.Errorf("waiting for the hook: %w", ctx.Err())
	}
	return answer{}, err
}

// post sends a request once.
func (s *Source[U]) post(parent context.Context, request []byte) (answer, *failure) {
	ctx, cancel := context.WithTimeout(parent, s.timeout())
	defer cancel()
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL, bytes.NewReader(request))
	if err != nil {
		return answer{}, &failure{text: "the URL of the hook is invalid"}
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Accept", "application/json")
	r.Header.Set("User-Agent", "s3ftpd")
	if s.Secret != nil {
		secret, err := s.Secret()
		if err != nil {
			return answer{}, &failure{text: fmt.Sprintf("the secret of the hook cannot be read: %v", err)}
		}
		r.Header.Set(signed.Header, signed.Value(secret, time.Now(), request))
	}
	response, err := s.Client.Do(r)
	if err != nil {
		return answer{}, s.broken(err)
	}
	defer response.Body.Close()
	return s.read(response)
}

// read reads a response.
func (s *Source[U]) read(response *http.Response) (answer, *failure) {
	body, err := io.ReadAll(io.LimitReader(response.Body, maxAnswer+1)) // in any case, so that the connection can be used again
	switch status := response.StatusCode; {
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusNotFound:
		return answer{status: status}, nil
	case status/100 == 3:
		return answer{}, &failure{text: fmt.Sprintf("the hook redirects with %d, which is not followed: set --auth-url to its final URL", status)}
	case status != http.StatusOK:
		text := fmt.Sprintf("the hook answers %d: must be 200 (accepted), 401 or 403 (refused), or 404 (unknown user)", status)
		return answer{}, &failure{text, status/100 == 5}
	case err != nil:
		return answer{}, s.broken(err)
	case len(body) > maxAnswer:
		return answer{}, &failure{text: fmt.Sprintf("the answer of the hook is longer than %d KiB", maxAnswer>>10)}
	}
	return answer{http.StatusOK, body, maxAge(response.Header)}, nil
}

// broken returns the failure of a request without an answer. It does not wrap the error, which may be fs.ErrPermission: then the login
// would be refused.
func (s *Source[U]) broken(err error) *failure {
	if errors.Is(err, context.DeadlineExceeded) {
		return &failure{fmt.Sprintf("the hook has not answered within %v", s.timeout()), true}
	}
	if e := (*url.Error)(nil); errors.As(err, &e) {
		err = e.Err // without the URL
	}
	return &failure{fmt.Sprintf("the hook cannot be asked: %v", err), true}
}

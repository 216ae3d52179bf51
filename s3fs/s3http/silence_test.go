package s3http

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// A silence is the expected failure of a request.
type silence struct {
	limit time.Duration // after which the request fails
	last  bool          // SilentError.Last
}

// check sends a request that must fail as expected. It is a GET, which net/http would retry by itself.
func (want silence) check(t *testing.T, ctx context.Context, c *Client) {
	t.Helper()
	begin := time.Now()
	err := get(ctx, c)
	silent, ok := errors.AsType[*SilentError](err)
	if took := time.Since(begin); !ok || silent.Last != want.last || took != want.limit {
		t.Errorf("%v after %v, last: %v; want %+v", err, took, ok && silent.Last, want)
	}
}

// While S3 answers nothing, the second attempt of an operation has half the timeout and is the last one. Once S3 is
// known to be silent, the first attempt is the last one. The log has one line for each change.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := newService(t, nil)
		c := s.dial(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
		s.stop()
		ctx := WithAttempts(t.Context())
		silence{testTimeout, false}.check(t, ctx, c)
		silence{testTimeout / 2, true}.check(t, ctx, c)
		silence{testTimeout, true}.check(t, WithAttempts(t.Context()), c)
		silence{testTimeout, true}.check(t, t.Context(), c)
		silence{testTimeout / 2, true}.check(t, WithBrief(t.Context()), c)
		s.start()
		if _, err := put(t.Context(), c); err != nil {
			t.Error(err)
		}
		s.stop()
		silence{testTimeout, false}.check(t, WithBrief(t.Context()), c)
		if got := log.String(); strings.Count(got, "S3 is silent") != 2 || strings.Count(got, "S3 answers again") != 1 {
			t.Error(got)
		}
	})
}

// The log has one line when S3 answers after connections to it have failed.
func TestUnreachable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := newService(t, nil)
		refused := &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}
		c := s.dial(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil))}, refused, refused)
		for range 2 {
			if err := get(t.Context(), c); !errors.Is(err, syscall.ECONNREFUSED) {
				t.Errorf("error %v, want a refused connection", err)
			}
		}
		if log.Len() > 0 {
			t.Errorf("logged while S3 is unreachable: %s", log.String())
		}
		for range 2 {
			if err := get(t.Context(), c); err != nil {
				t.Error(err)
			}
		}
		if got := log.String(); strings.Count(got, "\n") != 1 || !strings.Contains(got, "level=INFO msg=\"S3 answers again\"") {
			t.Errorf("logged %q, want one line", got)
		}
	})
}

// A service that was silent, and then unreachable, comes back once.
func TestOneLineAfterSilenceAndRefusal(t *testing.T) {
	var log bytes.Buffer
	l := lastAnswer{log: slog.New(slog.NewTextHandler(&log, nil))}
	l.silent.Store(true)
	l.unreachable.Store(true)
	l.received()
	l.received()
	if got := log.String(); strings.Count(got, "S3 answers again") != 1 {
		t.Errorf("logged %q, want one line", got)
	}
}

// If S3 answers no probe, a slow request fails as early as any other.
func TestSilenceOfASlowRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, nil)
		c := s.dial(t, Config{})
		s.stop()
		ctx := WithAttempts(WithSlow(t.Context()))
		silence{testTimeout, false}.check(t, ctx, c)
		silence{testTimeout / 2, true}.check(t, ctx, c)
	})
}

// If S3 answers other requests, it is not silent, and an unanswered request may be retried as often as any other.
func TestSilenceOfOneRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		s := newService(t, func(c net.Conn, r *http.Request) {
			if r.Method == http.MethodGet {
				io.Copy(io.Discard, c)
			}
			respond(c, r)
		})
		c := s.dial(t, Config{Log: slog.New(slog.NewTextHandler(&log, nil))})
		ctx := WithAttempts(t.Context())
		for range 3 {
			time.AfterFunc(testTimeout/2, func() {
				if _, err := put(t.Context(), c); err != nil {
					t.Error(err)
				}
			})
			silence{testTimeout, false}.check(t, ctx, c)
		}
		if log.Len() > 0 {
			t.Error(log.String())
		}
	})
}

// A canceled request is not a SilentError.
func TestCanceledRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, nil)
		c := s.dial(t, Config{})
		s.stop()
		for name, mark := range map[string]func(context.Context) context.Context{"slow": WithSlow, "expecting": WithExpect, "brief": WithBrief} {
			ctx, cancel := context.WithTimeout(mark(t.Context()), time.Second)
			_, err := put(ctx, c)
			if _, silent := errors.AsType[*SilentError](err); silent || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
			cancel()
		}
		synctest.Wait()
	})
}

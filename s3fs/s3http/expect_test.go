package s3http

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// respond reads the body and answers with 200.
func respond(c net.Conn, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	fmt.Fprint(c, statusOK)
}

// TestExpect sends a request in one or two attempts of one operation.
func TestExpect(t *testing.T) {
	const expecting, plain = "PUT 100-continue", "PUT "
	for name, test := range map[string]struct {
		serve    func(c net.Conn, r *http.Request)
		known    bool // Expects returns false
		requests []string
		errs     []error
		status   int // of the last answer; 0 = none
		refused  bool
	}{
		"supported": {requests: []string{expecting}, errs: []error{nil}, status: 200, serve: func(c net.Conn, r *http.Request) {
			<-time.After(maxContinueWait - time.Nanosecond)
			fmt.Fprint(c, "HTTP/1.1 100 Continue\r\n\r\n")
			<-time.After(testTimeout - time.Second)
			respond(c, r)
		}},
		"100 Continue after the first probe": {requests: []string{expecting}, errs: []error{nil}, status: 200, serve: func(c net.Conn, r *http.Request) {
			<-time.After(maxContinueWait + time.Second)
			fmt.Fprint(c, "HTTP/1.1 100 Continue\r\n\r\n")
			<-time.After(testTimeout - time.Second)
			respond(c, r)
		}},
		"not supported": {requests: []string{expecting, plain}, errs: []error{ErrNoContinue, nil}, status: 200, refused: true, serve: respond},
		"not supported, then a silence": {requests: []string{expecting, plain}, errs: []error{ErrNoContinue, errSilentRequest}, serve: func(c net.Conn, _ *http.Request) {
			io.Copy(io.Discard, c)
		}},
		"417": {requests: []string{expecting}, errs: []error{ErrNoContinue}, refused: true, serve: func(c net.Conn, _ *http.Request) {
			fmt.Fprint(c, "HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		}},
		"403 without the body": {requests: []string{expecting}, errs: []error{nil}, status: 403, serve: func(c net.Conn, _ *http.Request) {
			fmt.Fprint(c, "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		}},
		"known not to be supported": {known: true, requests: []string{plain}, errs: []error{nil}, status: 200, serve: respond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(t, test.serve)
				refused := false
				c := s.dial(t, Config{Expects: func() bool { return !test.known }, ExpectRefused: func(error) { refused = true }})
				ctx := WithAttempts(WithExpect(t.Context()))
				var status int
				for i, want := range test.errs {
					var err error
					status, err = put(ctx, c)
					silent, _ := errors.AsType[*SilentError](err)
					if want == errSilentRequest && silent == nil || want != errSilentRequest && !errors.Is(err, want) {
						t.Errorf("attempt %d: %v, want %v", i+1, err, want)
					}
				}
				if got := s.received(); !slices.Equal(got, test.requests) || status != test.status || refused != test.refused {
					t.Errorf("requests %q, status %d, refused: %v; want %q, %d, %v", got, status, refused, test.requests, test.status, test.refused)
				}
			})
		})
	}
}

// errSilentRequest stands for any SilentError.
var errSilentRequest = errors.New("a SilentError")

// A stopped service must not get the body: it could execute the request when it runs again.
func TestExpectOfAStoppedService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var body int64
		s := newService(t, func(_ net.Conn, r *http.Request) { body, _ = io.Copy(io.Discard, r.Body) })
		c := s.dial(t, Config{ExpectRefused: func(err error) { t.Error("refused:", err) }})
		s.stop()
		begin := time.Now()
		_, err := put(WithRunning(t.Context()), c)
		if silent, _ := errors.AsType[*SilentError](err); silent == nil || time.Since(begin) != testTimeout {
			t.Errorf("%v after %v", err, time.Since(begin))
		}
		s.start()
		if synctest.Wait(); body != 0 {
			t.Errorf("the service has %d bytes of the body", body)
		}
	})
}

// A request of WithRunning waits for 100 Continue unless S3 has answered within the last second.
func TestRunningServiceGetsBodyAtOnce(t *testing.T) {
	const expecting, plain = "PUT 100-continue", "PUT "
	for _, test := range []struct {
		name     string
		pause    time.Duration // between the first response and the request
		mark     func(context.Context) context.Context
		requests []string
	}{
		{"answered just now", 0, WithRunning, []string{"GET ", plain}},
		{"answered a second ago", runningTime - time.Nanosecond, WithRunning, []string{"GET ", plain}},
		{"after a pause", runningTime, WithRunning, []string{"GET ", expecting}},
		{"WithExpect always waits", 0, WithExpect, []string{"GET ", expecting}},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(t, func(c net.Conn, r *http.Request) {
					if r.Header.Get("Expect") != "" {
						fmt.Fprint(c, "HTTP/1.1 100 Continue\r\n\r\n")
					}
					respond(c, r)
				})
				c := s.dial(t, Config{})
				if err := get(t.Context(), c); err != nil {
					t.Fatal(err)
				}
				<-time.After(test.pause)
				if status, err := put(test.mark(t.Context()), c); err != nil || status != http.StatusOK {
					t.Errorf("status %d, %v", status, err)
				}
				if got := s.received(); !slices.Equal(got, test.requests) {
					t.Errorf("requests %q, want %q", got, test.requests)
				}
			})
		})
	}
}

// If a request that was sent at once gets no answer, its next attempt waits for 100 Continue.
func TestRunningServiceStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, nil)
		c := s.dial(t, Config{})
		if err := get(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		s.stop()
		ctx := WithAttempts(WithRunning(t.Context()))
		for range 2 {
			if _, err := put(ctx, c); err == nil {
				t.Error("a stopped service has answered")
			}
		}
		if got, want := s.received(), []string{"GET ", "PUT ", "PUT 100-continue"}; !slices.Equal(got, want) {
			t.Errorf("requests %q, want %q", got, want)
		}
	})
}

// A service that has just been resumed may answer a probe first, but still supports Expect.
func TestExpectOfAResumedService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, func(c net.Conn, r *http.Request) {
			<-time.After(maxContinueWait - time.Second)
			fmt.Fprint(c, "HTTP/1.1 100 Continue\r\n\r\n")
			respond(c, r)
		})
		c := s.dial(t, Config{ExpectRefused: func(err error) { t.Error("refused:", err) }})
		s.stop()
		time.AfterFunc(testTimeout/3, s.start)
		if status, err := put(WithExpect(t.Context()), c); err != nil || status != http.StatusOK {
			t.Errorf("status %d, %v", status, err)
		}
	})
}

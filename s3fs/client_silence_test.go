package s3fs

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

const testTimeout = 30 * time.Second

// A lockedLog is a log that can be read while it is written.
type lockedLog struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *lockedLog) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lockedLog) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// A stoppable service answers no requests while it is stopped, and all of them when it runs again.
type stoppable struct {
	serve    func(c net.Conn, r *http.Request) // PUT and GET; nil = statusOK
	log      lockedLog                         // of the client
	refusals features                          // by the HTTP client
	*Client

	mu      sync.Mutex
	running chan struct{} // closed while it runs
	over    chan struct{} // closed when the test is over
	asked   []string
}

func newStoppable(t *testing.T, serve func(net.Conn, *http.Request)) *stoppable {
	s := &stoppable{serve: serve, running: make(chan struct{}), over: make(chan struct{})}
	t.Cleanup(func() { close(s.over) })
	h := s.refusals.newHTTPClient(s3http.Config{Timeout: testTimeout, Log: slog.New(slog.NewTextHandler(&s.log, nil)),
		Dial: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go s.answer(far)
			return near, nil
		}})
	s.Client = dial(t, Config{Endpoint: "http://s3", Credentials: keys("a", "s"), HTTPClient: h, MaxBackoff: time.Nanosecond})
	t.Cleanup(h.CloseIdleConnections)
	return s
}

func (s *stoppable) start() { close(s.running) }

func (s *stoppable) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = make(chan struct{})
}

func (s *stoppable) answer(c net.Conn) {
	defer c.Close()
	for in := bufio.NewReader(c); ; {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		s.mu.Lock()
		running := s.running
		s.asked = append(s.asked, r.Method+r.Header.Get("Expect"))
		s.mu.Unlock()
		select {
		case <-running:
		case <-s.over:
			return
		}
		if s.serve != nil && r.Method != "HEAD" {
			s.serve(c, r)
			continue
		}
		io.Copy(io.Discard, r.Body)
		fmt.Fprint(c, statusOK)
	}
}

// With a silent S3, each operation fails after one and a half timeouts. The first timeout is logged.
func TestSilentS3(t *testing.T) {
	object := func() *s3.PutObjectInput {
		return &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("f"), Body: strings.NewReader("content")}
	}
	for name, ask := range map[string]func(context.Context, *Client) error{
		"a listing": func(ctx context.Context, c *Client) error {
			_, err := NewFS(c, Options{Bucket: "b"}).fetchPage(ctx, "", "", "", 0)
			return err
		},
		"a part": func(ctx context.Context, c *Client) error {
			_, err := c.api.PutObject(ctx, object(), withPartAttempts)
			return err
		},
		"an object that is handed over": func(ctx context.Context, c *Client) error {
			_, err := c.api.PutObject(s3http.WithExpect(ctx), object())
			return err
		},
		"what takes long": func(ctx context.Context, c *Client) error {
			_, err := c.api.PutObject(s3http.WithExpect(s3http.WithSlow(ctx)), object(), withPartAttempts)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStoppable(t, nil)
				begin := time.Now()
				done := make(chan error, 1)
				go func() { done <- ask(t.Context(), s.Client) }()
				<-time.After(testTimeout - time.Nanosecond)
				if synctest.Wait(); s.log.String() != "" {
					t.Errorf("before the time-out: %s", &s.log)
				}
				<-time.After(time.Second)
				if synctest.Wait(); strings.Count(s.log.String(), "level=ERROR msg=\"S3 is silent") != 1 {
					t.Errorf("after the time-out: %s", &s.log)
				}
				err := <-done
				if took := time.Since(begin); !isUnanswered(err) || took < testTimeout*3/2 || took > testTimeout*3/2+time.Second {
					t.Errorf("%v after %v", err, took)
				}
				if strings.Count(s.log.String(), "ERROR") != 1 || len(s.refusals.refused) != 0 {
					t.Errorf("%s\nrefused: %v", &s.log, s.refusals.refused)
				}
			})
		})
	}
}

// While S3 is known to be silent, each further operation sends one request with the whole timeout, because S3 may only be slow. Requests that
// follow in the same operation have half of it. After an answer, all is as before.
func TestRequestsWhileS3IsSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStoppable(t, nil)
		head := func(ctx context.Context) (time.Duration, error) {
			begin := time.Now()
			_, err := s.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("b"), Key: aws.String("f")})
			return time.Since(begin), err
		}
		for i, want := range []time.Duration{testTimeout * 3 / 2, testTimeout, testTimeout} {
			if took, err := head(t.Context()); !isUnanswered(err) || took < want || took > want+time.Second {
				t.Errorf("request %d: %v after %v, want %v", i, err, took, want)
			}
		}
		if took, err := head(s3http.WithBrief(t.Context())); !isUnanswered(err) || took != testTimeout/2 {
			t.Errorf("a request with WithBrief: %v after %v, want %v", err, took, testTimeout/2)
		}
		s.start()
		if _, err := head(t.Context()); err != nil || !strings.Contains(s.log.String(), "S3 answers again") {
			t.Errorf("%v\n%s", err, &s.log)
		}
		s.stop()
		// Over a connection that was in use before, net/http would try once more by itself.
		if took, err := head(s3http.WithBrief(t.Context())); !isUnanswered(err) || took < testTimeout*3/2 || took > testTimeout*3/2+time.Second {
			t.Errorf("silent again: %v after %v", err, took)
		}
		if strings.Count(s.log.String(), "ERROR") != 2 {
			t.Errorf("%s", &s.log)
		}
	})
}

// A request without an answer is retried as usual, and S3 is not silent, while other requests are answered.
func TestUnansweredRequestIsNotSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStoppable(t, func(c net.Conn, r *http.Request) { io.Copy(io.Discard, c) })
		s.start()
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go func() {
			for ctx.Err() == nil {
				s.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String("b"), Key: aws.String("f")})
				<-time.After(time.Second)
			}
		}()
		begin := time.Now()
		_, err := NewFS(s.Client, Options{Bucket: "b"}).fetchPage(t.Context(), "", "", "", 0)
		if took := time.Since(begin); err == nil || took < attempts*testTimeout || s.log.String() != "" {
			t.Errorf("%v after %v\n%s", err, took, &s.log)
		}
		cancel()
		<-time.After(2 * time.Second)
	})
}

// A service that was stopped and continued may answer another request first. It was then treated for ten minutes as one that does not support
// Expect: 100-continue.
func TestContinuedServiceSupportsExpect(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStoppable(t, func(c net.Conn, r *http.Request) {
			<-time.After(2 * time.Second) // it has much to do
			fmt.Fprint(c, "HTTP/1.1 100 Continue\r\n\r\n")
			io.Copy(io.Discard, r.Body)
			fmt.Fprint(c, statusOK)
		})
		time.AfterFunc(10*time.Second, s.start)
		_, err := s.api.PutObject(s3http.WithExpect(t.Context()), &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("f"), Body: strings.NewReader("x")})
		if puts := strings.Count(fmt.Sprint(s.asked), "PUT"); err != nil || puts != 1 || len(s.refusals.refused) != 0 {
			t.Errorf("%v, requests: %v, refused: %v", err, s.asked, s.refusals.refused)
		}
	})
}

// A service that is silent does not count as one without support for Expect: 100-continue either.
func TestSilenceWithoutContinue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStoppable(t, func(c net.Conn, r *http.Request) { io.Copy(io.Discard, c) })
		s.start()
		_, err := s.api.PutObject(s3http.WithExpect(t.Context()), &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("f"), Body: strings.NewReader("x")})
		if asked := fmt.Sprint(s.asked); err == nil || !strings.Contains(asked, "PUT100-continue") || !strings.Contains(asked, "PUT ") ||
			len(s.refusals.refused) != 0 {
			t.Errorf("%v, requests: %s, refused: %v", err, asked, s.refusals.refused)
		}
	})
}

// A request fails only if S3 stops reading the content, not if it reads slowly. The content is written in whole buffers, each of which takes
// longer than the timeout.
func TestSlowReadingOfPartIsNotSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size, pieces, pause = 8 * budget.BufferSize, 10, 20 * time.Second
		p := &part{size: size}
		for range size / budget.BufferSize {
			p.buffers = append(p.buffers, make([]byte, budget.BufferSize))
		}
		near, far := net.Pipe()
		defer far.Close()
		go func() {
			if r, err := http.ReadRequest(bufio.NewReader(far)); err == nil {
				for range pieces {
					<-time.After(pause)
					io.CopyN(io.Discard, r.Body, 20<<10)
				}
			}
		}()
		c := s3http.New(s3http.Config{Timeout: testTimeout, Dial: func(context.Context, string, string) (net.Conn, error) { return near, nil }})
		defer c.CloseIdleConnections()
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPut, "http://s3/", p.reader())
		if err != nil {
			t.Fatal(err)
		}
		r.ContentLength = size
		begin := time.Now()
		_, err = c.Do(r)
		if took := time.Since(begin); err == nil || took < pieces*pause+testTimeout || took > pieces*pause+2*testTimeout {
			t.Errorf("%v after %v", err, took)
		}
	})
}

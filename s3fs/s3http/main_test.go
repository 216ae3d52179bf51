package s3http

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	testTimeout = 30 * time.Second
	statusOK    = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
)

// A service answers requests over pipes, in a synctest bubble. While it is stopped it answers nothing; when it runs again
// it answers all requests received meanwhile.
type service struct {
	serve func(c net.Conn, r *http.Request) // answers all but probes; nil = statusOK

	mu       sync.Mutex
	running  chan struct{} // closed while the service runs
	over     chan struct{} // closed at the end of the test
	requests []string      // method and Expect of each
}

// newService starts a service.
func newService(t *testing.T, serve func(c net.Conn, r *http.Request)) *service {
	s := &service{serve: serve, running: make(chan struct{}), over: make(chan struct{})}
	close(s.running)
	t.Cleanup(func() { close(s.over) })
	return s
}

// dial returns a client of the service. Its first connections fail with these errors.
func (s *service) dial(t *testing.T, config Config, failures ...error) *Client {
	config.Timeout = testTimeout
	config.Dial = func(context.Context, string, string) (net.Conn, error) {
		if len(failures) > 0 {
			err := failures[0]
			failures = failures[1:]
			return nil, err
		}
		near, far := net.Pipe()
		go s.answer(far)
		return near, nil
	}
	c := New(config)
	t.Cleanup(c.CloseIdleConnections)
	return c
}

func (s *service) stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running = make(chan struct{})
}

func (s *service) start() {
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.running)
}

// received returns the requests, without probes.
func (s *service) received() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

func (s *service) answer(c net.Conn) {
	defer c.Close()
	for in := bufio.NewReader(c); ; {
		r, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		probe := r.Method == http.MethodHead
		s.mu.Lock()
		running := s.running
		if !probe {
			s.requests = append(s.requests, r.Method+" "+r.Header.Get("Expect"))
		}
		s.mu.Unlock()
		select {
		case <-running:
		case <-s.over:
			return
		}
		if s.serve != nil && !probe {
			s.serve(c, r)
			continue
		}
		io.Copy(io.Discard, r.Body)
		fmt.Fprint(c, statusOK)
	}
}

// put sends a PUT with a body once, and reads the response.
func put(ctx context.Context, c *Client) (status int, err error) {
	return send(ctx, c, http.MethodPut, strings.NewReader("content"))
}

// get sends a GET once, and reads the response.
func get(ctx context.Context, c *Client) error {
	_, err := send(ctx, c, http.MethodGet, nil)
	return err
}

func send(ctx context.Context, c *Client, method string, body io.Reader) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, method, "http://s3/b/f", body)
	if err != nil {
		return 0, err
	}
	resp, err := c.Do(r)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

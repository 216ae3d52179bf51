package s3http

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// zeros is an endless reader.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// A writerToBody is a body of size bytes that writes itself in pieces of 256 KiB.
type writerToBody struct {
	size    int
	copied  int // bytes that Read returned instead of WriteTo
	written bool
}

// Read implements io.Reader.
func (b *writerToBody) Read(p []byte) (int, error) {
	n := min(len(p), b.size)
	b.size, b.copied = b.size-n, b.copied+n
	if n == 0 {
		return 0, io.EOF
	}
	return n, nil
}

// WriteTo implements io.WriterTo.
func (b *writerToBody) WriteTo(w io.Writer) (total int64, err error) {
	b.written = true
	for b.size > 0 {
		n, err := w.Write(make([]byte, min(b.size, 256<<10)))
		b.size -= n
		total += int64(n)
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// TestSilenceFailsARequest has S3 fall silent at each point of a request.
func TestSilenceFailsARequest(t *testing.T) {
	const timeout = 30 * time.Second
	for name, test := range map[string]struct {
		serve    func(net.Conn, *http.Request)
		slow     bool
		dead     bool          // probes are not answered either
		writerTo bool          // the body is an io.WriterTo
		after    time.Duration // 0 = it does not fail
		late     time.Duration // how much later than after it may fail
	}{
		"no answer":            {after: timeout, serve: func(c net.Conn, r *http.Request) { io.Copy(io.Discard, r.Body) }},
		"the body is not read": {after: timeout, serve: func(net.Conn, *http.Request) {}},
		"the body is read slowly": {writerTo: true, after: timeout + 10*20*time.Second, late: timeout, serve: func(c net.Conn, r *http.Request) {
			for range 10 {
				<-time.After(20 * time.Second)
				io.CopyN(io.Discard, r.Body, 20<<10)
			}
		}},
		"an interim answer while the body is read slowly": {writerTo: true, after: timeout + 10*20*time.Second, late: timeout, serve: func(c net.Conn, r *http.Request) {
			for i := range 10 {
				<-time.After(20 * time.Second)
				io.CopyN(io.Discard, r.Body, 20<<10)
				if i == 0 {
					fmt.Fprint(c, "HTTP/1.1 102 Processing\r\n\r\n")
				}
			}
		}},
		"the body is read in pieces": {after: timeout + 10*20*time.Second, late: timeout, serve: func(c net.Conn, r *http.Request) {
			for range 10 {
				<-time.After(20 * time.Second)
				io.CopyN(io.Discard, r.Body, 100<<10)
			}
		}},
		"half an answer": {after: timeout + 20*time.Second, serve: func(c net.Conn, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			<-time.After(20 * time.Second)
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		}},
		"a slow answer": {serve: func(c net.Conn, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			<-time.After(20 * time.Second)
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
			<-time.After(20 * time.Second)
			fmt.Fprint(c, "OK")
		}},
		"the last bytes are read late, and a slow answer": {serve: func(c net.Conn, r *http.Request) {
			io.CopyN(io.Discard, r.Body, 2<<20-10)
			<-time.After(20 * time.Second)
			io.Copy(io.Discard, r.Body)
			<-time.After(20 * time.Second)
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
		}},
		"a long silence that is allowed": {slow: true, serve: func(c net.Conn, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			<-time.After(9 * timeout)
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
		}},
		"silence, to probes too": {slow: true, dead: true, after: timeout, serve: func(c net.Conn, r *http.Request) { io.Copy(io.Discard, r.Body) }},
		"half an answer, then silence to probes too": {slow: true, dead: true, after: timeout, serve: func(c net.Conn, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		}},
		"too long a silence": {slow: true, after: 10 * timeout, serve: func(c net.Conn, r *http.Request) { io.Copy(io.Discard, r.Body) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var far []net.Conn
				client := New(Config{Timeout: timeout, Dial: func(context.Context, string, string) (net.Conn, error) {
					near, remote := net.Pipe()
					mu.Lock()
					far = append(far, remote)
					mu.Unlock()
					go func() {
						r, err := http.ReadRequest(bufio.NewReader(remote))
						switch {
						case err != nil:
						case r.Method == "PUT":
							test.serve(remote, r)
						case !test.dead:
							fmt.Fprint(remote, "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
						}
					}()
					return near, nil
				}})
				defer func() {
					mu.Lock()
					defer mu.Unlock()
					for _, c := range far {
						c.Close()
					}
				}()
				defer client.CloseIdleConnections()
				ctx := t.Context()
				if test.slow {
					ctx = WithSlow(ctx)
				}
				var body io.Reader = io.LimitReader(zeros{}, 2<<20)
				self := &writerToBody{size: 2 << 20}
				if test.writerTo {
					body = self
				}
				r, err := http.NewRequestWithContext(ctx, "PUT", "http://s3/", body)
				if err != nil {
					t.Fatal(err)
				}
				r.ContentLength = 2 << 20
				before := time.Now()
				resp, err := client.Do(r)
				if err == nil {
					_, err = io.Copy(io.Discard, resp.Body)
					resp.Body.Close()
				}
				took := time.Since(before)
				if (err != nil) != (test.after > 0) || err != nil && (took < test.after || took > test.after+test.late) {
					t.Errorf("after %v: %v; want an error after %v, 0s for none, and %v later at most", took, err, test.after, test.late)
				}
				if test.writerTo && (self.copied > 4<<10 || !self.written) {
					t.Errorf("%d bytes were copied, WriteTo was called: %v; want those beside the header alone, true", self.copied, self.written)
				}
			})
		})
	}
}

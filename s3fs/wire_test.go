package s3fs

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

// TestSilenceBreaksARequest has S3 fall silent at each point of a request.
func TestSilenceBreaksARequest(t *testing.T) {
	const timeout = 30 * time.Second
	for name, test := range map[string]struct {
		serve   func(net.Conn, *http.Request)
		patient bool
		dead    bool          // nor are other requests answered
		slabs   bool          // the body is a part's content, which writes itself slab by slab
		after   time.Duration // 0 = it does not fail
		late    time.Duration // by which the silence may be found out late
	}{
		"no answer":             {after: timeout, serve: func(c net.Conn, r *http.Request) { io.Copy(io.Discard, r.Body) }},
		"the body is not taken": {after: timeout, serve: func(net.Conn, *http.Request) {}},
		"the body is taken slowly": {slabs: true, after: timeout + 10*20*time.Second, late: timeout, serve: func(c net.Conn, r *http.Request) {
			for range 10 {
				<-time.After(20 * time.Second)
				io.CopyN(io.Discard, r.Body, 20<<10)
			}
		}},
		"the body is taken in pieces": {after: timeout + 10*20*time.Second, late: timeout, serve: func(c net.Conn, r *http.Request) {
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
		"the last bytes taken late, and a slow answer": {serve: func(c net.Conn, r *http.Request) {
			io.CopyN(io.Discard, r.Body, 2<<20-10)
			<-time.After(20 * time.Second)
			io.Copy(io.Discard, r.Body)
			<-time.After(20 * time.Second)
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
		}},
		"a long silence that is allowed": {patient: true, serve: func(c net.Conn, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			<-time.After(9 * timeout)
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK")
		}},
		"a silence like death": {patient: true, dead: true, after: 2 * timeout, serve: func(c net.Conn, r *http.Request) { io.Copy(io.Discard, r.Body) }},
		"death in the middle of an answer": {patient: true, dead: true, after: 2 * timeout, serve: func(c net.Conn, r *http.Request) {
			io.Copy(io.Discard, r.Body)
			fmt.Fprint(c, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf")
		}},
		"too long a silence": {patient: true, after: 10 * timeout, serve: func(c net.Conn, r *http.Request) { io.Copy(io.Discard, r.Body) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var far []net.Conn
				client := newHTTPClient(timeout, func(context.Context, string, string) (net.Conn, error) {
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
							fmt.Fprint(remote, "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
						}
					}()
					return near, nil
				})
				defer func() {
					mu.Lock()
					defer mu.Unlock()
					for _, c := range far {
						c.Close()
					}
				}()
				defer client.CloseIdleConnections()
				ctx := t.Context()
				if test.patient {
					ctx = patient(ctx)
				}
				var body io.Reader = io.LimitReader(endless{}, 2<<20)
				if test.slabs {
					p := &part{size: 2 << 20}
					for range 8 {
						p.slabs = append(p.slabs, make([]byte, slabSize))
					}
					body = p.content()
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
					t.Errorf("after %v: %v; want an error after %v, 0s for none, and %v at most", took, err, test.after, test.late)
				}
			})
		})
	}
}

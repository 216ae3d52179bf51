package s3fs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestHandOver: S3 gets the content of a request that publishes only when it has said that it takes it, or else if it is known
// not to say so.
func TestHandOver(t *testing.T) {
	const timeout = 30 * time.Second
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	for name, test := range map[string]struct {
		serve func(c net.Conn, r *http.Request)
		dead  bool    // nor are other requests answered
		want  []error // of requests one after the other
		later int     // before which of them a long time passes
		asked []string
	}{
		"it takes it, after a while": {want: []error{nil, nil}, asked: []string{"100-continue", "100-continue"}, serve: func(c net.Conn, r *http.Request) {
			<-time.After(2 * time.Second)
			fmt.Fprint(c, "HTTP/1.1 100 Continue\r\n\r\n")
			io.Copy(io.Discard, r.Body)
			fmt.Fprint(c, ok)
		}},
		"it is stopped": {dead: true, want: []error{errAny, errAny}, asked: []string{"100-continue", "100-continue"}, serve: func(_ net.Conn, r *http.Request) {
			if n, err := io.Copy(io.Discard, r.Body); n > 0 {
				panic(fmt.Sprint("it has ", n, " bytes of the content: ", err))
			}
		}},
		"it does not know how to say so": {want: []error{errMute, nil, errMute}, later: 2, asked: []string{"100-continue", "", "100-continue"}, serve: func(c net.Conn, r *http.Request) {
			if n, _ := io.Copy(io.Discard, r.Body); n > 0 {
				fmt.Fprint(c, ok)
			}
		}},
		"it does not want to": {want: []error{errMute, nil}, asked: []string{"100-continue", ""}, serve: func(c net.Conn, r *http.Request) {
			if r.Header.Get("Expect") != "" {
				fmt.Fprint(c, "HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
				return
			}
			io.Copy(io.Discard, r.Body)
			fmt.Fprint(c, ok)
		}},
		"it refuses at once": {want: []error{nil}, asked: []string{"100-continue"}, serve: func(c net.Conn, r *http.Request) {
			fmt.Fprint(c, "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var mu sync.Mutex
				var asked []string
				client := newHTTPClient(timeout, func(context.Context, string, string) (net.Conn, error) {
					near, far := net.Pipe()
					go func() {
						defer far.Close()
						for in := bufio.NewReader(far); ; {
							r, err := http.ReadRequest(in)
							switch {
							case err != nil:
								return
							case r.Method == "PUT":
								mu.Lock()
								asked = append(asked, r.Header.Get("Expect"))
								mu.Unlock()
								test.serve(far, r)
							case !test.dead:
								fmt.Fprint(far, ok)
							}
						}
					}()
					return near, nil
				})
				defer client.CloseIdleConnections()
				for i, want := range test.want {
					if test.later > 0 && i == test.later {
						<-time.After(muteFor)
					}
					r, err := http.NewRequestWithContext(handOver(t.Context()), "PUT", "http://s3/b/f", strings.NewReader("content"))
					if err != nil {
						t.Fatal(err)
					}
					resp, err := client.Do(r)
					if err == nil {
						resp.Body.Close()
					}
					if want == errAny && err == nil || want != errAny && !errors.Is(err, want) {
						t.Errorf("request %d: error %v, want %v", i+1, err, want)
					}
				}
				synctest.Wait()
				mu.Lock()
				defer mu.Unlock()
				if fmt.Sprint(asked) != fmt.Sprint(test.asked) {
					t.Errorf("Expect: %q, want %q", asked, test.asked)
				}
			})
		})
	}
}

package s3fs

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

const statusOK = "HTTP/1.1 200 OK\r\nETag: \"x\"\r\nContent-Length: 0\r\n\r\n"

// A expectTest hands requests over, one after the other, to a service that serves them in its own way.
type expectTest struct {
	serve func(c net.Conn, r *http.Request)
	dead  bool    // nor are other requests answered
	want  []error // of the requests
	later int     // before which of them a long time passes
	asked []string
}

// TestExpect: S3 gets the content of a request that publishes only when it has said that it takes it, or else if it is known
// not to say so; and then it may be long at it. The requests are made by the SDK, in ways that net/http does not expect.
func TestExpect(t *testing.T) {
	for name, test := range map[string]expectTest{
		"it takes it, after a while": {want: []error{nil, nil}, asked: []string{"100-continue", "100-continue"}, serve: func(c net.Conn, r *http.Request) {
			<-time.After(2 * time.Second)
			fmt.Fprint(c, "HTTP/1.1 100 Continue\r\n\r\n")
			io.Copy(io.Discard, r.Body)
			fmt.Fprint(c, statusOK)
		}},
		"it takes it, and is long at it": {want: []error{nil, nil}, asked: []string{"100-continue", "100-continue"}, serve: func(c net.Conn, r *http.Request) {
			fmt.Fprint(c, "HTTP/1.1 100 Continue\r\n\r\n")
			io.Copy(io.Discard, r.Body)
			<-time.After(20 * time.Second)
			fmt.Fprint(c, statusOK)
		}},
		"it is stopped": {dead: true, want: []error{errAny, errAny}, asked: []string{"100-continue", "100-continue", "100-continue"}, serve: func(_ net.Conn, r *http.Request) {
			if n, err := io.Copy(io.Discard, r.Body); n > 0 {
				t.Errorf("it has %d bytes of the content, %v", n, err)
			}
		}},
		"it does not know how to say so": {want: []error{nil, nil, nil}, later: 2, asked: []string{"100-continue", "", "", "100-continue", ""}, serve: func(c net.Conn, r *http.Request) {
			if n, _ := io.Copy(io.Discard, r.Body); n > 0 {
				fmt.Fprint(c, statusOK)
			}
		}},
		"it does not want to": {want: []error{nil, nil}, asked: []string{"100-continue", "", ""}, serve: func(c net.Conn, r *http.Request) {
			if r.Header.Get("Expect") != "" {
				fmt.Fprint(c, "HTTP/1.1 417 Expectation Failed\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
				return
			}
			io.Copy(io.Discard, r.Body)
			fmt.Fprint(c, statusOK)
		}},
		"it refuses at once": {want: []error{fs.ErrPermission}, asked: []string{"100-continue"}, serve: func(c net.Conn, r *http.Request) {
			fmt.Fprint(c, "HTTP/1.1 403 Forbidden\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
		}},
	} {
		for how, ask := range map[string]func(context.Context) context.Context{
			"": s3http.WithExpect, ", patiently": func(ctx context.Context) context.Context { return s3http.WithExpect(s3http.WithSlow(ctx)) },
		} {
			t.Run(name+how, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { test.run(t, ask) }) })
		}
	}
}

func (h expectTest) run(t *testing.T, ask func(context.Context) context.Context) {
	var mu sync.Mutex
	var asked []string
	client := new(features).newHTTPClient(s3http.Config{Dial: func(context.Context, string, string) (net.Conn, error) {
		near, far := net.Pipe()
		go h.answer(far, func(expect string) {
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, expect)
		})
		return near, nil
	}})
	defer client.CloseIdleConnections()
	api := dial(t, Config{Endpoint: "http://s3", Credentials: keys("a", "s"), HTTPClient: client}).api
	for i, want := range h.want {
		if h.later > 0 && i == h.later {
			<-time.After(refusalTTL)
		}
		in := &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("f"), Body: strings.NewReader("content")}
		_, err := api.PutObject(ask(t.Context()), in, func(o *s3.Options) { o.RetryMaxAttempts = 2 })
		if want == errAny && err == nil || want != errAny && !errors.Is(err, want) {
			t.Errorf("request %d: error %v, want %v", i+1, err, want)
		}
	}
	synctest.Wait()
	mu.Lock()
	defer mu.Unlock()
	if fmt.Sprint(asked) != fmt.Sprint(h.asked) {
		t.Errorf("Expect: %q, want %q", asked, h.asked)
	}
}

// answer serves what comes over a connection, and notes what each content expects.
func (h expectTest) answer(c net.Conn, note func(expect string)) {
	defer c.Close()
	for in := bufio.NewReader(c); ; {
		r, err := http.ReadRequest(in)
		switch {
		case err != nil:
			return
		case r.Method == "PUT":
			note(r.Header.Get("Expect"))
			h.serve(c, r)
		case !h.dead:
			fmt.Fprint(c, statusOK)
		}
	}
}

package s3fs

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
	"github.com/s3ftpd/s3ftpd/s3fs/s3http"
)

// A panic of Commit, which runs in a goroutine of net/http, fails the upload, and nothing is published.
func TestPanicOfCommitFailsThePut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		client := s3http.New(s3http.Config{Expects: func() bool { return false }, Dial: func(context.Context, string, string) (net.Conn, error) {
			near, far := net.Pipe()
			go func() {
				defer far.Close()
				got, _ := io.ReadAll(far)
				if strings.HasSuffix(string(got), "payload") {
					t.Errorf("S3 got all: %q", got)
				}
			}()
			return near, nil
		}})
		defer client.CloseIdleConnections()
		c := dial(t, Config{Endpoint: "http://s3", Credentials: keys("a", "s"), HTTPClient: client, MaxBackoff: time.Millisecond})
		p := &part{buffers: [][]byte{[]byte("payload")}, size: int64(len("payload"))}
		_, err := c.api.PutObject(t.Context(), &s3.PutObjectInput{Bucket: aws.String("b"), Key: aws.String("f"), ContentLength: &p.size,
			Body: &partReader{part: p, commit: func() error { panic("a mistake in the order") }}})
		if err == nil || !strings.Contains(err.Error(), "a mistake in the order") {
			t.Errorf("got %v", err)
		}
	})
}

// A panic while a part is sent, or in a clean-up, is an error and does not end the process.
func TestPanicInRequestIsAnError(t *testing.T) {
	for _, call := range []string{"Part 1", "Abort"} {
		synctest.Test(t, func(t *testing.T) {
			s := newFake(t)
			s.fault = func(_ *http.Request, got string) (*http.Response, error) {
				switch {
				case got == call:
					panic("a mistake in " + got)
				case got == "Complete" && call == "Abort":
					return refusal(400, "InvalidRequest", ""), nil
				}
				return nil, nil
			}
			f := s.fs(Options{PartSize: minPart})
			_, err := f.Put(t.Context(), "/f", storetest.Source(zeros(twoParts)), proxy.Write{})
			if call == "Part 1" && !strings.Contains(fmt.Sprint(err), "a mistake in") || call == "Abort" && err == nil {
				t.Errorf("%s: got %v", call, err)
			}
			f.client.Close()
		})
	}
}

package s3fs

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// slowly prepares the fake with the directory d and one file in it that is copied in parts. The operation slow takes some time, and calls
// leave at its start. It sets over to true at its end.
func (s *fake) slowly(slow string, leave func()) (over *bool) {
	over = new(bool)
	s.makeTree(1, 3*minPart, func(r *http.Request, call string) (*http.Response, error) {
		if call == slow {
			leave()
			select {
			case <-r.Context().Done():
				return nil, r.Context().Err()
			case <-time.After(cancelGrace / 2):
				*over = true
			}
		}
		switch {
		case call == "Head" && r.URL.Path == "/b/d/0":
			return described(3*minPart, `"e0"`), nil
		case call == "Create":
			return response(200, "<R><UploadId>id</UploadId></R>"), nil
		case strings.HasPrefix(call, "PartCopy "):
			return response(200, `<R><ETag>"00"</ETag></R>`), nil
		case (call == "Abort" || call == "DeleteMany") && !*over:
			s.t.Errorf("%s was sent before the end of %s", call, slow)
		}
		return nil, nil
	})
	return over
}

// If the caller is cancelled, the rename waits for the running request, because its result determines the clean-up. It starts no
// further requests.
func TestCancelledRenameWaitsForRunningRequest(t *testing.T) {
	for call, removed := range map[string]int{"Copy": 2, "PartCopy 1": 1, "Create": 1, "Put": 1} { // with the marker
		t.Run(call, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				ctx, cancel := context.WithCancelCause(t.Context())
				over := s.slowly(call, func() { cancel(errCut) })
				f := s.fs(Options{})
				if call != "Copy" {
					inSmallParts(f)
				}
				if _, err := f.Rename(ctx, "/d", "/e", true); !errors.Is(err, errCut) || !*over {
					t.Errorf("%v, over: %v", err, *over)
				}
				if bodies := strings.Join(s.sent(), ""); strings.Count(bodies, "<Key>e/") != removed {
					t.Errorf("removed: %s, want %d keys", bodies, removed)
				}
				if ended := slices.Contains(s.requests(), "Abort"); ended != (call == "Create" || call == "PartCopy 1") {
					t.Errorf("multipart upload ended: %v", ended)
				}
				begun := len(s.requests())
				f.copy(ctx, object{key: "k"}, "to", condition{}, f.newNameLock("to"))
				f.copyInParts(ctx, object{key: "k", size: 9}, &s3.CreateMultipartUploadInput{Key: aws.String("to")}, condition{}, f.newNameLock("to"))
				f.reserve(ctx, "to/")
				if len(s.requests()) > begun {
					t.Errorf("begun too late: %v", s.requests()[begun:])
				}
			})
		})
	}
}

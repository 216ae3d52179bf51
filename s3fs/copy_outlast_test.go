package s3fs

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// If the caller is cancelled while S3 copies, which may take minutes, the operation waits for the copy, so that a rename is complete or
// has no effect. On shutdown it waits no longer than for other changes.
func TestCancelledCallerWaitsForCopy(t *testing.T) {
	rename := func(ctx context.Context, f *FS) error { return errOf(f.Rename(ctx, "/large", "/copy", true)) }
	for name, test := range map[string]struct {
		slow  string // the request at which S3 works
		do    func(context.Context, *FS) error
		parts bool
		ends  string // the request that ends the change, "" = none more
	}{
		"a rename":                 {"Copy", rename, false, "Delete"},
		"a part of a rename":       {"PartCopy 1", rename, true, "Abort"},
		"the completion of parts":  {"Complete", rename, true, "Delete"},
		"a time":                   {"Copy", func(ctx context.Context, f *FS) error { return errOf(f.SetTime(ctx, "/large", time.Unix(1, 0))) }, false, ""},
		"the end of a rename":      {"Delete", rename, false, ""},
		"an object in a directory": {"Copy", func(ctx context.Context, f *FS) error { return errOf(f.Rename(ctx, "/d", "/e", true)) }, false, "DeleteMany"},
		"the end of a directory's": {"DeleteMany", func(ctx context.Context, f *FS) error { return errOf(f.Rename(ctx, "/d", "/e", true)) }, false, ""},
	} {
		for _, stopped := range []bool{false, true} {
			synctest.Test(t, func(t *testing.T) {
				s := newFake(t)
				ctx, leave := context.WithCancelCause(t.Context())
				var f *FS
				over := false
				fault := func(r *http.Request, call string) (*http.Response, error) {
					if call != test.slow || over {
						return nil, nil
					}
					begun := time.Now()
					leave(errCut)
					if stopped {
						<-time.After(time.Minute)
						f.client.Stop()
					}
					select {
					case <-r.Context().Done():
						if took := time.Since(begun); !stopped || took != time.Minute+cancelGrace {
							t.Errorf("%s, stopped: %v: broken off after %v", name, stopped, took)
						}
						return nil, r.Context().Err()
					case <-time.After(copyGrace - time.Second):
						over = true
						return nil, nil
					}
				}
				if strings.Contains(name, "directory") {
					s.makeTree(1, 1, fault)
				} else {
					s.copying(func(r *http.Request, call string) (*http.Response, error) {
						if resp, err := fault(r, call); resp != nil || err != nil {
							return resp, err
						}
						if call == "Copy" {
							return response(200, "<R><ETag>e</ETag></R>"), nil
						}
						return nil, nil
					})
				}
				f = s.fs(Options{})
				if test.parts {
					inSmallParts(f)
				}
				err := test.do(ctx, f)
				if over == stopped || stopped && err == nil {
					t.Errorf("%s, stopped: %v: %v, over: %v", name, stopped, err, over)
				}
				if !stopped && (err != nil) != (test.ends == "Abort" || name == "an object in a directory") {
					t.Errorf("%s: %v", name, err)
				}
				if !stopped && test.ends != "" && s.count(test.ends) != 1 {
					t.Errorf("%s: requests %q, want %s", name, s.requests(), test.ends)
				}
				awaitCleanUps(t, f)
			})
		}
	}
}

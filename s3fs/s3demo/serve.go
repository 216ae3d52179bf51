package s3demo

import (
	"context"
	"net/http"
	"strings"

	"github.com/rclone/gofakes3/signature"
)

// serve answers a request: who it is from and its content are checked here, the library does the rest. The two lists
// of uploads are the exception, as the library has none of what ran before the last start.
func (s *Store) serve(w http.ResponseWriter, r *http.Request) {
	if len(s.keys) > 0 && r.Method != http.MethodOptions {
		if code := signature.V4SignVerifyWithLookup(r, s.secret); code != signature.ErrNone {
			refused := signature.GetAPIError(code)
			fail(w, refused.HTTPStatusCode, refused.Code, refused.Description)
			return
		}
	}
	bucketName, key, _ := strings.Cut(strings.TrimLeft(r.URL.Path, "/"), "/")
	switch q := r.URL.Query(); {
	case r.Method == http.MethodGet && key == "" && q.Has("uploads"):
		s.listUploads(w, bucketName, q)
	case r.Method == http.MethodGet && key != "" && q.Has("uploadId"):
		s.listParts(w, bucketName, key, q)
	default:
		s.pass(w, r)
	}
}

func (s *Store) secret(accessKey string) (string, bool) {
	secret, ok := s.keys[accessKey]
	return secret, ok
}

// pass gives a request to the library, in the form in which it understands it.
func (s *Store) pass(w http.ResponseWriter, r *http.Request) {
	call := &call{}
	r = r.Clone(context.WithValue(r.Context(), callKey{}, call))
	call.header = r.Header
	for _, name := range []string{"If-Match", "If-None-Match", "X-Amz-Copy-Source-If-Match", "X-Amz-Copy-Source-If-None-Match"} {
		if list := r.Header.Get(name); list != "" {
			r.Header.Set(name, libraryETags(list))
		}
	}
	if r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") == "" {
		body, err := newPayload(r)
		if err != nil {
			refuseWith(w, err)
			return
		}
		call.body = body
	}
	if r.Method == http.MethodPost && r.URL.Query().Has("delete") {
		call.versions = versionsIn(r)
	}
	tw := &etagWriter{ResponseWriter: w}
	s.library.ServeHTTP(tw, r)
	tw.begin()
}

// A call is what the methods of the backend want to know of the request beyond their arguments.
type call struct {
	header   http.Header
	body     *payload
	versions map[string]string // ETags, by the keys that DeleteObjects is to delete; nil = another request
}

type callKey struct{}

func headerFrom(ctx context.Context) http.Header {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c.header
	}
	return nil
}

// versionsFrom returns the ETags that objects must have to be deleted, nil where it is not DeleteObjects that is asked for.
func versionsFrom(ctx context.Context) map[string]string {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c.versions
	}
	return nil
}

// trailersFrom returns the checksums that came behind the content, which has been read.
func trailersFrom(ctx context.Context) map[string]escaped {
	if c, ok := ctx.Value(callKey{}).(*call); ok && c.body != nil {
		return c.body.trailed
	}
	return nil
}

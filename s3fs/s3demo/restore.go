package s3demo

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
)

type restoredKey struct{}

func restoredID(ctx context.Context) (string, bool) {
	id, ok := ctx.Value(restoredKey{}).(string)
	return id, ok
}

// restoreUploads makes the library know the uploads of earlier runs. It offers no other way than to let it
// begin each of them, which the backend answers with the ID that there is.
func (s *Store) restoreUploads() error {
	for _, b := range s.buckets {
		for _, u := range b.uploads {
			r := &http.Request{
				Method: http.MethodPost,
				URL:    &url.URL{Path: "/" + b.name + "/" + string(u.Key), RawQuery: "uploads"},
				Header: http.Header{},
			}
			var answer nobody
			s.library.ServeHTTP(&answer, r.WithContext(context.WithValue(r.Context(), restoredKey{}, u.ID)))
			if answer.failed {
				return fmt.Errorf("the upload %s of %q cannot be restored", u.ID, u.Key)
			}
		}
	}
	return nil
}

// nobody hears an answer that is for no client.
type nobody struct {
	header http.Header
	failed bool
}

func (n *nobody) Header() http.Header {
	if n.header == nil {
		n.header = http.Header{}
	}
	return n.header
}

func (n *nobody) WriteHeader(status int)      { n.failed = status >= 300 }
func (n *nobody) Write(p []byte) (int, error) { return len(p), nil }

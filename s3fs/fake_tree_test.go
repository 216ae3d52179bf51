package s3fs

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
)

// makeTree prepares the fake with a directory d of n objects, and no others. It calls fault first for each request.
func (s *fake) makeTree(n int, size int64, fault func(*http.Request, string) (*http.Response, error)) {
	var keys strings.Builder
	for i := range n {
		fmt.Fprintf(&keys, `<Contents><Key>d/%d</Key><Size>%d</Size><ETag>"e%d"</ETag><StorageClass>GLACIER_IR</StorageClass></Contents>`, i, size, i)
	}
	s.fault = func(r *http.Request, call string) (*http.Response, error) {
		if fault != nil {
			if resp, err := fault(r, call); resp != nil || err != nil {
				return resp, err
			}
		}
		switch {
		case call == "Head":
			return response(404, ""), nil
		case call == "List" && r.URL.Query().Get("prefix") == "d/":
			return response(200, "<ListBucketResult>"+keys.String()+"</ListBucketResult>"), nil
		case call == "Copy":
			s.copies.Store(strings.TrimPrefix(r.URL.Path, "/b/"), true)
			return response(200, `<R><ETag>"x"</ETag></R>`), nil
		case call == "Put":
			if r.URL.Path == "/b/e/" {
				s.copies.Store("e/", true)
			}
			return tagged("x"), nil
		case call == "Delete":
			s.copies.Delete(strings.TrimPrefix(r.URL.Path, "/b/"))
			return response(204, ""), nil
		case call == "DeleteMany":
			return response(200, s.deletedXML()), nil
		case call == "List" && r.URL.Query().Get("prefix") == "e/":
			return response(200, "<ListBucketResult>"+listed(&s.copies)+"</ListBucketResult>"), nil
		}
		return response(200, "<ListBucketResult></ListBucketResult>"), nil
	}
}

// listed returns the XML of a listing with the copies so far, which have the ETag x.
func listed(copies *sync.Map) string {
	var b strings.Builder
	copies.Range(func(key, _ any) bool {
		fmt.Fprintf(&b, `<Contents><Key>%s</Key><Size>1</Size><ETag>"x"</ETag></Contents>`, key)
		return true
	})
	return b.String()
}

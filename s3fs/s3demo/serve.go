package s3demo

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"unicode/utf8"
)

// A request is a request to the S3 API. Its methods are the operations: each sends a response or returns an error.
type request struct {
	store  *Store
	w      http.ResponseWriter
	r      *http.Request
	query  url.Values
	id     string
	bucket string
	key    string
}

// hostID is the x-amz-id-2 of all responses.
const hostID = "czNkZW1vIGlzIG5vdCBBbWF6b24gUzMsIGJ1dCBsaWtlIGl0IA=="

// serve handles a request.
func (s *Store) serve(w http.ResponseWriter, r *http.Request) {
	q := &request{store: s, w: w, r: r, query: r.URL.Query(), id: fmt.Sprintf("%016X", s.requests.Add(1))}
	q.bucket, q.key, _ = strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	h := w.Header()
	h.Set("X-Amz-Request-Id", q.id)
	h.Set("X-Amz-Id-2", hostID)
	h.Set("Server", "AmazonS3")
	s.log.Debug("embedded S3 request", "method", r.Method, "path", r.URL.Path, "query", r.URL.RawQuery)
	if err := q.serve(); err != nil {
		q.fail(err)
	}
}

func (q *request) serve() error {
	if q.r.Method == http.MethodOptions {
		return refuse("AccessForbidden", "Method", q.r.Header.Get("Access-Control-Request-Method"), "ResourceType", "BUCKET")
	}
	if len(q.store.options.Keys) > 0 {
		if err := q.authenticate(); err != nil {
			return err
		}
	}
	if err := checkKey(q.key); err != nil {
		return err
	}
	return q.route()
}

// checkKey refuses invalid keys, prefixes and markers.
func checkKey(key string) error {
	if len(key) > maxKeyLength {
		return refuse("KeyTooLongError", "Size", fmt.Sprint(len(key)), "MaxSizeAllowed", fmt.Sprint(maxKeyLength))
	}
	if !utf8.ValidString(key) {
		return refuse("InvalidURI", "URI", url.PathEscape(key))
	}
	return nil
}

const maxKeyLength = 1024

// A route maps a method and a query parameter to an operation; param "" = no parameter.
type route struct {
	method, param string
	do            func(*request) error
}

// The first matching route is used. Routes without a parameter must be the last of their method.
var (
	objectRoutes = []route{
		{"GET", "attributes", (*request).getObjectAttributes},
		{"GET", "tagging", (*request).getTagging},
		{"GET", "acl", (*request).getACL},
		{"GET", "retention", (*request).noObjectLock},
		{"GET", "legal-hold", (*request).noObjectLock},
		{"GET", "uploadId", (*request).listParts},
		{"GET", "", (*request).getObject},
		{"HEAD", "", (*request).getObject},
		{"PUT", "tagging", (*request).putTagging},
		{"PUT", "acl", (*request).putACL},
		{"PUT", "retention", (*request).noObjectLock},
		{"PUT", "legal-hold", (*request).noObjectLock},
		{"PUT", "uploadId", (*request).uploadPart},
		{"PUT", "", (*request).putObject},
		{"POST", "uploads", (*request).createUpload},
		{"POST", "uploadId", (*request).completeUpload},
		{"DELETE", "tagging", (*request).deleteTagging},
		{"DELETE", "uploadId", (*request).abortUpload},
		{"DELETE", "", (*request).deleteObject},
	}
	bucketRoutes = []route{
		{"GET", "location", (*request).getLocation},
		{"GET", "versioning", (*request).getVersioning},
		{"GET", "versions", (*request).listVersions},
		{"GET", "lifecycle", (*request).getLifecycle},
		{"GET", "uploads", (*request).listUploads},
		{"GET", "acl", (*request).getACL},
		{"GET", "", (*request).listObjects},
		{"HEAD", "", (*request).headBucket},
		{"PUT", "versioning", (*request).putVersioning},
		{"PUT", "lifecycle", (*request).putLifecycle},
		{"PUT", "acl", (*request).putACL},
		{"PUT", "", (*request).createBucket},
		{"POST", "delete", (*request).deleteObjects},
		{"DELETE", "lifecycle", (*request).deleteLifecycle},
		{"DELETE", "", (*request).deleteBucket},
	}
)

// route calls the operation of the request.
func (q *request) route() error {
	routes, kind := objectRoutes, "OBJECT"
	switch {
	case q.bucket == "" && q.r.Method == http.MethodGet:
		return q.listBuckets()
	case q.bucket == "":
		return refuse("MethodNotAllowed", "Method", q.r.Method, "ResourceType", "SERVICE")
	case q.key == "":
		routes, kind = bucketRoutes, "BUCKET"
	}
	for _, r := range routes {
		if r.method != q.r.Method || r.param != "" && !q.query.Has(r.param) {
			continue
		}
		if r.param == "" {
			if param := q.otherResource(); param != "" {
				return q.notConfigured(param)
			}
		}
		return r.do(q)
	}
	if param := q.otherResource(); param != "" {
		return q.notConfigured(param)
	}
	return refuse("MethodNotAllowed", "Method", q.r.Method, "ResourceType", kind)
}

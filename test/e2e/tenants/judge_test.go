package tenants

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// A place is a part of a bucket that a user may use.
type place struct {
	bucket, prefix string
	readOnly       bool
}

// A request is what a request to S3 names.
type request struct {
	line   string // for messages
	op     string // as S3 calls it
	writes bool
	bucket string
	key    string   // "" = the bucket itself
	prefix *string  // of a listing; nil = none
	source string   // of a copy: bucket, slash, key; "" = none
	keys   []string // of DeleteObjects
	signer string   // the access key of the signature; "" = none
	token  bool     // the access key is a temporary one
}

// parseRequest returns what a request names. It leaves the body readable.
func parseRequest(r *http.Request) (q request, err error) {
	q.op = real.Operation(r)
	q.line, q.writes = r.Method+" "+r.URL.RequestURI(), r.Method != http.MethodGet && r.Method != http.MethodHead
	_, credential, _ := strings.Cut(r.Header.Get("Authorization"), "Credential=")
	q.signer, _, _ = strings.Cut(credential, "/")
	q.token = r.Header.Get("X-Amz-Security-Token") != ""
	path, err := url.PathUnescape(r.URL.EscapedPath())
	if err != nil {
		return q, err
	}
	q.bucket, q.key, _ = strings.Cut(strings.TrimPrefix(path, "/"), "/")
	query, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return q, err
	}
	if query.Has("prefix") {
		prefix := query.Get("prefix")
		q.prefix = &prefix
	}
	if source := r.Header.Get("X-Amz-Copy-Source"); source != "" {
		q.line += " from " + source
		source, _, _ = strings.Cut(source, "?versionId=")
		if q.source, err = url.PathUnescape(strings.TrimPrefix(source, "/")); err != nil {
			return q, err
		}
	}
	if query.Has("delete") {
		q.keys, err = keysToDelete(r)
	}
	return q, err
}

// keysToDelete returns the keys in the body of DeleteObjects.
func keysToDelete(r *http.Request) (keys []string, err error) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return nil, err
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	var document struct {
		Object []struct{ Key string }
	}
	if err := xml.Unmarshal(body, &document); err != nil {
		return nil, err
	}
	for _, o := range document.Object {
		keys = append(keys, o.Key)
	}
	if len(keys) == 0 {
		return nil, errors.New("DeleteObjects without keys")
	}
	return keys, nil
}

// judge returns what is wrong with a request of a user who has these places; "" = nothing.
func judge(q request, places []place) string {
	found := ""
	object := func(bucket, key string, writes bool) {
		found = cmp.Or(found, judgePath(key), judgeKey(bucket, key, writes, places))
	}
	switch {
	case q.key != "":
		object(q.bucket, q.key, q.writes)
	case q.keys != nil:
		for _, key := range q.keys {
			object(q.bucket, key, true)
		}
	case q.writes:
		found = "changes a bucket"
	case q.prefix == nil:
		found = "asks for a bucket"
	default:
		dir := (*q.prefix)[:strings.LastIndex(*q.prefix, "/")+1] // what follows is the beginning of a name, perhaps with dots
		found = cmp.Or(judgePath(dir), judgeKey(q.bucket, *q.prefix, false, places))
	}
	if q.source != "" {
		bucket, key, _ := strings.Cut(q.source, "/")
		object(bucket, key, false)
	}
	if found == "" {
		return ""
	}
	return fmt.Sprintf("%s: %s", q.line, found)
}

// judgePath returns what is wrong with a key as a path.
func judgePath(key string) string {
	for element := range strings.SplitSeq(strings.TrimSuffix(key, "/"), "/") {
		if element == "." || element == ".." || element == "" && key != "" {
			return fmt.Sprintf("%q is not a clean path", key)
		}
	}
	return ""
}

// judgeKey returns what is wrong with a key, or with the prefix of a listing.
func judgeKey(bucket, key string, writes bool, places []place) string {
	if !utf8.ValidString(key) || strings.ContainsFunc(key, unicode.IsControl) {
		return fmt.Sprintf("%q is not printable", key)
	}
	for _, p := range places {
		if p.bucket == bucket && strings.HasPrefix(key, p.prefix) && (!writes || !p.readOnly) {
			return ""
		}
	}
	return fmt.Sprintf("%q of the bucket %q is outside of the user's places", key, bucket)
}

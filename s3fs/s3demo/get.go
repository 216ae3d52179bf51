package s3demo

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// lookUp returns the requested version and its bucket. It locks s.mu for reading.
func (q *request) lookUp() (*version, *bucket, error) {
	q.store.mu.RLock()
	defer q.store.mu.RUnlock()
	return q.find()
}

// find is lookUp without locking: the caller must hold s.mu.
func (q *request) find() (*version, *bucket, error) {
	b, err := q.store.bucket(q.bucket)
	if err != nil {
		return nil, nil, err
	}
	id, err := q.versionID()
	if err != nil {
		return nil, nil, err
	}
	v, err := b.find(q.key, id)
	return v, b, err
}

// versionID returns the version ID in the query, or "".
func (q *request) versionID() (string, error) {
	id := q.query.Get("versionId")
	if q.query.Has("versionId") && !validVersionID(id) {
		return "", invalidArgument("versionId", id, "Invalid version id specified")
	}
	return id, nil
}

var versionIDs = regexp.MustCompile(`^(null|[A-Za-z0-9._-]{32})$`)

func validVersionID(id string) bool { return versionIDs.MatchString(id) }

// find returns a version of an object; id "" = the current one.
func (b *bucket) find(key, id string) (*version, error) {
	rec, err := b.record(key)
	if err != nil {
		return nil, err
	}
	v := rec.latest()
	if id != "" {
		v = rec.find(id)
	}
	switch {
	case v.isObject():
		return v, nil
	case v != nil && v.Kind == deleteMarker:
		return nil, b.noObject(key, id, v)
	case id != "":
		return nil, refuse("NoSuchVersion", "Key", key, "VersionId", id)
	}
	return nil, refuse("NoSuchKey", "Key", key)
}

// noObject returns the error for a key with a delete marker.
func (b *bucket) noObject(key, id string, marker *version) error {
	refused := refuse("NoSuchKey", "Key", key)
	refused.header = http.Header{"X-Amz-Delete-Marker": {"true"}, "X-Amz-Version-Id": {marker.ID}}
	if id != "" {
		refused = &apiError{"MethodNotAllowed", errorCodes["MethodNotAllowed"].message, []string{"Method", "GET", "ResourceType", "DeleteMarker"}, refused.header}
		refused.header.Set("Allow", "DELETE")
		refused.header.Set("Last-Modified", marker.Modified.Format(http.TimeFormat))
	}
	return refused
}

// getObject answers GetObject and HeadObject.
func (q *request) getObject() error {
	q.store.mu.RLock()
	v, b, err := q.find()
	shown := ""
	if err == nil {
		shown = b.shownID(v.ID)
		q.store.contents.retain(v.Pieces) // the object may be deleted during the download
	}
	q.store.mu.RUnlock()
	if err != nil {
		return err
	}
	span, err := q.open(v, shown)
	if err != nil {
		q.store.contents.release(v.Pieces)
		return err
	}
	body := q.store.contents.read(v.Pieces, span.offset, span.length)
	defer body.Close()
	status := http.StatusOK
	if span.partial {
		status = http.StatusPartialContent
		q.w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", span.offset, span.offset+span.length-1, v.size()))
	}
	q.w.Header().Set("Content-Length", strconv.FormatInt(span.length, 10))
	q.w.WriteHeader(status)
	if q.r.Method == http.MethodHead {
		return nil
	}
	if _, err := body.WriteTo(q.w); err != nil {
		if _, lost := errors.AsType[net.Error](err); !lost {
			q.store.log.Error("embedded S3 failed", "method", q.r.Method, "path", q.r.URL.Path, "err", err)
		}
		panic(http.ErrAbortHandler) // closes the connection
	}
	return nil
}

// open checks whether an object may be read, and sets the headers of the response.
func (q *request) open(v *version, shownID string) (span, error) {
	h := q.w.Header()
	notModified := func(string) error {
		return &apiError{code: "NotModified", header: http.Header{"Etag": {quoted(v.ETag)}, "Last-Modified": {v.Modified.Format(http.TimeFormat)}}}
	}
	if err := (readConditions{q.r.Header, ""}).check(v, notModified); err != nil {
		return span{}, err
	}
	if archived(v.Class) && q.r.Method == http.MethodGet {
		return span{}, refuse("InvalidObjectState", "StorageClass", v.Class)
	}
	s, err := q.span(v)
	if err != nil {
		return s, err
	}
	if err := q.overrides(h); err != nil {
		return s, err
	}
	v.setHeaders(h)
	q.setVersionID(shownID)
	if strings.EqualFold(q.r.Header.Get("X-Amz-Checksum-Mode"), "ENABLED") && !s.partial {
		v.Checksum.set(h)
	}
	return s, nil
}

// setHeaders sets the headers of a response to GET or HEAD, except for those that overrides has set.
func (v *version) setHeaders(h http.Header) {
	h.Set("ETag", quoted(v.ETag))
	h.Set("Last-Modified", v.Modified.Format(http.TimeFormat))
	h.Set("Accept-Ranges", "bytes")
	for name, value := range v.Meta {
		if h.Get(name) == "" {
			h.Set(name, string(value))
		}
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", defaultType)
	}
	if v.Class != "" {
		h.Set("X-Amz-Storage-Class", v.Class)
	}
	if tags := tagsOf(v.Tags); len(tags) > 0 {
		h.Set("X-Amz-Tagging-Count", strconv.Itoa(len(tags)))
	}
	v.Encryption.set(h)
}

// overrides sets the response headers from response-* query parameters.
func (q *request) overrides(h http.Header) error {
	for name := range q.query {
		header, ok := strings.CutPrefix(name, "response-")
		if !ok {
			continue
		}
		if q.r.Header.Get("Authorization") == "" && !q.query.Has("X-Amz-Signature") {
			return invalidRequest("Request specific response headers cannot be used for anonymous GET requests.")
		}
		h.Set(header, q.query.Get(name))
	}
	return nil
}

// A span is a range of an object.
type span struct {
	offset, length int64
	partial        bool
}

var ranges = regexp.MustCompile(`^bytes=(\d*)-(\d*)$`)

// span returns the requested span of an object: a part, a range, or all.
func (q *request) span(v *version) (span, error) {
	header := q.r.Header.Get("Range")
	if q.query.Has("partNumber") {
		if header != "" {
			return span{}, invalidRequest("Cannot specify both Range header and partNumber query parameter")
		}
		return q.part(v)
	}
	size := v.size()
	whole := span{0, size, false}
	m := ranges.FindStringSubmatch(header)
	if m == nil || m[1] == "" && m[2] == "" {
		return whole, nil // other ranges are ignored
	}
	first, err1 := strconv.ParseInt(m[1], 10, 64)
	last, err2 := strconv.ParseInt(m[2], 10, 64)
	switch {
	case m[1] == "" && err2 == nil: // the last bytes
		first, last = max(size-last, 0), size-1
	case m[2] == "":
		last = size - 1
	case err1 == nil && err2 == nil && first > last:
		return whole, nil
	case err2 != nil:
		last = size - 1
	}
	last = min(last, size-1)
	if m[1] != "" && err1 != nil || first >= size || first > last {
		return span{}, refuse("InvalidRange", "RangeRequested", header, "ActualObjectSize", fmt.Sprint(size))
	}
	return span{first, last - first + 1, true}, nil
}

// part returns the span of a part of an object.
func (q *request) part(v *version) (s span, err error) {
	number, err := partNumber(q.query)
	if err != nil {
		return s, err
	}
	pieces := v.Pieces
	if v.Upload == "" {
		pieces = []piece{{Size: v.size()}} // an object of one part
	} else {
		q.w.Header().Set("X-Amz-Mp-Parts-Count", strconv.Itoa(len(pieces)))
	}
	if number > len(pieces) {
		return s, refuse("InvalidPartNumber", "ActualPartCount", fmt.Sprint(len(pieces)), "PartNumberRequested", fmt.Sprint(number))
	}
	for _, p := range pieces[:number-1] {
		s.offset += p.Size
	}
	s.length = pieces[number-1].Size
	s.partial = s.length > 0
	return s, nil
}

// shownTime formats a time for listings.
func shownTime(t time.Time) string { return t.UTC().Format(s3Time) }

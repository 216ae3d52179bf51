package s3demo

import (
	"bytes"
	"context"
	"encoding/xml"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/rclone/gofakes3"
)

// conditions are those of a request that the library does not check, or that could change between its check and the deed.
type conditions struct{ header http.Header }

func conditionsFrom(ctx context.Context) conditions { return conditions{headerFrom(ctx)} }

// source returns an error unless the source of a copy is the one that the client means.
func (c conditions) source(etag string) error {
	if list := c.header.Get("X-Amz-Copy-Source-If-Match"); list != "" && !match(list, etag) {
		return gofakes3.ErrPreconditionFailed
	}
	return nil
}

// copy returns an error unless a copy may replace what is there.
func (c conditions) copy(source string, exists bool, etag string) error {
	if list := c.header.Get("If-Match"); list != "" {
		if !exists {
			return gofakes3.ErrNoSuchKey
		}
		if !match(list, etag) {
			return gofakes3.ErrPreconditionFailed
		}
	}
	if list := c.header.Get("If-None-Match"); list != "" && exists && match(list, etag) {
		return gofakes3.ErrPreconditionFailed
	}
	return c.source(source)
}

// delete returns an error unless an object that is there is the one to be deleted. What is not there is deleted already.
func (c conditions) delete(etag string) error {
	if list := c.header.Get("If-Match"); list != "" && !match(list, etag) {
		return gofakes3.ErrPreconditionFailed
	}
	return nil
}

// versionsIn reads the ETags that the objects in a DeleteObjects must have, by key, and leaves the body to be read again.
func versionsIn(r *http.Request) map[string]string {
	var in gofakes3.DeleteRequest
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body), r.Body)) // which ends as it did
	_ = xml.Unmarshal(body, &in)                                         // the library says what is wrong with it
	versions := make(map[string]string)
	for _, o := range in.Objects {
		if o.ETag != "" {
			versions[o.Key] = libraryETags(o.ETag)
		}
	}
	return versions
}

// whole returns an error unless a completed upload makes the object that the client says it does.
func (c conditions) whole(rec *record) error {
	if size := c.header.Get("X-Amz-Mp-Object-Size"); size != "" && size != strconv.FormatInt(rec.size(), 10) {
		return gofakes3.ErrorMessagef(gofakes3.ErrInvalidRequest, "The parts have %d bytes.", rec.size())
	}
	for name := range c.header {
		algorithm, ok := strings.CutPrefix(name, checksumPrefix)
		if !ok || algorithm == "Type" || algorithm == "Algorithm" {
			continue
		}
		said, have := c.header.Get(name), string(rec.Meta[name])
		if have != "" && said != have && checksumType(have) == "FULL_OBJECT" {
			return refuse("BadDigest", "The object does not have the checksum that came with it.")
		}
	}
	return nil
}

// match reports whether a list of ETags, in the form of the library, has this one.
func match(list, etag string) bool {
	for tag := range strings.SplitSeq(list, ",") {
		if bare := strings.Trim(tag, ` "`); bare == "*" || bare == libraryETag(etag) {
			return true
		}
	}
	return false
}

package s3demo

import (
	"context"
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

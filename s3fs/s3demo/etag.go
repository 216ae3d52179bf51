package s3demo

import (
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// The library holds an ETag to be the hexadecimal form of some bytes, which that of a multipart upload, "<md5>-<parts>",
// is not. So what goes to the library has the number of parts as two more bytes, and what comes from it is turned back.

const md5Digits = 32

// libraryETag returns an ETag without quotes in the form that the library understands.
func libraryETag(etag string) string {
	sum, count, ok := strings.Cut(etag, "-")
	parts, err := strconv.ParseUint(count, 10, 16)
	if !ok || err != nil || len(sum) != md5Digits {
		return etag
	}
	return fmt.Sprintf("%s%04x", sum, parts)
}

// trueETag is the reverse of libraryETag.
func trueETag(etag string) string {
	if len(etag) != md5Digits+4 {
		return etag
	}
	count, err := hex.DecodeString(etag[md5Digits:])
	if err != nil {
		return etag
	}
	return fmt.Sprintf("%s-%d", etag[:md5Digits], int(count[0])<<8|int(count[1]))
}

// libraryETags turns the ETags of a condition such as If-Match.
func libraryETags(list string) string {
	tags := strings.Split(list, ",")
	for i, tag := range tags {
		if bare := strings.Trim(tag, ` "`); bare != "*" {
			tags[i] = quoted(libraryETag(bare))
		}
	}
	return strings.Join(tags, ",")
}

func quoted(etag string) string { return `"` + etag + `"` }

// etagWriter turns the ETag of an answer before it goes out.
type etagWriter struct {
	http.ResponseWriter
	begun bool
}

// begin is called when the headers go out at the latest.
func (w *etagWriter) begin() {
	if w.begun {
		return
	}
	w.begun = true
	if tag := w.Header().Get("ETag"); tag != "" {
		w.Header().Set("ETag", quoted(trueETag(strings.Trim(tag, `"`))))
	}
}

func (w *etagWriter) WriteHeader(status int) {
	w.begin()
	w.ResponseWriter.WriteHeader(status)
}

func (w *etagWriter) Write(p []byte) (int, error) {
	w.begin()
	return w.ResponseWriter.Write(p)
}

// ReadFrom leaves it to the connection to fetch the bytes of a file.
func (w *etagWriter) ReadFrom(r io.Reader) (int64, error) {
	w.begin()
	return io.Copy(w.ResponseWriter, r)
}

func (w *etagWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

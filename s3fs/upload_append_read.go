package s3fs

import (
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
)

const (
	maxSkip    = 256 << 10 // bytes between two ranges that are read and dropped; behind more, the next range is requested by itself
	firstAhead = 512 << 10 // bytes that are requested at least with the second of such ranges
	maxAhead   = minPart   // bytes that are requested at most beyond a range
)

// A rangeReader reads one range of an object after another, for an upload. Ranges that follow each other closely, as between many small
// changes of a file, share requests: a request for each would take a round trip to S3 for each. The zero value reads nothing.
type rangeReader struct {
	stream *stream // nil = no range was read
	until  int64   // end of the range, in the object
	ahead  int64   // bytes that the next request asks for at least
}

// start makes a range the one to read.
func (k *rangeReader) start(u *upload, r copyRange) error {
	etag := aws.ToString(r.head.ETag)
	follows := k.stream != nil && k.stream.key == r.key && k.stream.etag == etag && r.offset >= k.until && r.offset-k.until <= maxSkip
	if !follows {
		k.close()
		v := &version{fs: u.fs, key: r.key, etag: etag, size: r.size}
		k.stream, k.ahead = &stream{version: v, ctx: u.ctx, at: r.offset, end: r.offset, sdkRetries: true}, 0
	} else if err := k.skipTo(r.offset); err != nil {
		return err
	}
	k.until = r.offset + r.bytes
	return nil
}

// skipTo drops the bytes before an offset, as far as they were requested.
func (k *rangeReader) skipTo(offset int64) error {
	k.until = min(offset, k.stream.end)
	if _, err := io.Copy(io.Discard, k); err != nil {
		return err
	}
	if k.stream.end < offset {
		k.stream.close()
		k.stream.at, k.stream.end = offset, offset
	}
	k.ahead = min(max(2*k.ahead, firstAhead), maxAhead)
	return nil
}

// Read implements io.Reader. It returns io.EOF at the end of the range.
func (k *rangeReader) Read(p []byte) (int, error) {
	s := k.stream
	if s.at == k.until {
		return 0, io.EOF
	}
	if s.at == s.end {
		s.close()
		s.end = min(max(k.until, s.at+k.ahead), s.size)
	}
	return s.Read(p[:min(int64(len(p)), k.until-s.at)])
}

// close ends the request in progress, if any.
func (k *rangeReader) close() {
	if k.stream != nil {
		k.stream.close()
	}
}

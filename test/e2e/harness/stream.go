package harness

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// Block returns the 8 MiB that the large files of Stream and Bucket.Upload consist of.
var Block = sync.OnceValue(func() []byte {
	b := make([]byte, 8*MiB)
	io.ReadFull(Noise("block"), b)
	return b
})

// Stream returns a file of that many bytes, from memory.
func Stream(size int64) io.Reader {
	block := Block()
	var parts []io.Reader
	for ; size > 0; size -= int64(len(block)) {
		parts = append(parts, bytes.NewReader(block[:min(size, int64(len(block)))]))
	}
	return io.MultiReader(parts...)
}

// Far returns the same S3 server, 20 ms away, with 60 MB/s per connection.
func Far(t testing.TB, s *real.S3) *real.S3 {
	slow := *s
	slow.Endpoint = "http://" + real.Slow(t, strings.TrimPrefix(s.Endpoint, "http://"), 20*time.Millisecond, 60e6)
	return &slow
}

package s3demo

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"hash"
	"io"
	"net/http"
	"net/http/httputil"
	"net/textproto"
	"strconv"
	"strings"

	"github.com/rclone/gofakes3"
)

// The library checks a checksum in a header of PutObject. A payload checks those of parts too, those in trailers, and the
// SHA-256 that the signature vouches for, and takes aws-chunked bodies apart.

// A payload is the content of a PUT. Its last byte comes with an error when the content is not what it was said to be.
type payload struct {
	body    io.ReadCloser
	src     io.Reader
	chunked *bufio.Reader // what src takes apart, when the body is aws-chunked
	size    int64         // announced; -1 = unknown
	read    int64
	checks  []check
	verdict error              // once all has been read
	trailed map[string]escaped // checksums that came in the trailer, by header name
}

// A check is a digest that the content has to have.
type check struct {
	digest hash.Hash
	want   []byte
	header string             // in the trailer, when want is nil
	code   gofakes3.ErrorCode // when it has another
}

// newPayload makes the payload the body of r, which is to be a copy whose headers may be changed.
func newPayload(r *http.Request) (*payload, error) {
	p := &payload{body: r.Body, src: r.Body, size: r.ContentLength}
	if err := p.expect(r.Header); err != nil {
		return nil, err
	}
	if strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		if err := p.unchunk(r); err != nil {
			return nil, err
		}
	}
	r.Body = p
	if p.size == 0 {
		if err := p.finish(); err != io.EOF { // nobody may ask for a byte
			return nil, err
		}
	}
	return p, nil
}

// expect notes the digests that the headers announce.
func (p *payload) expect(h http.Header) error {
	if sum, err := hex.DecodeString(h.Get("X-Amz-Content-Sha256")); err == nil && len(sum) == sha256.Size {
		p.checks = append(p.checks, check{sha256.New(), sum, "", "XAmzContentSHA256Mismatch"})
	}
	for name := range h {
		algorithm, ok := strings.CutPrefix(name, checksumPrefix)
		if !ok || algorithm == "Type" || algorithm == "Mode" || algorithm == "Algorithm" {
			continue
		}
		digest := newChecksum(strings.ToLower(algorithm))
		want, err := base64.StdEncoding.DecodeString(h.Get(name))
		if digest == nil || err != nil || len(want) != digest.Size() {
			return gofakes3.ErrorMessagef(gofakes3.ErrInvalidRequest, "The value of %s is not valid.", strings.ToLower(name))
		}
		p.checks = append(p.checks, check{digest, want, "", "BadDigest"})
	}
	return nil
}

// unchunk takes the aws-chunked encoding off, from the body and from the headers.
func (p *payload) unchunk(r *http.Request) (err error) {
	p.size, err = strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64)
	if err != nil || p.size < 0 {
		return gofakes3.ErrMissingContentLength
	}
	p.chunked = bufio.NewReaderSize(r.Body, 64<<10)
	p.src = httputil.NewChunkedReader(p.chunked) // the format is that of HTTP
	if name := textproto.CanonicalMIMEHeaderKey(r.Header.Get("X-Amz-Trailer")); name != "" {
		digest := newChecksum(strings.ToLower(strings.TrimPrefix(name, checksumPrefix)))
		if digest == nil {
			return gofakes3.ErrorMessagef(gofakes3.ErrInvalidRequest, "The trailer %s is not supported.", strings.ToLower(name))
		}
		p.checks = append(p.checks, check{digest, nil, name, "BadDigest"})
	}
	r.ContentLength = p.size
	r.Header.Set("Content-Length", strconv.FormatInt(p.size, 10))
	r.Header.Set("X-Amz-Content-Sha256", "UNSIGNED-PAYLOAD")
	r.Header.Del("X-Amz-Decoded-Content-Length")
	return nil
}

func (p *payload) Read(b []byte) (int, error) {
	if p.size >= 0 {
		if p.read == p.size {
			return 0, p.finish()
		}
		b = b[:min(int64(len(b)), p.size-p.read)]
	}
	n, err := p.src.Read(b)
	p.read += int64(n)
	for _, c := range p.checks {
		c.digest.Write(b[:n])
	}
	switch {
	case p.read == p.size, err == io.EOF && p.size < 0:
		err = p.finish()
	case err != nil:
		err = incomplete() // the client has gone, or has sent less than it said
	}
	return n, err
}

// finish returns io.EOF when the content is what it was said to be.
func (p *payload) finish() error {
	if p.verdict == nil {
		p.verdict = p.judge()
	}
	return p.verdict
}

func (p *payload) judge() error {
	trailer := textproto.MIMEHeader{}
	if p.chunked != nil {
		if n, err := io.Copy(io.Discard, p.src); n != 0 || err != nil {
			return incomplete()
		}
		// A client may leave the empty line at the end out, which is an error, but the lines before it count.
		trailer, _ = textproto.NewReader(p.chunked).ReadMIMEHeader()
	}
	for _, c := range p.checks {
		want := c.want
		if want == nil {
			want, _ = base64.StdEncoding.DecodeString(trailer.Get(c.header))
		}
		if !bytes.Equal(c.digest.Sum(nil), want) {
			return refuse(c.code, "The content does not have the digest that came with it.")
		}
		if c.want == nil {
			p.trailed = map[string]escaped{c.header: escaped(trailer.Get(c.header))}
		}
	}
	return io.EOF
}

// Close closes the body.
func (p *payload) Close() error { return p.body.Close() }

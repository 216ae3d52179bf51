package s3demo

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/md5"
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
)

// A payload is the body of a request, without its aws-chunked encoding. Its last byte comes with an error when the
// content has not the digests that came with it.
type payload struct {
	body    io.ReadCloser
	src     io.Reader
	chunked *bufio.Reader // what src takes apart, when the body is aws-chunked
	size    int64         // announced; -1 = unknown
	read    int64
	checks  []check
	verdict error    // once all has been read
	sent    checksum // the checksum that came in a header or trailer, if any; complete once all has been read
	digests bool     // Content-MD5 or a checksum came with it
}

// A check is a digest that the content must have.
type check struct {
	digest hash.Hash
	want   []byte
	header string // in the trailer, when want is nil
	failed *apiError
}

// body returns the body of the request. The checksums in its headers are those of the body only if checked.
func (q *request) body(checked bool) (*payload, error) {
	r := q.r
	p := &payload{body: r.Body, src: r.Body, size: r.ContentLength}
	if err := p.expectDigests(r.Header); err != nil {
		return nil, err
	}
	if strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		if err := p.unchunk(r.Header); err != nil {
			return nil, err
		}
	}
	if checked {
		if err := p.expectChecksum(r.Header); err != nil {
			return nil, err
		}
	}
	if p.size == 0 {
		if err := p.finish(); err != io.EOF { // nobody may ask for a byte
			return nil, err
		}
	}
	return p, nil
}

// expectDigests notes the digests that every request may have.
func (p *payload) expectDigests(h http.Header) error {
	if sum, err := hex.DecodeString(h.Get("X-Amz-Content-Sha256")); err == nil && len(sum) == sha256.Size {
		p.checks = append(p.checks, check{sha256.New(), sum, "", refuse("XAmzContentSHA256Mismatch")})
	}
	text, given := h["Content-Md5"]
	if !given {
		return nil
	}
	sum, err := base64.StdEncoding.DecodeString(text[0])
	if err != nil || len(sum) != md5.Size {
		return refuse("InvalidDigest", "Content-MD5", text[0])
	}
	p.digests = true
	failed := refuse("BadDigest", "ExpectedDigest", text[0]).saying("The Content-MD5 you specified did not match what we received.")
	p.checks = append(p.checks, check{md5.New(), sum, "", failed})
	return nil
}

// expectChecksum notes the checksum that the headers have or announce; there must be one at most.
func (p *payload) expectChecksum(h http.Header) error {
	trailer := textproto.CanonicalMIMEHeaderKey(h.Get("X-Amz-Trailer"))
	sent, err := sentChecksum(h)
	if err != nil {
		return err
	}
	if sent.Algorithm != "" && trailer != "" {
		return invalidRequest("Expecting a single x-amz-checksum- header")
	}
	if sent.Composite {
		return invalidRequest("Value for x-amz-checksum-%s header is invalid.", sent.Algorithm)
	}
	check := check{header: trailer}
	switch {
	case sent.Algorithm != "":
		check.want, _ = base64.StdEncoding.DecodeString(sent.Value)
	case trailer != "":
		sent.Algorithm = strings.ToLower(strings.TrimPrefix(trailer, checksumPrefix))
	}
	p.sent = sent
	announced := strings.ToLower(h.Get("X-Amz-Sdk-Checksum-Algorithm"))
	switch {
	case sent.Algorithm == "" && announced == "":
		return nil
	case sent.Algorithm == "":
		return invalidRequest("x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	case announced != "" && announced != sent.Algorithm:
		return refuse("BadDigest").saying("The checksum header is not of the algorithm in x-amz-sdk-checksum-algorithm.")
	}
	if check.digest = newChecksum(sent.Algorithm); check.digest == nil {
		return invalidRequest("The value specified in the x-amz-trailer header is not supported")
	}
	check.failed = refuse("BadDigest").saying("The %s you specified did not match the calculated checksum.", strings.ToUpper(sent.Algorithm))
	p.checks, p.digests = append(p.checks, check), true
	return nil
}

// unchunk takes the aws-chunked encoding off.
func (p *payload) unchunk(h http.Header) (err error) {
	p.size, err = strconv.ParseInt(h.Get("X-Amz-Decoded-Content-Length"), 10, 64)
	if err != nil || p.size < 0 {
		return refuse("MissingContentLength")
	}
	p.chunked = bufio.NewReaderSize(p.body, 64<<10)
	p.src = httputil.NewChunkedReader(p.chunked) // the format is that of HTTP
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
		err = refuse("IncompleteBody") // the client has gone, or has sent less than it said
	}
	return n, err
}

// finish returns io.EOF when the content is what it was said to be.
func (p *payload) finish() error {
	if p.verdict == nil {
		p.verdict = cmp.Or(p.judge(), io.EOF)
	}
	return p.verdict
}

func (p *payload) judge() error {
	trailer := textproto.MIMEHeader{}
	if p.chunked != nil {
		if n, err := io.Copy(io.Discard, p.src); n != 0 || err != nil {
			return refuse("IncompleteBody")
		}
		// A client may leave the empty line at the end out, which is an error, but the lines before it count.
		trailer, _ = textproto.NewReader(p.chunked).ReadMIMEHeader()
	}
	for _, c := range p.checks {
		want := c.want
		if want == nil {
			p.sent.Value = trailer.Get(c.header)
			want, _ = base64.StdEncoding.DecodeString(p.sent.Value)
		}
		if !bytes.Equal(c.digest.Sum(nil), want) {
			return c.failed
		}
	}
	return nil
}

// Close closes the body.
func (p *payload) Close() error { return p.body.Close() }

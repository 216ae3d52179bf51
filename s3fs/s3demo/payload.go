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

// A payload is the body of a request, decoded if it is aws-chunked. Reading its last byte returns an error if the content
// does not match the digests in the request.
type payload struct {
	body     io.ReadCloser
	src      io.Reader
	chunked  *bufio.Reader // the encoded body under src, if it is aws-chunked
	size     int64         // -1 = unknown
	read     int64
	checks   []check
	result   error    // of finish; nil = not called yet
	checksum checksum // from a header or trailer, if any; complete after the end of the body
	digests  bool     // the request has Content-MD5 or a checksum
}

// A check is a digest that the content must have.
type check struct {
	digest hash.Hash
	want   []byte
	header string // in the trailer, when want is nil
	failed *apiError
}

// body returns the body of the request. If checked is false, the checksum headers are not those of the body.
func (q *request) body(checked bool) (*payload, error) {
	r := q.r
	p := &payload{body: r.Body, src: r.Body, size: r.ContentLength}
	if err := p.expectDigests(r.Header); err != nil {
		return nil, err
	}
	if strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING-") {
		if err := p.decodeChunks(r.Header); err != nil {
			return nil, err
		}
	}
	if checked {
		if err := p.expectChecksum(r.Header); err != nil {
			return nil, err
		}
	}
	if p.size == 0 {
		if err := p.finish(); err != io.EOF { // the caller may not call Read
			return nil, err
		}
	}
	return p, nil
}

// expectDigests adds checks for x-amz-content-sha256 and Content-MD5.
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
	failed := refuse("BadDigest", "ExpectedDigest", text[0]).withMessage("The Content-MD5 you specified did not match what we received.")
	p.checks = append(p.checks, check{md5.New(), sum, "", failed})
	return nil
}

// expectChecksum adds a check for the checksum in a header, or in the announced trailer. Only one is allowed.
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
	p.checksum = sent
	announced := strings.ToLower(h.Get("X-Amz-Sdk-Checksum-Algorithm"))
	switch {
	case sent.Algorithm == "" && announced == "":
		return nil
	case sent.Algorithm == "":
		return invalidRequest("x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer headers were found.")
	case announced != "" && announced != sent.Algorithm:
		return refuse("BadDigest").withMessage("The checksum header is not of the algorithm in x-amz-sdk-checksum-algorithm.")
	}
	if check.digest = newChecksum(sent.Algorithm); check.digest == nil {
		return invalidRequest("The value specified in the x-amz-trailer header is not supported")
	}
	check.failed = refuse("BadDigest").withMessage("The %s you specified did not match the calculated checksum.", strings.ToUpper(sent.Algorithm))
	p.checks, p.digests = append(p.checks, check), true
	return nil
}

// decodeChunks decodes aws-chunked.
func (p *payload) decodeChunks(h http.Header) (err error) {
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
		err = refuse("IncompleteBody") // the connection was lost, or the body is too short
	}
	return n, err
}

// finish returns io.EOF if the content matches all digests, and otherwise an error.
func (p *payload) finish() error {
	if p.result == nil {
		p.result = cmp.Or(p.verify(), io.EOF)
	}
	return p.result
}

func (p *payload) verify() error {
	trailer := textproto.MIMEHeader{}
	if p.chunked != nil {
		if n, err := io.Copy(io.Discard, p.src); n != 0 || err != nil {
			return refuse("IncompleteBody")
		}
		// Some clients omit the empty line at the end. That is an error, but the lines before it are valid.
		trailer, _ = textproto.NewReader(p.chunked).ReadMIMEHeader()
	}
	for _, c := range p.checks {
		want := c.want
		if want == nil {
			p.checksum.Value = trailer.Get(c.header)
			want, _ = base64.StdEncoding.DecodeString(p.checksum.Value)
		}
		if !bytes.Equal(c.digest.Sum(nil), want) {
			return c.failed
		}
	}
	return nil
}

// Close closes the body.
func (p *payload) Close() error { return p.body.Close() }

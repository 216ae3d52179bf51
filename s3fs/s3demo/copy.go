package s3demo

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"hash"
	"maps"
	"net/url"
	"strings"
	"time"
)

// A source is the source of a copy.
type source struct {
	bucket, key, id string // id is the version ID; "" = the current version
	*version
	shownID string
}

// source returns the source of a copy after checking its conditions. The caller must release its pieces. For an archived
// object, the error code is inactive.
func (q *request) source(inactive string) (*source, error) {
	src, err := parseSource(q.r.Header.Get("X-Amz-Copy-Source"))
	if err != nil {
		return nil, err
	}
	q.store.mu.RLock()
	defer q.store.mu.RUnlock()
	b, err := q.store.bucket(src.bucket)
	if err != nil {
		return nil, err
	}
	src.version, err = b.find(src.key, src.id)
	if refused, ok := err.(*apiError); ok && refused.code == "MethodNotAllowed" {
		return nil, invalidRequest("The source of a copy request may not specifically refer to a delete marker by version id.")
	}
	if err != nil {
		return nil, err
	}
	if err := q.checkSource(src.version); err != nil {
		return nil, err
	}
	if archived(src.Class) {
		return nil, refuse(inactive, "StorageClass", src.Class)
	}
	src.shownID = b.shownID(src.ID)
	q.store.contents.retain(src.Pieces)
	return src, nil
}

// parseSource parses x-amz-copy-source, which is URL-encoded.
func parseSource(header string) (*source, error) {
	encoded, query, hasID := strings.Cut(header, "?versionId=")
	path, err := url.PathUnescape(encoded)
	bucket, key, ok := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	switch {
	case err != nil || strings.ContainsFunc(encoded, func(r rune) bool { return r <= ' ' || r > '~' }):
		return nil, invalidArgument("x-amz-copy-source", header, "Copy Source must be URL-encoded")
	case !ok || bucket == "" || key == "":
		return nil, invalidArgument("x-amz-copy-source", header, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	if hasID && !validVersionID(query) {
		return nil, invalidArgument("x-amz-copy-source", header, "Invalid version id specified")
	}
	return &source{bucket: bucket, key: key, id: query}, checkKey(key)
}

type copyAnswer struct {
	XMLName      xml.Name
	Xmlns        string `xml:"xmlns,attr"`
	LastModified string
	ETag         string
	ChecksumType string `xml:",omitempty"`
	Checksum     *checksumElement
}

// copyObject answers CopyObject. The copy shares the pieces of the source.
func (q *request) copyObject() error {
	v, err := q.newVersion()
	if err != nil {
		return err
	}
	cond, err := q.writeConditions()
	if err != nil {
		return err
	}
	src, err := q.source("ObjectNotInActiveTierError")
	if err != nil {
		return err
	}
	defer func() { q.store.contents.release(src.Pieces) }()
	defer q.keepTombstones(cond)()
	if err := q.checkCopy(src); err != nil {
		return err
	}
	if err := q.copyMetadata(v, src); err != nil {
		return err
	}
	if err := q.copyDigests(v, src); err != nil {
		return err
	}
	v.Modified = time.Now().UTC().Truncate(time.Second)
	v.Pieces = src.Pieces
	q.store.contents.retain(v.Pieces)
	if err := q.publish(v, cond); err != nil {
		return err
	}
	q.setVersionHeaders(v)
	if src.shownID != "" {
		q.w.Header().Set("X-Amz-Copy-Source-Version-Id", src.shownID)
	}
	return q.answer(copyAnswer{
		XMLName: xml.Name{Local: "CopyObjectResult"}, Xmlns: s3Namespace,
		LastModified: shownTime(v.Modified), ETag: quoted(v.ETag),
		ChecksumType: v.Checksum.kind(), Checksum: v.Checksum.element(),
	})
}

// checkCopy refuses copies that S3 refuses.
func (q *request) checkCopy(src *source) error {
	if limit := q.store.options.MaxCopySize; src.size() > limit {
		return invalidRequest("The specified copy source is larger than the maximum allowable size for a copy source: %d", limit)
	}
	h := q.r.Header
	for _, name := range []string{"x-amz-metadata-directive", "x-amz-tagging-directive"} {
		if d := h.Get(name); d != "" && d != "COPY" && d != "REPLACE" {
			return invalidArgument(name, d, "Unknown "+strings.TrimSuffix(strings.TrimPrefix(name, "x-amz-"), "-directive")+" directive.")
		}
	}
	if src.bucket != q.bucket || src.key != q.key || src.id != "" || h.Get("X-Amz-Metadata-Directive") == "REPLACE" {
		return nil
	}
	for _, name := range []string{"X-Amz-Storage-Class", "X-Amz-Website-Redirect-Location", encryptionHeader} {
		if h.Get(name) != "" {
			return nil
		}
	}
	return invalidRequest("This copy request is illegal because it is trying to copy an object to itself without changing the object's " +
		"metadata, storage class, website redirect location or encryption attributes.")
}

// copyMetadata copies metadata and tags, unless a directive says REPLACE. Storage class and encryption are never copied.
func (q *request) copyMetadata(v *version, src *source) error {
	h := q.r.Header
	if h.Get("X-Amz-Metadata-Directive") != "REPLACE" {
		const redirect = "X-Amz-Website-Redirect-Location"
		wanted, given := v.Meta[redirect]
		v.Meta = maps.Clone(src.Meta)
		delete(v.Meta, redirect) // is not copied
		if given {
			v.Meta[redirect] = wanted
		}
	}
	if h.Get("X-Amz-Tagging-Directive") != "REPLACE" {
		v.Tags = src.Tags
	}
	return nil
}

// copyDigests sets the ETag and checksum of a copy, which is an object of one part. It reads the content only if the source
// does not have them.
func (q *request) copyDigests(v *version, src *source) error {
	algorithm := strings.ToLower(q.r.Header.Get("X-Amz-Checksum-Algorithm"))
	if algorithm == "" {
		algorithm = src.Checksum.Algorithm
	}
	var sum, check hash.Hash
	var digests []hash.Hash
	v.ETag, v.Checksum = src.ETag, src.Checksum
	if v.Encryption.opaque() || src.Encryption.opaque() || src.Upload != "" || strings.Contains(src.ETag, "-") {
		sum = md5.New()
		digests = append(digests, sum)
	}
	if algorithm != src.Checksum.Algorithm || src.Checksum.Composite {
		if check = newChecksum(algorithm); check == nil {
			return invalidRequest("Checksum algorithm provided is unsupported. Please try again with any of the valid types: [%s]", algorithms)
		}
		digests = append(digests, check)
	}
	if len(digests) == 0 {
		return nil
	}
	if err := q.store.contents.digest(src.Pieces, digests...); err != nil {
		return err
	}
	if sum != nil {
		v.ETag = v.Encryption.etag(sum)
	}
	if check != nil {
		v.Checksum = checksum{Algorithm: algorithm, Value: encodeSum(check)}
	}
	return nil
}

var rangeFormMessage = "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets " +
	"of the first and last bytes to copy"

// copyRange returns the range of the source that UploadPartCopy copies.
func (q *request) copyRange(src *source) (offset, length int64, err error) {
	const name = "x-amz-copy-source-range"
	header, size := q.r.Header.Get(name), src.size()
	if header == "" {
		return 0, size, nil
	}
	if size <= minPartSize {
		return 0, 0, invalidRequest("The specified copy source is not supported as a byte-range copy source")
	}
	var first, last int64
	if n, err := fmt.Sscanf(header, "bytes=%d-%d", &first, &last); n != 2 || err != nil || fmt.Sprintf("bytes=%d-%d", first, last) != header || first > last {
		return 0, 0, invalidArgument(name, header, rangeFormMessage)
	}
	if last >= size {
		return 0, 0, invalidArgument(name, header, fmt.Sprintf("Range specified is not valid for source object of size: %d", size))
	}
	return first, last - first + 1, nil
}

// uploadPartCopy answers UploadPartCopy.
func (q *request) uploadPartCopy(number int) error {
	u, err := q.upload()
	if err != nil {
		return err
	}
	src, err := q.source("InvalidObjectState")
	if err != nil {
		return err
	}
	offset, length, err := q.copyRange(src)
	if limit := q.store.options.MaxPutSize; err == nil && length > limit {
		err = invalidRequest("The specified copy source is larger than the maximum allowable size for a copy source: %d", limit)
	}
	if err != nil {
		q.store.contents.release(src.Pieces)
		return err
	}
	body := q.store.contents.read(src.Pieces, offset, length)
	defer body.Close()
	sum, check := md5.New(), newChecksum(u.Checksum.Algorithm)
	p := part{Number: number, Modified: time.Now().UTC().Truncate(time.Second)}
	if p.Piece, err = q.store.contents.write(body, length, digests(sum, check)...); err != nil {
		return err
	}
	p.sum(u, sum, check)
	if err := q.addPart(p); err != nil {
		return err
	}
	u.Encryption.set(q.w.Header())
	if src.shownID != "" {
		q.w.Header().Set("X-Amz-Copy-Source-Version-Id", src.shownID)
	}
	return q.answer(copyAnswer{
		XMLName: xml.Name{Local: "CopyPartResult"}, Xmlns: s3Namespace,
		LastModified: shownTime(p.Modified), ETag: quoted(p.ETag),
		Checksum: checksum{Algorithm: u.Checksum.Algorithm, Value: p.Checksum}.element(),
	})
}

// sum sets the ETag and the checksum of a part.
func (p *part) sum(u *upload, sum, check hash.Hash) {
	p.Digest = hex.EncodeToString(sum.Sum(nil))
	p.ETag = u.Encryption.etag(sum)
	if check != nil {
		p.Checksum = encodeSum(check)
	}
}

// digests returns the hashes that are not nil.
func digests(all ...hash.Hash) (some []hash.Hash) {
	for _, d := range all {
		if d != nil {
			some = append(some, d)
		}
	}
	return some
}

package s3demo

import (
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

type completeDocument struct {
	XMLName xml.Name        `xml:"CompleteMultipartUpload"`
	Part    []completedPart `xml:"Part"`
}

type completedPart struct {
	PartNumber int
	ETag       string
	CRC32      string `xml:"ChecksumCRC32"`
	CRC32C     string `xml:"ChecksumCRC32C"`
	CRC64NVME  string `xml:"ChecksumCRC64NVME"`
	SHA1       string `xml:"ChecksumSHA1"`
	SHA256     string `xml:"ChecksumSHA256"`
}

// checksums returns the checksums of a listed part, by algorithm.
func (p completedPart) checksums() map[string]string {
	all := map[string]string{"crc32": p.CRC32, "crc32c": p.CRC32C, "crc64nvme": p.CRC64NVME, "sha1": p.SHA1, "sha256": p.SHA256}
	for name, value := range all {
		if value == "" {
			delete(all, name)
		}
	}
	return all
}

type completeAnswer struct {
	XMLName      xml.Name `xml:"CompleteMultipartUploadResult"`
	Xmlns        string   `xml:"xmlns,attr"`
	Location     string
	Bucket       string
	Key          xmlText
	ETag         string
	ChecksumType string `xml:",omitempty"`
	Checksum     *checksumElement
}

// completeUpload answers CompleteMultipartUpload. The object refers to the files of the parts.
func (q *request) completeUpload() error {
	body, err := q.body(false)
	if err != nil {
		return err
	}
	cond, err := q.writeConditions()
	if err != nil {
		return err
	}
	if _, err := q.upload(); err != nil {
		return err
	}
	var in completeDocument
	if err := body.decode(&in); err != nil {
		return err
	}
	v, shownID, err := q.complete(in.Part, cond)
	if err != nil {
		return err
	}
	v.Encryption.set(q.w.Header())
	q.setVersionID(shownID)
	return q.answer(completeAnswer{
		Xmlns: s3Namespace, Location: "http://" + q.r.Host + uriEncode(q.r.URL.Path, true), Bucket: q.bucket,
		Key: encoding("").text(q.key), ETag: quoted(v.ETag), ChecksumType: v.Checksum.kind(), Checksum: v.Checksum.element(),
	})
}

// complete creates the object. Its order is that of the initiation of the upload, so it may be older than the current
// version. The upload ends anyway.
func (q *request) complete(listed []completedPart, cond writeConditions) (v *version, shownID string, err error) {
	s := q.store
	s.mu.Lock()
	defer s.mu.Unlock()
	b, u, err := q.findUpload()
	if err != nil {
		return nil, "", err
	}
	parts, err := u.checkParts(listed)
	if err != nil {
		return nil, "", err
	}
	if v, err = u.object(parts); err != nil {
		return nil, "", err
	}
	if err := checkObject(q.r.Header, v); err != nil {
		return nil, "", err
	}
	cond.began = v.Order
	replaced, err := s.insert(b, q.key, v, cond)
	if err != nil {
		return nil, "", err
	}
	for _, p := range parts {
		delete(u.parts, p.Number) // the object owns them now
	}
	s.endUpload(b, u)
	s.releaseVersions(replaced)
	return v, b.shownID(v.ID), nil
}

// endUpload removes a completed upload.
func (s *Store) endUpload(b *bucket, u *upload) {
	delete(b.uploads, u.ID)
	err := s.removeDir(b.uploadFile(u.ID))
	if err == nil {
		s.contents.release(u.pieces())
		err = b.removeTombstone(s.path("tmp"), string(u.Key))
	}
	if err != nil {
		// The record of the object has the ID of the upload, so the next start removes it.
		s.log.Warn("completed upload not removed, the next start removes it", "key", string(u.Key), "err", err)
	}
}

// checkParts returns the listed parts, after the checks of S3.
func (u *upload) checkParts(listed []completedPart) ([]part, error) {
	if len(listed) == 0 {
		return nil, refuse("MalformedXML")
	}
	for i, w := range listed {
		// S3 documents this for parts with checksums, and computes checksums itself if the client sends none.
		if w.PartNumber != i+1 {
			return nil, refuse("InvalidPartOrder", "UploadId", u.ID)
		}
	}
	var parts []part
	for _, w := range listed {
		p, err := u.checkPart(w)
		if err != nil {
			return nil, err
		}
		parts = append(parts, p)
	}
	for _, p := range parts[:len(parts)-1] {
		if p.Piece.Size < minPartSize {
			return nil, refuse("EntityTooSmall", "ProposedSize", fmt.Sprint(p.Piece.Size), "MinSizeAllowed", fmt.Sprint(minPartSize),
				"PartNumber", fmt.Sprint(p.Number), "ETag", p.ETag)
		}
	}
	return parts, nil
}

// checkPart returns a listed part, after the checks of S3.
func (u *upload) checkPart(w completedPart) (part, error) {
	invalid := refuse("InvalidPart", "UploadId", u.ID, "PartNumber", fmt.Sprint(w.PartNumber), "ETag", strings.Trim(w.ETag, `"`))
	p, ok := u.parts[w.PartNumber]
	if !ok || strings.Trim(w.ETag, `"`) != p.ETag {
		return p, invalid
	}
	sums := w.checksums()
	algorithm := u.Checksum.Algorithm
	if algorithm != "" && sums[algorithm] == "" {
		return p, invalidRequest("The upload was created using a %s checksum. The complete request must include the checksum for each part. "+
			"It was missing for part %d in the request.", algorithm, w.PartNumber)
	}
	for name, value := range sums {
		if name != algorithm || value != p.Checksum {
			return p, invalid
		}
	}
	return p, nil
}

// object returns the object made of parts.
func (u *upload) object(parts []part) (*version, error) {
	v := u.version
	sums := md5.New()
	for _, p := range parts {
		digest := p.Digest
		if digest == "" {
			digest = p.ETag
		}
		sum, err := hex.DecodeString(digest)
		if err != nil {
			return nil, fmt.Errorf("part %d of upload %s: %w", p.Number, u.ID, err)
		}
		sums.Write(sum)
		v.Pieces = append(v.Pieces, p.Piece)
	}
	v.ETag = u.Encryption.etag(sums) + "-" + strconv.Itoa(len(parts))
	var err error
	if v.Checksum.Algorithm != "" {
		v.Checksum, err = u.Checksum.combineParts(parts)
	}
	return &v, err
}

// checkObject returns an error unless the object has the size and checksum in the headers of the request.
func checkObject(h http.Header, v *version) error {
	if text := h.Get("X-Amz-Mp-Object-Size"); text != "" {
		size, err := strconv.ParseInt(text, 10, 64)
		if err != nil || size < 0 {
			return invalidRequest("Value for x-amz-mp-object-size header is invalid.")
		}
		if size != v.size() {
			return invalidRequest("The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", size, v.size())
		}
	}
	if kind := h.Get("X-Amz-Checksum-Type"); kind != "" && kind != v.Checksum.kind() {
		return refuse("BadDigest").withMessage("The upload was created using the %s checksum mode. The complete request must use the same checksum mode.", v.Checksum.kind())
	}
	sent, err := sentChecksum(h)
	switch {
	case err != nil:
		return err
	case sent.Algorithm == "":
		return nil
	case sent.Algorithm != v.Checksum.Algorithm:
		return invalidRequest("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", v.Checksum.Algorithm, sent.Algorithm)
	}
	bare, _, _ := strings.Cut(v.Checksum.Value, "-")
	if sent.Value != v.Checksum.Value && (!v.Checksum.Composite || sent.Value != bare) {
		return refuse("BadDigest").withMessage("The %s you specified did not match the calculated checksum.", sent.Algorithm)
	}
	return nil
}

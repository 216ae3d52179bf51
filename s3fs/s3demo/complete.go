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

// checksums returns the checksums of a part in the list, by algorithm.
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

// completeUpload answers CompleteMultipartUpload. The object is made of the parts as they lie on the disk.
func (q *request) completeUpload() error {
	body, err := q.body(false)
	if err != nil {
		return err
	}
	only, err := q.writeConditions()
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
	v, shownID, err := q.complete(in.Part, only)
	if err != nil {
		return err
	}
	v.Encryption.set(q.w.Header())
	q.tellID(shownID)
	return q.answer(completeAnswer{
		Xmlns: s3Namespace, Location: "http://" + q.r.Host + uriEncode(q.r.URL.Path, true), Bucket: q.bucket,
		Key: encoding("").text(q.key), ETag: quoted(v.ETag), ChecksumType: v.Checksum.kind(), Checksum: v.Checksum.element(),
	})
}

// complete makes the object. It takes the place that the initiation of the upload gives it, which is not always that of
// the current version: the upload ends all the same.
func (q *request) complete(wanted []completedPart, only writeConditions) (v *version, shownID string, err error) {
	s := q.store
	s.mu.Lock()
	defer s.mu.Unlock()
	b, u, err := q.findUpload()
	if err != nil {
		return nil, "", err
	}
	parts, err := u.choose(wanted)
	if err != nil {
		return nil, "", err
	}
	if v, err = u.object(parts); err != nil {
		return nil, "", err
	}
	if err := checkObject(q.r.Header, v); err != nil {
		return nil, "", err
	}
	only.begun = v.Order
	replaced, err := s.insert(b, q.key, v, only)
	if err != nil {
		return nil, "", err
	}
	for _, p := range parts {
		delete(u.parts, p.Number) // the object holds them now
	}
	s.end(b, u)
	s.drop(replaced)
	return v, b.shownID(v.ID), nil
}

// end ends an upload that has been completed.
func (s *Store) end(b *bucket, u *upload) {
	delete(b.uploads, u.ID)
	err := s.discard(b.uploadFile(u.ID))
	if err == nil {
		s.contents.drop(u.pieces())
		err = b.sweep(s.path("tmp"), string(u.Key))
	}
	if err != nil {
		// The record says which upload it was made by, so the next start knows that this one has ended.
		s.log.Warn("removing a completed upload is left to the next start", "key", string(u.Key), "err", err)
	}
}

// choose returns the parts that a client lists, after the checks that S3 makes.
func (u *upload) choose(wanted []completedPart) ([]part, error) {
	if len(wanted) == 0 {
		return nil, refuse("MalformedXML")
	}
	for i, w := range wanted {
		// S3 says so of uploads whose parts have checksums; it computes them itself where the client sends none.
		if w.PartNumber != i+1 {
			return nil, refuse("InvalidPartOrder", "UploadId", u.ID)
		}
	}
	var parts []part
	for _, w := range wanted {
		p, err := u.choosePart(w)
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

// choosePart returns the part that a client means.
func (u *upload) choosePart(w completedPart) (part, error) {
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

// object returns the object that the parts make.
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
		v.Checksum, err = u.Checksum.sumParts(parts)
	}
	return &v, err
}

// checkObject returns an error unless a completed upload makes the object that the client says it does.
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
		return refuse("BadDigest").saying("The upload was created using the %s checksum mode. The complete request must use the same checksum mode.", v.Checksum.kind())
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
		return refuse("BadDigest").saying("The %s you specified did not match the calculated checksum.", sent.Algorithm)
	}
	return nil
}

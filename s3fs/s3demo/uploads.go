package s3demo

import (
	"crypto/md5"
	"encoding/xml"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// An upload is an open multipart upload. Its directory has its record and those of its parts.
type upload struct {
	ID      string          `json:"id"`
	Key     escaped         `json:"key"`
	version `json:"object"` // the future object, with the order and time of the initiation

	parts map[int]part
}

// A part is a completely received part.
type part struct {
	Number   int       `json:"number"`
	ETag     string    `json:"etag"`
	Digest   string    `json:"digest,omitempty"`   // MD5, in hexadecimal; "" = the ETag
	Checksum string    `json:"checksum,omitempty"` // in base64, by the algorithm of the upload
	Modified time.Time `json:"modified"`
	Piece    piece     `json:"piece"`
}

const (
	maxPartNumber = 10_000
	minPartSize   = 5 << 20 // of all parts but the last
)

func (u *upload) pieces() (all []piece) {
	for _, p := range u.parts {
		all = append(all, p.Piece)
	}
	return all
}

func (b *bucket) uploadFile(id string, elem ...string) string {
	return filepath.Join(append([]string{b.dir, "uploads", id}, elem...)...)
}

// loadUploads reads the open uploads. It removes completed ones, which remain if the process was killed just after
// CompleteMultipartUpload.
func (b *bucket) loadUploads(completed map[string]bool, used map[string]int) error {
	dirs, err := os.ReadDir(filepath.Join(b.dir, "uploads"))
	if err != nil {
		return err
	}
	for _, d := range dirs {
		u, err := load[upload](b.uploadFile(d.Name(), "upload"))
		if os.IsNotExist(err) || err == nil && completed[u.ID] {
			if err := os.RemoveAll(b.uploadFile(d.Name())); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return err
		}
		u.parts = map[int]part{}
		err = loadAll(b.uploadFile(u.ID), func(p *part) {
			u.parts[p.Number] = *p
			used[p.Piece.ID]++
		})
		if err != nil {
			return err
		}
		b.uploads[u.ID] = u
	}
	return nil
}

// findUpload returns the upload of the request and its bucket. The caller must hold s.mu.
func (q *request) findUpload() (*bucket, *upload, error) {
	b, err := q.store.bucket(q.bucket)
	if err != nil {
		return nil, nil, err
	}
	id := q.query.Get("uploadId")
	u := b.uploads[id]
	if u == nil || string(u.Key) != q.key {
		return nil, nil, refuse("NoSuchUpload", "UploadId", id)
	}
	return b, u, nil
}

// upload returns the upload of the request. Without s.mu, the caller must use only its immutable fields.
func (q *request) upload() (*upload, error) {
	q.store.mu.RLock()
	defer q.store.mu.RUnlock()
	_, u, err := q.findUpload()
	return u, err
}

type uploadCreated struct {
	XMLName  xml.Name `xml:"InitiateMultipartUploadResult"`
	Xmlns    string   `xml:"xmlns,attr"`
	Bucket   string
	Key      xmlText
	UploadID string `xml:"UploadId"`
}

// createUpload answers CreateMultipartUpload. Upload IDs are sorted by initiation.
func (q *request) createUpload() error {
	v, err := q.newVersion()
	if err != nil {
		return err
	}
	if v.Checksum, err = wantedChecksum(q.r.Header); err != nil {
		return err
	}
	s := q.store
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(q.bucket)
	if err != nil {
		return err
	}
	v.Order = s.nextOrder()
	v.Modified = time.Unix(0, v.Order).UTC().Truncate(time.Second)
	u := &upload{ID: fmt.Sprintf("%016x%s", v.Order, randomID(18)), Key: escaped(q.key), version: *v, parts: map[int]part{}}
	u.Upload = u.ID
	if err := os.Mkdir(b.uploadFile(u.ID), 0o700); err != nil {
		return err
	}
	if err := save(s.path("tmp"), b.uploadFile(u.ID, "upload"), u); err != nil {
		return err
	}
	b.uploads[u.ID] = u
	u.Encryption.set(q.w.Header())
	if u.Checksum.Algorithm != "" {
		q.w.Header().Set("X-Amz-Checksum-Algorithm", strings.ToUpper(u.Checksum.Algorithm))
		q.w.Header().Set("X-Amz-Checksum-Type", u.Checksum.kind())
	}
	return q.answer(uploadCreated{Xmlns: s3Namespace, Bucket: q.bucket, Key: encoding("").text(q.key), UploadID: u.ID})
}

// partNumber parses the number of a part.
func partNumber(query url.Values) (int, error) {
	text := query.Get("partNumber")
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > maxPartNumber {
		return 0, invalidArgument("partNumber", text, fmt.Sprintf("Part number must be an integer between 1 and %d, inclusive", maxPartNumber))
	}
	return n, nil
}

// uploadPart answers UploadPart and UploadPartCopy.
func (q *request) uploadPart() error {
	number, err := partNumber(q.query)
	if err != nil {
		return err
	}
	if q.r.Header.Get("X-Amz-Copy-Source") != "" {
		return q.uploadPartCopy(number)
	}
	u, err := q.upload()
	if err != nil {
		return err
	}
	body, err := q.content()
	if err != nil {
		return err
	}
	if err := u.checkAlgorithm(body.checksum.Algorithm); err != nil {
		return err
	}
	sum, check := md5.New(), newChecksum(u.Checksum.Algorithm)
	p := part{Number: number}
	if p.Piece, err = q.store.contents.write(body, body.size, digests(sum, check)...); err != nil {
		return err
	}
	p.Modified = time.Now().UTC().Truncate(time.Second)
	p.sum(u, sum, check)
	if err := q.addPart(p); err != nil {
		return err
	}
	q.w.Header().Set("ETag", quoted(p.ETag))
	if u.Checksum.Algorithm != "" {
		q.w.Header().Set(checksumPrefix+u.Checksum.Algorithm, p.Checksum)
	}
	u.Encryption.set(q.w.Header())
	return nil
}

// checkAlgorithm refuses a part with a checksum of another algorithm than the upload's. A part without a checksum is refused
// if the upload has composite checksums.
func (u *upload) checkAlgorithm(sent string) error {
	want := u.Checksum.Algorithm
	if sent == want || sent == "" && !u.Checksum.Composite {
		return nil
	}
	name := func(algorithm string) string {
		if algorithm == "" {
			return "null"
		}
		return algorithm
	}
	return invalidRequest("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s", name(want), name(sent))
}

// addPart adds p to the upload. If the upload ended while the part was received, addPart releases the part and fails.
func (q *request) addPart(p part) error {
	s := q.store
	s.mu.Lock()
	defer s.mu.Unlock()
	b, u, err := q.findUpload()
	if err == nil {
		err = save(s.path("tmp"), b.uploadFile(u.ID, fmt.Sprintf("%05d.json", p.Number)), p)
	}
	if err != nil {
		s.contents.release([]piece{p.Piece})
		return err
	}
	if old, ok := u.parts[p.Number]; ok {
		s.contents.release([]piece{old.Piece})
	}
	u.parts[p.Number] = p
	return nil
}

// abortUpload answers AbortMultipartUpload.
func (q *request) abortUpload() error {
	s := q.store
	s.mu.Lock()
	defer s.mu.Unlock()
	b, u, err := q.findUpload()
	if err != nil {
		return err
	}
	if err := s.removeDir(b.uploadFile(u.ID)); err != nil {
		return err
	}
	delete(b.uploads, u.ID)
	s.contents.release(u.pieces())
	q.w.WriteHeader(http.StatusNoContent)
	return b.removeTombstone(s.path("tmp"), q.key)
}

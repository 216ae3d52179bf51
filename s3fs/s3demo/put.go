package s3demo

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"time"
)

// putObject answers PutObject and CopyObject.
func (q *request) putObject() error {
	if q.r.Header.Get("X-Amz-Copy-Source") != "" {
		return q.copyObject()
	}
	v, err := q.newVersion()
	if err != nil {
		return err
	}
	cond, err := q.writeConditions()
	if err != nil {
		return err
	}
	if err := q.requireBucket(); err != nil {
		return err
	}
	body, err := q.content()
	if err != nil {
		return err
	}
	defer q.keepTombstones(cond)()
	sum := md5.New()
	p, err := q.store.contents.write(body, body.size, sum)
	if err != nil {
		return err
	}
	v.Pieces, v.Checksum = []piece{p}, body.checksum
	v.ETag = v.Encryption.etag(sum)
	v.Modified = time.Now().UTC().Truncate(time.Second)
	if err := q.publish(v, cond); err != nil {
		return err
	}
	q.w.Header().Set("ETag", quoted(v.ETag))
	v.Checksum.set(q.w.Header())
	q.setVersionHeaders(v)
	return nil
}

// etag returns the ETag of an object or part that was written in one request.
func (e encryption) etag(sum hash.Hash) string {
	if e.opaque() {
		return hex.EncodeToString([]byte(randomID(12)))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// content returns the body of a request that stores it. The size must be known and within the limit.
func (q *request) content() (*payload, error) {
	body, err := q.body(true)
	if err != nil {
		return nil, err
	}
	limit := q.store.options.MaxPutSize
	switch {
	case body.size < 0:
		return nil, refuse("MissingContentLength")
	case body.size > limit:
		return nil, refuse("EntityTooLarge", "ProposedSize", fmt.Sprint(body.size), "MaxSizeAllowed", fmt.Sprint(limit))
	}
	return body, nil
}

// publish makes v a version of the key if the conditions are met. Otherwise it releases the content of v.
func (q *request) publish(v *version, cond writeConditions) error {
	q.store.mu.Lock()
	defer q.store.mu.Unlock()
	b, err := q.store.bucket(q.bucket)
	if err == nil {
		v.Order = q.store.nextOrder()
		var replaced []*version
		replaced, err = q.store.insert(b, q.key, v, cond)
		q.store.releaseVersions(replaced)
	}
	if err != nil {
		q.store.releaseVersions([]*version{v})
	}
	return err
}

// insert makes v, which must have its order, a version of the key. It returns the replaced versions, which is v itself if
// a newer one exists. The caller must hold s.mu, and release them.
func (s *Store) insert(b *bucket, key string, v *version, cond writeConditions) (replaced []*version, err error) {
	rec, err := b.record(key)
	if err != nil {
		return nil, err
	}
	if err := cond.check(rec); err != nil {
		return nil, err
	}
	v.ID = b.newVersionID()
	replaced = rec.insert(v)
	if err := b.store(s.path("tmp"), rec); err != nil {
		return nil, err
	}
	return replaced, nil
}

// setVersionHeaders sets the response headers for a new version. The caller must not hold s.mu.
func (q *request) setVersionHeaders(v *version) {
	v.Encryption.set(q.w.Header())
	q.setVersionID(q.shownID(v))
}

// shownID returns x-amz-version-id for a version, or "".
func (q *request) shownID(v *version) string {
	q.store.mu.RLock()
	defer q.store.mu.RUnlock()
	if b := q.store.buckets[q.bucket]; b != nil {
		return b.shownID(v.ID)
	}
	return ""
}

// digest adds the content of pieces to the digests. The caller must have a reference to the pieces.
func (c *contents) digest(pieces []piece, digests ...hash.Hash) error {
	w := make([]io.Writer, len(digests))
	length := int64(0)
	for i, d := range digests {
		w[i] = d
	}
	for _, p := range pieces {
		length += p.Size
	}
	c.retain(pieces)
	r := c.read(pieces, 0, length)
	defer r.Close()
	_, err := io.CopyBuffer(io.MultiWriter(w...), struct{ io.Reader }{r}, make([]byte, bufferSize(length)))
	return err
}

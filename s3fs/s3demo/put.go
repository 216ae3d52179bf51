package s3demo

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"time"
)

// putObject answers PutObject, and CopyObject where there is a source.
func (q *request) putObject() error {
	if q.r.Header.Get("X-Amz-Copy-Source") != "" {
		return q.copyObject()
	}
	v, err := q.describe()
	if err != nil {
		return err
	}
	only, err := q.writeConditions()
	if err != nil {
		return err
	}
	if err := q.needBucket(); err != nil {
		return err
	}
	body, err := q.content()
	if err != nil {
		return err
	}
	defer q.await(only)()
	sum := md5.New()
	p, err := q.store.contents.write(body, body.size, sum)
	if err != nil {
		return err
	}
	v.Pieces, v.Checksum = []piece{p}, body.sent
	v.ETag = v.Encryption.etag(sum)
	v.Modified = time.Now().UTC().Truncate(time.Second)
	if err := q.publish(v, only); err != nil {
		return err
	}
	q.w.Header().Set("ETag", quoted(v.ETag))
	v.Checksum.set(q.w.Header())
	q.tellVersion(v)
	return nil
}

// etag returns the ETag of what was written in one request.
func (e encryption) etag(sum hash.Hash) string {
	if e.opaque() {
		return hex.EncodeToString([]byte(randomID(12)))
	}
	return hex.EncodeToString(sum.Sum(nil))
}

// content returns the body of a request that stores it, whose size must be said and must not be too large.
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

// publish makes v a version of the key, where the conditions agree. If not, its content is dropped.
func (q *request) publish(v *version, only writeConditions) error {
	q.store.mu.Lock()
	defer q.store.mu.Unlock()
	b, err := q.store.bucket(q.bucket)
	if err == nil {
		v.Order = q.store.tick()
		var replaced []*version
		replaced, err = q.store.insert(b, q.key, v, only)
		q.store.drop(replaced)
	}
	if err != nil {
		q.store.drop([]*version{v})
	}
	return err
}

// insert makes v, whose order is set, a version of the key. It returns the versions that are replaced, v itself if it is
// outranked by a newer one. The caller holds s.mu, and drops them.
func (s *Store) insert(b *bucket, key string, v *version, only writeConditions) (replaced []*version, err error) {
	rec, err := b.record(key)
	if err != nil {
		return nil, err
	}
	if err := only.check(rec); err != nil {
		return nil, err
	}
	v.ID = b.newVersionID()
	replaced = rec.insert(v)
	if err := b.store(s.path("tmp"), rec); err != nil {
		return nil, err
	}
	return replaced, nil
}

// tellVersion writes the headers that the answer to a write has of the new version. The caller does not hold s.mu.
func (q *request) tellVersion(v *version) {
	v.Encryption.set(q.w.Header())
	q.tellID(q.shownID(v))
}

// shownID returns what x-amz-version-id is to be, or "".
func (q *request) shownID(v *version) string {
	q.store.mu.RLock()
	defer q.store.mu.RUnlock()
	if b := q.store.buckets[q.bucket]; b != nil {
		return b.shownID(v.ID)
	}
	return ""
}

// digest reads pieces through the digests. The caller holds the pieces.
func (c *contents) digest(pieces []piece, digests ...hash.Hash) error {
	w := make([]io.Writer, len(digests))
	length := int64(0)
	for i, d := range digests {
		w[i] = d
	}
	for _, p := range pieces {
		length += p.Size
	}
	c.hold(pieces)
	r := c.read(pieces, 0, length)
	defer r.Close()
	_, err := io.CopyBuffer(io.MultiWriter(w...), struct{ io.Reader }{r}, make([]byte, bufferSize(length)))
	return err
}

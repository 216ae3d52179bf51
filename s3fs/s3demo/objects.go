package s3demo

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"io"
	"maps"
	"net/http"
	"strings"

	"github.com/rclone/gofakes3"
)

// backend is the store as the library sees it, which calls these methods from the goroutine of each request.
type backend struct{ *Store }

var (
	_ gofakes3.Backend              = backend{}
	_ gofakes3.MultipartBackend     = backend{}
	_ gofakes3.ObjectTaggingBackend = backend{}
)

// GetObject implements gofakes3.Backend.
func (b backend) GetObject(ctx context.Context, bucket, key string, want *gofakes3.ObjectRangeRequest) (*gofakes3.Object, error) {
	rec, err := b.hold(bucket, key)
	if err != nil {
		return nil, err
	}
	span, err := rangeOf(want, rec.size())
	if err == nil {
		err = conditionsFrom(ctx).source(rec.ETag)
	}
	if err != nil {
		b.contents.drop(rec.Pieces)
		return nil, err
	}
	offset, length := int64(0), rec.size()
	if span != nil {
		offset, length = span.Start, span.Length
	}
	o := describe(rec)
	o.Range = span
	o.Contents = b.contents.read(rec.Pieces, offset, length)
	return o, nil
}

// hold reads a record and holds its pieces, so that they stay when the object goes.
func (s *Store) hold(bucketName, key string) (*record, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	b, err := s.bucket(bucketName)
	if err != nil {
		return nil, err
	}
	rec, err := b.find(key)
	if err != nil {
		return nil, err
	}
	s.contents.hold(rec.Pieces)
	return rec, nil
}

// rangeOf resolves a Range header. A suffix longer than the object is all of it.
func rangeOf(want *gofakes3.ObjectRangeRequest, size int64) (*gofakes3.ObjectRange, error) {
	if want != nil && want.FromEnd && want.End > size && size > 0 {
		return &gofakes3.ObjectRange{Start: 0, Length: size}, nil
	}
	return want.Range(size)
}

// HeadObject implements gofakes3.Backend. In DeleteObjects there is nothing to see: the library would look at conditions before
// it deletes, and DeleteMulti does as it deletes.
func (b backend) HeadObject(ctx context.Context, bucketName, key string) (*gofakes3.Object, error) {
	if versionsFrom(ctx) != nil {
		return nil, gofakes3.KeyNotFound(key)
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	bucket, err := b.bucket(bucketName)
	if err != nil {
		return nil, err
	}
	rec, err := bucket.find(key)
	if err != nil {
		return nil, err
	}
	return describe(rec), nil
}

// describe returns an object without its content.
func describe(rec *record) *gofakes3.Object {
	o := &gofakes3.Object{
		Name:     string(rec.Key),
		Metadata: rec.headers(),
		Size:     rec.size(),
		Contents: http.NoBody,
	}
	o.Hash, _ = hex.DecodeString(libraryETag(rec.ETag))
	if strings.Contains(rec.ETag, "-") {
		for _, p := range rec.Pieces {
			o.PartSizes = append(o.PartSizes, p.Size)
		}
	}
	return o
}

// PutObject implements gofakes3.Backend.
func (b backend) PutObject(ctx context.Context, bucket, key string, meta map[string]string, input io.Reader, size int64) (gofakes3.PutObjectResult, error) {
	sum := md5.New()
	p, err := b.contents.write(input, size, sum)
	if err != nil {
		return gofakes3.PutObjectResult{}, err
	}
	rec := newRecord(key, storedMeta(meta))
	rec.ETag, rec.Pieces = hex.EncodeToString(sum.Sum(nil)), []piece{p}
	maps.Copy(rec.Meta, trailersFrom(ctx))
	return gofakes3.PutObjectResult{ETag: quoted(rec.ETag)}, b.publish(bucket, rec, func(exists bool, etag string) error {
		return gofakes3.CheckWriteConditions(ctx, exists, libraryETag(etag))
	})
}

// publish makes rec the object of its key where allowed agrees to what is there. If not, the pieces are dropped.
func (s *Store) publish(bucketName string, rec *record, allowed func(exists bool, etag string) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(bucketName)
	if err == nil {
		err = s.replace(b, rec, allowed)
	}
	if err != nil {
		s.contents.drop(rec.Pieces)
	}
	return err
}

// replace is publish for a caller that holds s.mu, and keeps the pieces when it fails.
func (s *Store) replace(b *bucket, rec *record, allowed func(exists bool, etag string) error) error {
	now, exists := b.entries[string(rec.Key)]
	if err := allowed(exists, now.etag); err != nil {
		return err
	}
	old, err := b.put(s.path("tmp"), rec)
	if err == nil {
		s.contents.drop(old)
	}
	return err
}

// CopyObject implements gofakes3.Backend. The copy shares its pieces with the source.
func (b backend) CopyObject(ctx context.Context, srcBucket, srcKey, dstBucket, dstKey string, meta map[string]string) (gofakes3.CopyObjectResult, error) {
	src, err := b.hold(srcBucket, srcKey)
	if err != nil {
		return gofakes3.CopyObjectResult{}, err
	}
	rec := newRecord(dstKey, storedMeta(meta))
	rec.ETag, rec.Pieces = src.ETag, src.Pieces
	for name, value := range src.Meta {
		if strings.HasPrefix(name, checksumPrefix) {
			rec.Meta[name] = value
		}
	}
	err = b.publish(dstBucket, rec, func(exists bool, etag string) error {
		return conditionsFrom(ctx).copy(src.ETag, exists, etag)
	})
	return gofakes3.CopyObjectResult{
		ETag:         quoted(rec.ETag),
		LastModified: gofakes3.NewContentTime(rec.Modified),
	}, err
}

// DeleteObject implements gofakes3.Backend.
func (b backend) DeleteObject(ctx context.Context, bucket, key string) (gofakes3.ObjectDeleteResult, error) {
	return gofakes3.ObjectDeleteResult{}, b.remove(bucket, key, conditionsFrom(ctx))
}

// remove deletes an object, if the conditions are met. It is no error when there is none.
func (s *Store) remove(bucketName, key string, only conditions) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b, err := s.bucket(bucketName)
	if err != nil {
		return err
	}
	if now, exists := b.entries[key]; exists {
		if err := only.delete(now.etag); err != nil {
			return err
		}
	}
	pieces, err := b.remove(key)
	s.contents.drop(pieces)
	return err
}

// DeleteMulti implements gofakes3.Backend.
func (b backend) DeleteMulti(ctx context.Context, bucket string, keys ...string) (gofakes3.MultiDeleteResult, error) {
	var out gofakes3.MultiDeleteResult
	for _, key := range keys {
		only := conditions{http.Header{"If-Match": {versionsFrom(ctx)[key]}}}
		if err := b.remove(bucket, key, only); err != nil {
			failed := gofakes3.ErrorResultFromError(err)
			failed.Key = key
			out.Error = append(out.Error, failed)
			continue
		}
		out.Deleted = append(out.Deleted, gofakes3.ObjectID{Key: key})
	}
	return out, nil
}

// SetObjectTagging implements gofakes3.ObjectTaggingBackend.
func (b backend) SetObjectTagging(_ context.Context, bucketName, key, tagging string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	bucket, err := b.bucket(bucketName)
	if err != nil {
		return err
	}
	rec, err := bucket.find(key)
	if err != nil {
		return err
	}
	if rec.Meta == nil {
		rec.Meta = map[string]escaped{}
	}
	rec.Meta[gofakes3.TaggingMetadataKey] = escaped(tagging)
	if tagging == "" {
		delete(rec.Meta, gofakes3.TaggingMetadataKey)
	}
	return save(b.path("tmp"), bucket.recordFile(key), rec)
}

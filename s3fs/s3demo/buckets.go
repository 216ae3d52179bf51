package s3demo

import (
	"context"
	"os"
	"path/filepath"

	"github.com/rclone/gofakes3"
)

// ListBuckets implements gofakes3.Backend.
func (b backend) ListBuckets(context.Context) ([]gofakes3.BucketInfo, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	var all []gofakes3.BucketInfo
	for _, bucket := range b.buckets {
		all = append(all, gofakes3.BucketInfo{Name: bucket.name, CreationDate: gofakes3.NewContentTime(bucket.created)})
	}
	return all, nil
}

// BucketExists implements gofakes3.Backend.
func (b backend) BucketExists(_ context.Context, name string) (bool, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	return b.buckets[name] != nil, nil
}

// CreateBucket implements gofakes3.Backend.
func (b backend) CreateBucket(_ context.Context, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.buckets[name] != nil {
		return gofakes3.ResourceError(gofakes3.ErrBucketAlreadyExists, name)
	}
	return b.addBucket(name)
}

// DeleteBucket implements gofakes3.Backend. Uploads that run in the bucket end with it.
func (b backend) DeleteBucket(_ context.Context, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	bucket, err := b.bucket(name)
	if err != nil {
		return err
	}
	if len(bucket.keys) > 0 {
		return gofakes3.ResourceError(gofakes3.ErrBucketNotEmpty, name)
	}
	if err := b.discard(bucket.dir); err != nil {
		return err
	}
	delete(b.buckets, name)
	for _, u := range bucket.uploads {
		b.contents.drop(u.pieces())
	}
	return nil
}

// discard deletes a directory in one step, as far as a later run can see.
func (s *Store) discard(dir string) error {
	grave, err := os.MkdirTemp(s.path("tmp"), "discarded-*")
	if err != nil {
		return err
	}
	if err := os.Rename(dir, filepath.Join(grave, "dir")); err != nil {
		return err
	}
	if err := os.RemoveAll(grave); err != nil {
		s.log.Warn("sweeping is left to the next start", "err", err)
	}
	return nil
}

package s3demo

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rclone/gofakes3"
)

// A bucket knows its keys in order and what a listing says of each. Store.mu guards it.
type bucket struct {
	name    string
	dir     string
	created time.Time
	keys    []string // sorted by bytes
	entries map[string]entry
	uploads map[string]*upload // by upload ID
}

// An entry is what a listing says of an object.
type entry struct {
	size     int64
	etag     string
	modified time.Time
}

// makeBucket makes the directories of a new bucket, or those that a killed process did not come to make.
func makeBucket(dir string) (*bucket, error) {
	for _, d := range []string{"objects", "uploads"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			return nil, err
		}
	}
	info, err := os.Stat(dir)
	if err != nil {
		return nil, err
	}
	return &bucket{
		name:    filepath.Base(dir),
		dir:     dir,
		created: info.ModTime(),
		entries: map[string]entry{},
		uploads: map[string]*upload{},
	}, nil
}

// loadBucket reads the bucket in dir, and counts in used who holds which piece.
func loadBucket(dir string, used map[string]int) (*bucket, error) {
	b, err := makeBucket(dir)
	if err != nil {
		return nil, err
	}
	completed := map[string]bool{}
	err = loadAll(filepath.Join(dir, "objects"), func(rec *record) {
		b.keys = append(b.keys, string(rec.Key))
		b.entries[string(rec.Key)] = entry{rec.size(), rec.ETag, rec.Modified}
		completed[rec.Upload] = true
		for _, p := range rec.Pieces {
			used[p.ID]++
		}
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(b.keys)
	return b, b.loadUploads(completed, used)
}

func (b *bucket) recordFile(key string) string {
	return filepath.Join(b.dir, "objects", recordName(key))
}

// find reads the record of an object.
func (b *bucket) find(key string) (*record, error) {
	if _, ok := b.entries[key]; !ok {
		return nil, gofakes3.KeyNotFound(key)
	}
	return load[record](b.recordFile(key))
}

// put makes rec the record of its key, and returns the pieces of the object that it replaces.
func (b *bucket) put(tmp string, rec *record) ([]piece, error) {
	key := string(rec.Key)
	var old []piece
	if _, exists := b.entries[key]; exists {
		before, err := b.find(key)
		if err != nil {
			return nil, err
		}
		old = before.Pieces
	}
	if err := save(tmp, b.recordFile(key), rec); err != nil {
		return nil, err
	}
	if _, exists := b.entries[key]; !exists {
		i, _ := slices.BinarySearch(b.keys, key)
		b.keys = slices.Insert(b.keys, i, key)
	}
	b.entries[key] = entry{rec.size(), rec.ETag, rec.Modified}
	return old, nil
}

// remove deletes an object, and returns its pieces. It is no error when there is none.
func (b *bucket) remove(key string) ([]piece, error) {
	if _, exists := b.entries[key]; !exists {
		return nil, nil
	}
	rec, err := b.find(key)
	if err != nil {
		return nil, err
	}
	if err := os.Remove(b.recordFile(key)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if i, found := slices.BinarySearch(b.keys, key); found {
		b.keys = slices.Delete(b.keys, i, i+1)
	}
	delete(b.entries, key)
	return rec.Pieces, nil
}

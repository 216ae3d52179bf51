package s3demo

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A bucket is the state of a bucket, with an index for listings. Store.mu guards it.
type bucket struct {
	name    string
	dir     string
	created time.Time

	settings   settings
	current    index            // keys with an object
	versioned  index            // keys with a version or a delete marker
	tombstones map[string]bool  // keys with a tombstone
	entries    map[string]entry // of the keys in current
	uploads    map[string]*upload
	writing    map[string]int // conditional writes in progress, by key
}

// settings are the content of the bucket's settings file.
type settings struct {
	Versioning string          `json:"versioning,omitempty"` // "" = never enabled, or Enabled, or Suspended
	Lifecycle  []lifecycleRule `json:"lifecycle,omitempty"`
}

// An entry is an object in a listing.
type entry struct {
	size      int64
	etag      string
	modified  time.Time
	class     string
	algorithm string // of the checksum, in lower case
	composite bool
}

// makeBucket returns the bucket in dir. It creates missing directories, for a new bucket or after the process was killed.
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
	b := &bucket{
		name:       filepath.Base(dir),
		dir:        dir,
		created:    info.ModTime(),
		entries:    map[string]entry{},
		tombstones: map[string]bool{},
		uploads:    map[string]*upload{},
		writing:    map[string]int{},
	}
	saved, err := load[settings](b.settingsFile())
	if errors.Is(err, os.ErrNotExist) {
		return b, nil
	}
	if err == nil {
		b.settings = *saved
	}
	return b, err
}

// loadBucket loads the bucket in dir, and counts the references to each piece in used. It returns the highest order in use.
func loadBucket(dir string, used map[string]int) (b *bucket, last int64, err error) {
	if b, err = makeBucket(dir); err != nil {
		return nil, 0, err
	}
	completed := map[string]bool{}
	err = loadAll(filepath.Join(dir, "objects"), func(rec *record) {
		for _, v := range rec.Versions {
			last = max(last, v.Order)
			completed[v.Upload] = true
			for _, p := range v.Pieces {
				used[p.ID]++
			}
		}
		b.updateIndex(rec)
	})
	if err != nil {
		return nil, 0, err
	}
	if err := b.loadUploads(completed, used); err != nil {
		return nil, 0, err
	}
	for _, u := range b.uploads {
		last = max(last, u.Order)
	}
	return b, last, nil
}

func (b *bucket) recordFile(key string) string {
	return filepath.Join(b.dir, "objects", recordName(key))
}

func (b *bucket) settingsFile() string { return filepath.Join(b.dir, "settings") }

// record loads the record of a key. If there is none, it returns a record without versions.
func (b *bucket) record(key string) (*record, error) {
	rec, err := load[record](b.recordFile(key))
	if errors.Is(err, os.ErrNotExist) {
		return &record{Key: escaped(key)}, nil
	}
	return rec, err
}

// store writes the record of a key, or deletes it if it has no versions. It removes a tombstone that no write in progress
// needs any more.
func (b *bucket) store(tmp string, rec *record) error {
	key := string(rec.Key)
	rec.remove(func(v *version) bool { return v.Kind == tombstone && !b.needsTombstone(key, v.Order) })
	if len(rec.Versions) == 0 {
		if err := os.Remove(b.recordFile(key)); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	} else if err := save(tmp, b.recordFile(key), rec); err != nil {
		return err
	}
	b.updateIndex(rec)
	return nil
}

// updateIndex updates the index of the bucket from a record.
func (b *bucket) updateIndex(rec *record) {
	key := string(rec.Key)
	delete(b.entries, key)
	delete(b.tombstones, key)
	listed := false
	for _, v := range rec.Versions {
		if v.Kind == tombstone {
			b.tombstones[key] = true
		} else {
			listed = true
		}
	}
	b.versioned.set(key, listed)
	v := rec.current()
	b.current.set(key, v != nil)
	if v != nil {
		b.entries[key] = entry{v.size(), v.ETag, v.Modified, v.Class, v.Checksum.Algorithm, v.Checksum.Composite}
	}
}

// needsTombstone reports whether a write of the key is in progress that began before its deletion.
func (b *bucket) needsTombstone(key string, deleted int64) bool {
	if b.writing[key] > 0 {
		return true
	}
	for _, u := range b.uploads {
		if string(u.Key) == key && u.Order < deleted {
			return true
		}
	}
	return false
}

// removeTombstone removes the tombstone of a key unless a write in progress needs it.
func (b *bucket) removeTombstone(tmp, key string) error {
	if !b.tombstones[key] {
		return nil
	}
	rec, err := b.record(key)
	if err != nil {
		return err
	}
	return b.store(tmp, rec)
}

// newVersionID returns the ID for a new version.
func (b *bucket) newVersionID() string {
	if b.settings.Versioning == "Enabled" {
		return randomID(24)
	}
	return nullID
}

// shownID returns the x-amz-version-id of a response, or "" for none.
func (b *bucket) shownID(id string) string {
	if b.settings.Versioning == "" {
		return ""
	}
	return id
}

// An index is a sorted set of keys.
type index []string

// set adds a key or removes it.
func (x *index) set(key string, member bool) {
	i, found := slices.BinarySearch(*x, key)
	switch {
	case member && !found:
		*x = slices.Insert(*x, i, key)
	case !member && found:
		*x = slices.Delete(*x, i, i+1)
	}
}

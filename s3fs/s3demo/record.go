package s3demo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// A record is the metadata of a key on the disk: its versions, the newest first. In a bucket without versioning there is at
// most one.
type record struct {
	Key      escaped    `json:"key"`
	Versions []*version `json:"versions"`
}

// nullID is the ID of versions that are written while versioning is not enabled.
const nullID = "null"

// The kinds of versions. That of an object is "".
const (
	deleteMarker = "marker"    // as in S3
	tombstone    = "tombstone" // a deletion without versioning, needed by writes that began before it
)

// A version is an object, a delete marker or a tombstone.
type version struct {
	ID         string             `json:"id"`
	Order      int64              `json:"order"` // see Store.nextOrder
	Kind       string             `json:"kind,omitempty"`
	Modified   time.Time          `json:"modified"`
	ETag       string             `json:"etag,omitempty"` // without the quotes
	Meta       map[string]escaped `json:"meta,omitempty"` // headers that GET returns, by canonical name
	Tags       escaped            `json:"tags,omitempty"` // as in x-amz-tagging
	Class      string             `json:"class,omitempty"`
	Encryption encryption         `json:"encryption,omitzero"`
	Checksum   checksum           `json:"checksum,omitzero"`
	Pieces     []piece            `json:"pieces,omitempty"`
	Upload     string             `json:"upload,omitempty"` // ID of its multipart upload
}

func (v *version) size() (n int64) {
	for _, p := range v.Pieces {
		n += p.Size
	}
	return n
}

func (v *version) isObject() bool { return v != nil && v.Kind == "" }

// latest returns the newest version, of any kind, or nil.
func (r *record) latest() *version {
	if len(r.Versions) == 0 {
		return nil
	}
	return r.Versions[0]
}

// current returns the object of requests without a version ID, or nil.
func (r *record) current() *version {
	if v := r.latest(); v.isObject() {
		return v
	}
	return nil
}

// find returns the version with the ID, or nil. Tombstones are skipped.
func (r *record) find(id string) *version {
	for _, v := range r.Versions {
		if v.ID == id && v.Kind != tombstone {
			return v
		}
	}
	return nil
}

// insert inserts v by its order. It returns the replaced versions, which is v itself if a newer null version exists.
func (r *record) insert(v *version) (replaced []*version) {
	if v.ID == nullID {
		for _, old := range r.Versions {
			if old.ID == nullID && old.Order > v.Order {
				return []*version{v}
			}
		}
		replaced = r.remove(func(old *version) bool { return old.ID == nullID })
	}
	at := slices.IndexFunc(r.Versions, func(old *version) bool { return old.Order < v.Order })
	if at < 0 {
		at = len(r.Versions)
	}
	r.Versions = slices.Insert(r.Versions, at, v)
	return replaced
}

// remove removes the versions for which out is true, and returns them.
func (r *record) remove(out func(*version) bool) (removed []*version) {
	r.Versions = slices.DeleteFunc(r.Versions, func(v *version) bool {
		if !out(v) {
			return false
		}
		removed = append(removed, v)
		return true
	})
	return removed
}

// recordName returns the file name of a key's record. It is a digest, because keys may not be valid file names.
func recordName(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:]) + ".json"
}

// escaped is a string of any bytes, escaped in JSON, which allows only UTF-8.
type escaped string

func (e escaped) MarshalText() ([]byte, error) { return []byte(url.PathEscape(string(e))), nil }

func (e *escaped) UnmarshalText(text []byte) error {
	s, err := url.PathUnescape(string(text))
	*e = escaped(s)
	return err
}

// save atomically writes v as JSON to a file. The directory tmp must be on the same file system.
func save(tmp, name string, v any) (err error) {
	text, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	f, err := os.CreateTemp(tmp, "record-*")
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	defer func() {
		if err != nil {
			os.Remove(f.Name())
		}
	}()
	_, err = f.Write(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return os.Rename(f.Name(), name)
}

// load reads a file that save has written.
func load[T any](name string) (*T, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	v := new(T)
	if err := json.Unmarshal(text, v); err != nil {
		return nil, fmt.Errorf("the record %s is damaged: %w", name, err)
	}
	return v, nil
}

// loadAll reads all records (*.json) of a directory.
func loadAll[T any](dir string, each func(*T)) error {
	files, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, file := range files {
		if filepath.Ext(file.Name()) != ".json" {
			continue
		}
		v, err := load[T](filepath.Join(dir, file.Name()))
		if err != nil {
			return err
		}
		each(v)
	}
	return nil
}

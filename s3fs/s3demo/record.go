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

// A record is what the disk holds of a key beside the bytes: its versions, the newest first. In a bucket that never had
// versions there is one at most.
type record struct {
	Key      escaped    `json:"key"`
	Versions []*version `json:"versions"`
}

// nullID is the ID of a version that was written while the bucket's versioning was not enabled.
const nullID = "null"

// The kinds of a version beside that of an object, which is "".
const (
	deleteMarker = "marker"    // of S3
	tombstone    = "tombstone" // remembers a deletion, for uploads that began before it
)

// A version is an object, or says that there is none.
type version struct {
	ID         string             `json:"id"`
	Order      int64              `json:"order"` // its place among the versions of the key; see Store.tick
	Kind       string             `json:"kind,omitempty"`
	Modified   time.Time          `json:"modified"`
	ETag       string             `json:"etag,omitempty"` // without the quotes
	Meta       map[string]escaped `json:"meta,omitempty"` // headers that GET repeats, by canonical name
	Tags       escaped            `json:"tags,omitempty"` // as in x-amz-tagging
	Class      string             `json:"class,omitempty"`
	Encryption encryption         `json:"encryption,omitzero"`
	Checksum   checksum           `json:"checksum,omitzero"`
	Pieces     []piece            `json:"pieces,omitempty"`
	Upload     string             `json:"upload,omitempty"` // the ID of the multipart upload that made it
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

// current returns the object that a request without a version ID means, or nil.
func (r *record) current() *version {
	if v := r.latest(); v.isObject() {
		return v
	}
	return nil
}

// find returns the version with that ID, or nil. Tombstones have none.
func (r *record) find(id string) *version {
	for _, v := range r.Versions {
		if v.ID == id && v.Kind != tombstone {
			return v
		}
	}
	return nil
}

// insert puts v in the place that its order gives it. It returns the versions that are replaced, which is v itself where
// a null version follows a newer one.
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

// remove takes versions out, and returns them.
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

// recordName is the file name of a key's record. A digest fits every file system, whatever the key is made of.
func recordName(key string) string {
	sum := sha256.Sum256([]byte(key))
	return hex.EncodeToString(sum[:]) + ".json"
}

// escaped is a string of any bytes, which JSON, being UTF-8, does not keep as they are.
type escaped string

func (e escaped) MarshalText() ([]byte, error) { return []byte(url.PathEscape(string(e))), nil }

func (e *escaped) UnmarshalText(text []byte) error {
	s, err := url.PathUnescape(string(text))
	*e = escaped(s)
	return err
}

// save writes v as the file of that name, whole or not at all. The directory tmp is on the same disk.
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

// load reads what save wrote.
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

// loadAll reads the records of a directory; other files in it are left alone.
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

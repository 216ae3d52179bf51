package s3demo

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// A record is what the disk holds of an object beside its bytes.
type record struct {
	Key      escaped            `json:"key"`
	ETag     string             `json:"etag"` // as S3 shows it, without the quotes
	Modified time.Time          `json:"modified"`
	Meta     map[string]escaped `json:"meta,omitempty"` // by header name in canonical form
	Pieces   []piece            `json:"pieces"`
	Upload   string             `json:"upload,omitempty"` // the multipart upload it was made by
}

// newRecord begins the record of an object that is written now; times in S3 are whole seconds.
func newRecord(key string, meta map[string]escaped) *record {
	return &record{Key: escaped(key), Modified: time.Now().UTC().Truncate(time.Second), Meta: meta}
}

func (r *record) size() (n int64) {
	for _, p := range r.Pieces {
		n += p.Size
	}
	return n
}

// headers returns the metadata in the form that the library wants to see.
func (r *record) headers() map[string]string {
	h := map[string]string{"Last-Modified": r.Modified.Format(http.TimeFormat)}
	for name, value := range r.Meta {
		h[name] = string(value)
		if strings.HasPrefix(name, checksumPrefix) {
			// In lower case the library sends it, but does not take it for a checksum itself.
			h["x-amz-checksum-type"] = checksumType(string(value))
		}
	}
	return h
}

// storedMeta is the reverse of headers: what is kept of the metadata that the library read off a request.
func storedMeta(h map[string]string) map[string]escaped {
	meta := make(map[string]escaped, len(h))
	for name, value := range h {
		if name != "Last-Modified" {
			meta[name] = escaped(value)
		}
	}
	return meta
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

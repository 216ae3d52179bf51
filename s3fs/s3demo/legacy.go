package s3demo

import (
	"encoding/json"
	"strings"
	"time"
)

// The records of stores before bucket versioning can still be read. They have a single object, with checksum, tags and
// storage class among its headers.

// UnmarshalJSON decodes a record of either form.
func (r *record) UnmarshalJSON(text []byte) error {
	type plain record
	if err := json.Unmarshal(text, (*plain)(r)); err != nil || r.Versions != nil {
		return err
	}
	v := &version{}
	if err := json.Unmarshal(text, v); err != nil || v.ETag == "" {
		return err
	}
	v.ID, v.Order = nullID, v.Modified.UnixNano()
	v.splitMeta()
	r.Versions = []*version{v}
	return nil
}

// splitMeta moves checksum, tags and storage class from the headers to their fields.
func (v *version) splitMeta() {
	for name, value := range v.Meta {
		algorithm, isChecksum := strings.CutPrefix(name, checksumPrefix)
		switch {
		case isChecksum:
			v.Checksum = checksum{strings.ToLower(algorithm), string(value), strings.Contains(string(value), "-")}
		case name == "X-Amz-Tagging":
			v.Tags = value
		case name == "X-Amz-Storage-Class":
			v.Class = string(value)
		case !isStoredHeader(name):
		default:
			continue
		}
		delete(v.Meta, name)
	}
}

// UnmarshalJSON decodes an upload of either form.
func (u *upload) UnmarshalJSON(text []byte) error {
	type plain upload
	if err := json.Unmarshal(text, (*plain)(u)); err != nil || u.Order != 0 {
		return err
	}
	var old struct {
		Began     time.Time
		Meta      map[string]escaped
		Algorithm string
		Composite bool
	}
	if err := json.Unmarshal(text, &old); err != nil {
		return err
	}
	u.version = version{
		Order: old.Began.UnixNano(), Modified: old.Began.Truncate(time.Second), Meta: old.Meta,
		Checksum: checksum{Algorithm: old.Algorithm, Composite: old.Composite}, Upload: u.ID,
	}
	u.splitMeta()
	return nil
}

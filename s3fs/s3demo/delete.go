package s3demo

import (
	"encoding/xml"
	"errors"
	"net/http"
	"time"
)

// A deletion is the result of removing an object.
type deletion struct {
	versionID string // of the deleted version, or of the new delete marker; "" = none
	marker    bool   // versionID is a delete marker
}

// remove deletes an object, or a version of it, if the condition on the current object is met. The caller must hold s.mu.
func (s *Store) remove(b *bucket, key, id, condition string) (d deletion, err error) {
	rec, err := b.record(key)
	if err != nil {
		return d, err
	}
	if err := checkDeletion(condition, rec); err != nil {
		return d, err
	}
	if id != "" {
		return s.removeVersion(b, rec, id)
	}
	marker := &version{ID: b.newVersionID(), Order: s.nextOrder(), Kind: deleteMarker, Modified: time.Now().UTC().Truncate(time.Second)}
	d = deletion{b.shownID(marker.ID), true}
	if b.settings.Versioning == "" {
		marker.Kind, d = tombstone, deletion{}
	}
	replaced := rec.insert(marker)
	if err := b.store(s.path("tmp"), rec); err != nil {
		return deletion{}, err
	}
	s.releaseVersions(replaced)
	return d, nil
}

// removeVersion permanently deletes a version.
func (s *Store) removeVersion(b *bucket, rec *record, id string) (d deletion, err error) {
	d = deletion{versionID: id, marker: rec.find(id) != nil && rec.find(id).Kind == deleteMarker}
	removed := rec.remove(func(v *version) bool { return v.ID == id && v.Kind != tombstone })
	if b.settings.Versioning == "" {
		d = deletion{}
		rec.insert(&version{ID: nullID, Order: s.nextOrder(), Kind: tombstone})
	}
	if err := b.store(s.path("tmp"), rec); err != nil {
		return deletion{}, err
	}
	s.releaseVersions(removed)
	return d, nil
}

// deleteObject answers DeleteObject. A missing object is not an error.
func (q *request) deleteObject() error {
	id, err := q.versionID()
	if err != nil {
		return err
	}
	for _, name := range []string{"X-Amz-If-Match-Last-Modified-Time", "X-Amz-If-Match-Size"} {
		if q.r.Header.Get(name) != "" {
			return refuse("NotImplemented", "Header", name) // of directory buckets
		}
	}
	q.store.mu.Lock()
	defer q.store.mu.Unlock()
	b, err := q.store.bucket(q.bucket)
	if err != nil {
		return err
	}
	d, err := q.store.remove(b, q.key, id, q.r.Header.Get("If-Match"))
	if err != nil {
		return err
	}
	q.setVersionID(d.versionID)
	if d.marker {
		q.w.Header().Set("X-Amz-Delete-Marker", "true")
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

const maxDeletions = 1000

type deleteDocument struct {
	XMLName xml.Name `xml:"Delete"`
	Quiet   bool
	Object  []deleteItem
}

type deleteItem struct {
	Key              string
	VersionID        *string `xml:"VersionId"`
	ETag             string
	LastModifiedTime string
	Size             string
}

type deleteAnswer struct {
	XMLName xml.Name `xml:"DeleteResult"`
	Xmlns   string   `xml:"xmlns,attr"`
	Deleted []deletedAnswer
	Error   []deleteError
}

type deletedAnswer struct {
	Key                   xmlText
	VersionID             string `xml:"VersionId,omitempty"`
	DeleteMarker          bool   `xml:",omitempty"`
	DeleteMarkerVersionID string `xml:"DeleteMarkerVersionId,omitempty"`
}

type deleteError struct {
	Key       xmlText
	VersionID string `xml:"VersionId,omitempty"`
	Code      string
	Message   string
}

// deleteObjects answers DeleteObjects.
func (q *request) deleteObjects() error {
	var in deleteDocument
	if err := q.document(&in); err != nil {
		return err
	}
	if len(in.Object) == 0 || len(in.Object) > maxDeletions {
		return refuse("MalformedXML")
	}
	if err := q.requireBucket(); err != nil {
		return err
	}
	out := deleteAnswer{Xmlns: s3Namespace}
	for _, o := range in.Object {
		d, err := q.deleteOne(o)
		id := ""
		if o.VersionID != nil {
			id = *o.VersionID
		}
		key := encoding("").text(o.Key)
		if refused, ok := errors.AsType[*apiError](err); ok {
			out.Error = append(out.Error, deleteError{key, id, refused.code, refused.message})
			continue
		}
		if err != nil {
			q.store.log.Error("embedded S3 failed", "method", "DeleteObjects", "key", o.Key, "err", err)
			out.Error = append(out.Error, deleteError{key, id, "InternalError", errorCodes["InternalError"].message})
			continue
		}
		if in.Quiet {
			continue
		}
		deleted := deletedAnswer{Key: key, VersionID: id, DeleteMarker: d.marker}
		if d.marker {
			deleted.DeleteMarkerVersionID = d.versionID
		}
		out.Deleted = append(out.Deleted, deleted)
	}
	return q.answer(out)
}

// deleteOne deletes one object of a DeleteObjects request.
func (q *request) deleteOne(o deleteItem) (deletion, error) {
	id := ""
	if o.VersionID != nil {
		if id = *o.VersionID; !validVersionID(id) {
			return deletion{}, refuse("NoSuchVersion")
		}
	}
	if o.Key == "" {
		return deletion{}, refuse("InvalidArgument").withMessage("A key must be at least one character long.")
	}
	if o.LastModifiedTime != "" || o.Size != "" {
		return deletion{}, refuse("NotImplemented") // of directory buckets
	}
	if err := checkKey(o.Key); err != nil {
		return deletion{}, err
	}
	q.store.mu.Lock()
	defer q.store.mu.Unlock()
	b, err := q.store.bucket(q.bucket)
	if err != nil {
		return deletion{}, err
	}
	return q.store.remove(b, o.Key, id, o.ETag)
}

package s3demo

import (
	"encoding/xml"
	"net/http"
)

type taggingDocument struct {
	XMLName xml.Name `xml:"Tagging"`
	Xmlns   string   `xml:"xmlns,attr,omitempty"`
	Tags    []tag    `xml:"TagSet>Tag"`
}

// getTagging answers GetObjectTagging.
func (q *request) getTagging() error {
	v, _, err := q.lookUp()
	if err != nil {
		return err
	}
	q.setVersionID(q.shownID(v))
	return q.answer(taggingDocument{Xmlns: s3Namespace, Tags: tagsOf(v.Tags)})
}

// putTagging answers PutObjectTagging.
func (q *request) putTagging() error {
	var in taggingDocument
	if err := q.document(&in); err != nil {
		return err
	}
	tags, err := formatTags(in.Tags)
	if err != nil {
		return err
	}
	return q.setTags(tags)
}

// deleteTagging answers DeleteObjectTagging.
func (q *request) deleteTagging() error {
	if err := q.setTags(""); err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

// setTags replaces the tag set of a version.
func (q *request) setTags(tags escaped) error {
	s := q.store
	s.mu.Lock()
	defer s.mu.Unlock()
	found, b, err := q.find()
	if err != nil {
		return err
	}
	rec, err := b.record(q.key)
	if err != nil {
		return err
	}
	for _, v := range rec.Versions {
		if v.ID == found.ID && v.Kind == "" {
			v.Tags = tags
		}
	}
	if err := b.store(s.path("tmp"), rec); err != nil {
		return err
	}
	q.setVersionID(b.shownID(found.ID))
	return nil
}

// setVersionID sets x-amz-version-id, unless shown is "".
func (q *request) setVersionID(shown string) {
	if shown != "" {
		q.w.Header().Set("X-Amz-Version-Id", shown)
	}
}

package s3demo

import (
	"encoding/xml"
	"net/http"
)

// A lifecycleDocument is the lifecycle configuration of a bucket. The store keeps its rules, and does not act on them.
type lifecycleDocument struct {
	XMLName xml.Name         `xml:"LifecycleConfiguration"`
	Xmlns   string           `xml:"xmlns,attr,omitempty"`
	Rules   []lifecycleRule  `xml:"Rule"`
	Unknown []unknownElement `xml:",any"`
}

type lifecycleRule struct {
	ID      string
	Prefix  *string `json:",omitempty"` // of the first version of the API, in place of Filter
	Status  string
	Filter  *lifecycleFilter `json:",omitempty"`
	Abort   *lifecycleAbort  `xml:"AbortIncompleteMultipartUpload" json:",omitempty"`
	Expire  *lifecycleExpire `xml:"Expiration" json:",omitempty"`
	Unknown []unknownElement `xml:",any" json:"-"`
}

type lifecycleFilter struct {
	Prefix  *string          `json:",omitempty"`
	Tag     *tag             `json:",omitempty"`
	Greater *int64           `xml:"ObjectSizeGreaterThan" json:",omitempty"`
	Less    *int64           `xml:"ObjectSizeLessThan" json:",omitempty"`
	Unknown []unknownElement `xml:",any" json:"-"`
}

type lifecycleAbort struct {
	DaysAfterInitiation int
	Unknown             []unknownElement `xml:",any" json:"-"`
}

type lifecycleExpire struct {
	Days    int
	Unknown []unknownElement `xml:",any" json:"-"`
}

// An unknownElement is one that the store refuses: S3 does not know it, or the store does not (Transition, And and others).
type unknownElement struct {
	XMLName xml.Name
}

// getLifecycle answers GetBucketLifecycleConfiguration.
func (q *request) getLifecycle() error {
	q.store.mu.RLock()
	defer q.store.mu.RUnlock()
	b, err := q.store.bucket(q.bucket)
	if err != nil {
		return err
	}
	if len(b.settings.Lifecycle) == 0 {
		return refuse("NoSuchLifecycleConfiguration", "BucketName", q.bucket)
	}
	return q.answer(lifecycleDocument{Xmlns: s3Namespace, Rules: b.settings.Lifecycle})
}

// putLifecycle answers PutBucketLifecycleConfiguration, which replaces all rules.
func (q *request) putLifecycle() error {
	var in lifecycleDocument
	if err := q.document(&in); err != nil {
		return err
	}
	if len(in.Rules) == 0 || len(in.Rules) > 1000 || len(in.Unknown) > 0 {
		return refuse("MalformedXML")
	}
	ids := map[string]bool{}
	for i := range in.Rules {
		rule := &in.Rules[i]
		if rule.ID == "" {
			rule.ID = randomID(48)
		}
		if ids[rule.ID] {
			return invalidArgument("ID", rule.ID, "Rule ID must be unique. Found same ID for more than one rule")
		}
		ids[rule.ID] = true
		if err := rule.check(); err != nil {
			return err
		}
	}
	return q.setLifecycle(in.Rules)
}

// deleteLifecycle answers DeleteBucketLifecycle.
func (q *request) deleteLifecycle() error {
	if err := q.setLifecycle(nil); err != nil {
		return err
	}
	q.w.WriteHeader(http.StatusNoContent)
	return nil
}

func (q *request) setLifecycle(rules []lifecycleRule) error {
	q.store.mu.Lock()
	defer q.store.mu.Unlock()
	b, err := q.store.bucket(q.bucket)
	if err != nil {
		return err
	}
	changed := b.settings
	changed.Lifecycle = rules
	return q.store.configure(b, changed)
}

// check refuses an invalid rule.
func (r *lifecycleRule) check() error {
	switch {
	case r.malformed():
		return refuse("MalformedXML")
	case len(r.ID) > 255:
		return invalidArgument("ID", r.ID, "ID length should not exceed allowed limit of 255")
	case r.Abort == nil && r.Expire == nil:
		return invalidRequest("At least one action needs to be specified in a rule")
	case r.Abort != nil && r.Abort.DaysAfterInitiation <= 0:
		return invalidArgument("DaysAfterInitiation", "", "'DaysAfterInitiation' for AbortIncompleteMultipartUpload action must be a positive integer")
	case r.Expire != nil && r.Expire.Days <= 0:
		return invalidArgument("Days", "", "'Days' for Expiration action must be a positive integer")
	case r.Abort != nil && r.Filter != nil && (r.Filter.Tag != nil || r.Filter.Greater != nil || r.Filter.Less != nil):
		return invalidRequest("AbortIncompleteMultipartUpload cannot be specified with Tags or object sizes")
	}
	return nil
}

// malformed reports whether a rule has an element that is unknown, missing or excluded by another one.
func (r *lifecycleRule) malformed() bool {
	if f := r.Filter; f != nil {
		kinds := 0
		for _, set := range []bool{f.Prefix != nil, f.Tag != nil, f.Greater != nil, f.Less != nil} {
			if set {
				kinds++
			}
		}
		if kinds > 1 || len(f.Unknown) > 0 {
			return true
		}
	}
	return r.Status != "Enabled" && r.Status != "Disabled" || (r.Prefix == nil) == (r.Filter == nil) || len(r.Unknown) > 0 ||
		r.Abort != nil && len(r.Abort.Unknown) > 0 || r.Expire != nil && len(r.Expire.Unknown) > 0
}

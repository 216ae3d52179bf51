package s3demo

import (
	"net/http"
	"strings"
	"time"
)

// Sources: Amazon S3 User Guide, "Conditional requests": "How to prevent object overwrites with conditional writes",
// "How to perform conditional deletes", "How to retrieve or copy objects based on metadata with conditional reads".

func failedCondition(name string) error { return refuse("PreconditionFailed", "Condition", name) }

// match reports whether a list of ETags contains etag.
func match(list, etag string) bool {
	for tag := range strings.SplitSeq(list, ",") {
		if bare := strings.Trim(tag, ` "`); bare == "*" || bare == etag {
			return true
		}
	}
	return false
}

// readConditions are the conditions of a request that reads or copies an object.
type readConditions struct {
	header http.Header
	prefix string // of the header names
}

func (c readConditions) get(name string) string { return c.header.Get(c.prefix + name) }

func (c readConditions) since(name string) (time.Time, bool) {
	t, err := http.ParseTime(c.get(name))
	return t, err == nil
}

// check returns an error unless the conditions are met. It calls unmodified if the client already has the version.
func (c readConditions) check(v *version, unmodified func(name string) error) error {
	modified := v.Modified.Truncate(time.Second)
	if list := c.get("If-Match"); list != "" {
		if !match(list, v.ETag) {
			return failedCondition(c.prefix + "If-Match")
		}
	} else if t, ok := c.since("If-Unmodified-Since"); ok && modified.After(t) {
		return failedCondition(c.prefix + "If-Unmodified-Since")
	}
	if list := c.get("If-None-Match"); list != "" {
		if match(list, v.ETag) {
			return unmodified(c.prefix + "If-None-Match")
		}
	} else if t, ok := c.since("If-Modified-Since"); ok && !modified.After(t) {
		return unmodified(c.prefix + "If-Modified-Since")
	}
	return nil
}

// checkSource checks the conditions on the source of a copy.
func (q *request) checkSource(v *version) error {
	return readConditions{q.r.Header, "X-Amz-Copy-Source-"}.check(v, failedCondition)
}

// writeConditions are the conditions of a request that writes a key.
type writeConditions struct {
	ifMatch     string // ETag; "" = no condition
	ifNoneMatch bool   // the object must not exist
	began       int64  // begin of the write or initiation of the multipart upload, see Store.nextOrder
}

// writeConditions parses the conditions of a request that writes a key.
func (q *request) writeConditions() (c writeConditions, err error) {
	h := q.r.Header
	c.ifMatch = strings.Trim(h.Get("If-Match"), `"`)
	none := h.Get("If-None-Match")
	switch {
	case none != "" && none != "*":
		return c, refuse("NotImplemented", "Header", "If-None-Match")
	case none != "" && c.ifMatch != "", c.ifMatch == "*":
		return c, refuse("NotImplemented", "Header", "If-Match")
	}
	c.ifNoneMatch, c.began = none != "", q.store.nextOrder()
	return c, nil
}

// check returns an error unless the conditions are met. They are not if the key was written or deleted since the
// conditional write began.
func (c writeConditions) check(rec *record) error {
	latest, current := rec.latest(), rec.current()
	switch {
	case c.ifNoneMatch && current != nil:
		return failedCondition("If-None-Match")
	case c.ifNoneMatch && latest != nil && latest.Order > c.began:
		return refuse("ConditionalRequestConflict", "Condition", "If-None-Match", "Key", string(rec.Key))
	case c.ifMatch == "":
		return nil
	case current == nil:
		return refuse("NoSuchKey", "Key", string(rec.Key))
	case c.ifMatch != current.ETag || current.Order > c.began:
		return failedCondition("If-Match")
	}
	return nil
}

// keepTombstones makes deletions of the key leave a tombstone during a conditional write, until end is called.
func (q *request) keepTombstones(c writeConditions) (end func()) {
	if !c.ifNoneMatch && c.ifMatch == "" {
		return func() {}
	}
	s := q.store
	s.mu.Lock()
	defer s.mu.Unlock()
	b := s.buckets[q.bucket]
	if b == nil {
		return func() {}
	}
	b.writing[q.key]++
	return func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if b.writing[q.key]--; b.writing[q.key] == 0 {
			delete(b.writing, q.key)
		}
		if s.buckets[q.bucket] != b {
			return // the bucket was deleted meanwhile
		}
		if err := b.removeTombstone(s.path("tmp"), q.key); err != nil {
			s.log.Warn("tombstone not removed, the next start removes it", "key", q.key, "err", err)
		}
	}
}

// checkDeletion returns an error unless the current object meets the condition of a deletion.
func checkDeletion(condition string, rec *record) error {
	condition = strings.Trim(condition, `"`)
	current := rec.current()
	switch {
	case condition == "":
		return nil
	case current == nil && condition == "*" && rec.latest() != nil && rec.latest().Kind == deleteMarker:
		return failedCondition("If-Match")
	case current == nil:
		return refuse("NoSuchKey", "Key", string(rec.Key))
	case condition != "*" && condition != current.ETag:
		return failedCondition("If-Match")
	}
	return nil
}

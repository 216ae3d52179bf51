package s3demo

import (
	"net/http"
	"strings"
	"time"
)

// Sources: Amazon S3 User Guide, "Conditional requests": "How to prevent object overwrites with conditional writes",
// "How to perform conditional deletes", "How to retrieve or copy objects based on metadata with conditional reads".

func failedCondition(name string) error { return refuse("PreconditionFailed", "Condition", name) }

// match reports whether a list of ETags has this one.
func match(list, etag string) bool {
	for tag := range strings.SplitSeq(list, ",") {
		if bare := strings.Trim(tag, ` "`); bare == "*" || bare == etag {
			return true
		}
	}
	return false
}

// readConditions are those of a request that reads an object, or copies it.
type readConditions struct {
	header http.Header
	prefix string // of the names of the headers
}

func (c readConditions) get(name string) string { return c.header.Get(c.prefix + name) }

func (c readConditions) since(name string) (time.Time, bool) {
	t, err := http.ParseTime(c.get(name))
	return t, err == nil
}

// check returns an error unless the conditions agree to what is there; unmodified is for what the client has already.
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

// checkSource checks the conditions of a copy on its source.
func (q *request) checkSource(v *version) error {
	return readConditions{q.r.Header, "X-Amz-Copy-Source-"}.check(v, failedCondition)
}

// writeConditions are those of a request that writes a key.
type writeConditions struct {
	match string // an ETag
	none  bool   // there must be no object
	begun int64  // when the write began, for a multipart upload its initiation; see Store.tick
}

// writeConditions reads the conditions of a request that writes a key.
func (q *request) writeConditions() (c writeConditions, err error) {
	h := q.r.Header
	c.match = strings.Trim(h.Get("If-Match"), `"`)
	none := h.Get("If-None-Match")
	switch {
	case none != "" && none != "*":
		return c, refuse("NotImplemented", "Header", "If-None-Match")
	case none != "" && c.match != "", c.match == "*":
		return c, refuse("NotImplemented", "Header", "If-Match")
	}
	c.none, c.begun = none != "", q.store.tick()
	return c, nil
}

// check returns an error unless the conditions agree to what is there. A write or a deletion that came in since the
// conditional write began takes precedence over it.
func (c writeConditions) check(rec *record) error {
	latest, current := rec.latest(), rec.current()
	switch {
	case c.none && current != nil:
		return failedCondition("If-None-Match")
	case c.none && latest != nil && latest.Order > c.begun:
		return refuse("ConditionalRequestConflict", "Condition", "If-None-Match", "Key", string(rec.Key))
	case c.match == "":
		return nil
	case current == nil:
		return refuse("NoSuchKey", "Key", string(rec.Key))
	case c.match != current.ETag || current.Order > c.begun:
		return failedCondition("If-Match")
	}
	return nil
}

// await makes deletions of the key leave a tombstone until the conditional write has ended, which is when end is called.
func (q *request) await(c writeConditions) (end func()) {
	if !c.none && c.match == "" {
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
			return // the bucket has been deleted meanwhile
		}
		if err := b.sweep(s.path("tmp"), q.key); err != nil {
			s.log.Warn("removing a tombstone is left to the next start", "key", q.key, "err", err)
		}
	}
}

// checkDeletion returns an error unless the current object is the one to be deleted.
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

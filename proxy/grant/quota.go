package grant

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"slices"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A Sized is a store that a quota can be set on.
type Sized interface {
	proxy.Store

	// FileSize returns the size of a file in bytes, and fs.ErrNotExist if there is none, even if there is a directory of that
	// name, or an upload to it can be resumed.
	FileSize(ctx context.Context, name string) (int64, error)
}

// A Quota limits the bytes and the files that lie in the places of a user, for all stores that Limit returns together. Running
// uploads reserve what they add, so that together they do not exceed it. With Usages nil, there is no quota.
type Quota struct {
	Usages *Usages

	// The lock of Usages protects these.
	limit  tally // 0 = no limit
	places []*usage
}

// Set sets the limits in bytes and files, 0 = no limit, and the places. Running uploads follow the limits, but for those that had
// none when they began. A place that lies in another one counts once.
func (q *Quota) Set(size, files int64, places ...Place) {
	if q.Usages == nil {
		return
	}
	q.Usages.mu.Lock()
	defer q.Usages.mu.Unlock()
	before := q.places
	q.limit, q.places = tally{size, files}, nil
	if q.limit != (tally{}) {
		for _, p := range outermost(places) {
			q.places = append(q.places, q.Usages.useLocked(p))
		}
	}
	for _, p := range before {
		p.quotas--
	}
}

// outermost returns the places that do not lie in another one.
func outermost(places []Place) (list []Place) {
	for i, p := range places {
		isOuter := func(o Place) bool { return o.Bucket == p.Bucket && isWithin(o.Dir, p.Dir) }
		contains := func(o Place) bool { return isOuter(o) && o.Dir != p.Dir }
		if !slices.ContainsFunc(places[:i], isOuter) && !slices.ContainsFunc(places[i:], contains) {
			list = append(list, p)
		}
	}
	return list
}

// Limit returns a store of which an upload fails with a [proxy.LimitError] at the quota: before its first new byte if nothing is left,
// or less than its announced size. It fails with [proxy.ErrNotCounted] if the size of the places is not known within 10 s. The store
// below is dir of a bucket, as in [Place]. Without limits, Limit returns below.
func (q *Quota) Limit(below Sized, bucket any, dir string) proxy.Store {
	if _, limit := q.now(); limit == (tally{}) {
		return below
	}
	return quotaStore{below, q, bucket, dir}
}

// Space sets what it knows of, see [proxy.Account]. It waits for the first count as an upload does.
func (q *Quota) Space(ctx context.Context, s *proxy.Space) error {
	places, limit := q.now()
	if limit == (tally{}) {
		return nil
	}
	if err := q.Usages.await(ctx, places); err != nil {
		return err
	}
	q.Usages.mu.Lock()
	defer q.Usages.mu.Unlock()
	used := q.usedLocked()
	s.Size, s.Files, s.StoredSize, s.StoredFiles = limit.bytes, limit.files, used.bytes, used.files
	return nil
}

// now returns the places and the limits.
func (q *Quota) now() ([]*usage, tally) {
	if q.Usages == nil {
		return nil, tally{}
	}
	q.Usages.mu.Lock()
	defer q.Usages.mu.Unlock()
	return q.places, q.limit
}

// usedLocked returns what lies in the places, and what running uploads have reserved.
func (q *Quota) usedLocked() (used tally) {
	for _, p := range q.places {
		used = used.plus(p.used).plus(p.growing)
	}
	return used
}

// checkLocked returns an error if more may not be added.
func (q *Quota) checkLocked(more tally) error {
	used := q.usedLocked()
	left := func(limit, used int64) int64 {
		if limit == 0 {
			return math.MaxInt64
		}
		return limit - used
	}
	switch {
	case more.bytes > 0 && more.bytes > left(q.limit.bytes, used.bytes):
		return &proxy.LimitError{Text: fmt.Sprintf("Quota of %d bytes exceeded, delete files to continue.", q.limit.bytes)}
	case more.files > 0 && more.files > left(q.limit.files, used.files):
		return &proxy.LimitError{Text: fmt.Sprintf("Quota of %d files exceeded, delete files to continue.", q.limit.files)}
	}
	return nil
}

// A quotaStore is dir of a bucket.
type quotaStore struct {
	Sized
	quota  *Quota
	bucket any
	dir    string
}

// at returns the location of a name.
func (s quotaStore) at(name string) location { return location{s.bucket, path.Join(s.dir, name)} }

// addCopy reserves a copy for an upload to a file that had a size.
func (s quotaStore) addCopy(ctx context.Context, c *change, name string, old int64, copied proxy.Copy) error {
	if copied.From != "" || copied.Length >= 0 {
		n, err := lengthOf(ctx, s.Sized, name, copied)
		if err != nil {
			return err
		}
		return c.add(n)
	}
	if err := c.start(max(old, 0) + 1); err != nil { // an append
		return err
	}
	return c.add(max(old-copied.Offset, 0))
}

// missing is the size of a file that does not exist.
const missing = -1

// size returns the size of a file, or missing.
func (s quotaStore) size(ctx context.Context, name string) (int64, error) {
	n, err := s.FileSize(ctx, name)
	if errors.Is(err, fs.ErrNotExist) {
		return missing, nil
	}
	return n, err
}

// Put implements proxy.Store.
func (s quotaStore) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (stored proxy.Stored, err error) {
	places, _ := s.quota.now()
	if err := s.quota.Usages.await(ctx, places); err != nil {
		return proxy.Stored{}, failed("put", name, err)
	}
	old := int64(missing)
	if !w.New {
		if old, err = s.size(ctx, name); err != nil {
			return proxy.Stored{}, err
		}
	}
	c, published := s.quota.begin(s.at(name), old), false
	defer func() { c.end(published) }() // also if the store panics
	stored, err = meteredPut(ctx, s.Sized, name, &meteredSource{
		Source: src,
		begin: func(kept int64) error { // the announced size may be that of the whole file
			return c.start(max(w.Size, kept+1))
		},
		add:     c.add,
		addCopy: func(ctx context.Context, copied proxy.Copy) error { return s.addCopy(ctx, c, name, old, copied) },
	}, w)
	published = err == nil
	return stored, err
}

package grant

import (
	"context"
	"slices"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A changedFile is a file with running uploads. They share what they know of it, so that each counts the difference to what the
// others have left there.
type changedFile struct {
	size    int64 // bytes, or missing
	uploads int
}

// A change is a running upload, and what it has reserved.
type change struct {
	quota    *Quota
	at       location
	file     *changedFile
	size     int64    // bytes so far
	reserved tally    // in all of usages
	usages   []*usage // of all places that have the file
	began    uint64   // after this number of counts
}

// begin begins an upload to a file with a size, or to a missing one.
func (q *Quota) begin(at location, size int64) *change {
	u := q.Usages
	u.mu.Lock()
	defer u.mu.Unlock()
	f := u.files[at]
	if f == nil {
		f = &changedFile{size: size}
		u.files[at] = f
	}
	f.uploads++
	return &change{quota: q, at: at, file: f, usages: u.aboveLocked(at), began: u.finished}
}

// difference returns what the places have more when the file gets a size.
func (f *changedFile) difference(size int64) tally {
	before, after := fileTally(f.size), fileTally(size)
	return after.minus(before)
}

// fileTally returns what a file counts.
func fileTally(size int64) tally {
	if size == missing {
		return tally{}
	}
	return tally{size, 1}
}

// start reserves the file, if it is new. It fails if a size of the whole file, which the upload will have at least, exceeds the quota.
func (c *change) start(size int64) error {
	c.quota.Usages.mu.Lock()
	defer c.quota.Usages.mu.Unlock()
	if err := c.quota.checkLocked(c.file.difference(size)); err != nil {
		return err
	}
	return c.reserveLocked()
}

// add reserves n bytes more.
func (c *change) add(n int64) error {
	c.quota.Usages.mu.Lock()
	defer c.quota.Usages.mu.Unlock()
	c.size += n
	return c.reserveLocked()
}

// reserveLocked reserves what the file has more with its size so far.
func (c *change) reserveLocked() error {
	more := c.file.difference(c.size).max(tally{}).minus(c.reserved)
	if err := c.quota.checkLocked(more); err != nil {
		return err
	}
	c.moveLocked(more)
	return nil
}

// moveLocked changes the reservation.
func (c *change) moveLocked(more tally) {
	c.reserved = c.reserved.plus(more)
	for _, p := range c.usages {
		p.growing = p.growing.plus(more)
	}
}

// end gives the reservation back, and counts the file if it is stored.
func (c *change) end(stored bool) {
	u := c.quota.Usages
	u.mu.Lock()
	defer u.mu.Unlock()
	c.moveLocked(tally{}.minus(c.reserved))
	if stored {
		u.addLocked(c.at, c.file.difference(c.size), c.began)
		c.file.size = c.size
	}
	if c.file.uploads--; c.file.uploads == 0 {
		delete(u.files, c.at)
	}
}

// addLocked adds a change of a file to all places that have it.
func (u *Usages) addLocked(at location, more tally, began uint64) {
	for _, p := range u.aboveLocked(at) {
		p.addLocked(more, began)
	}
}

// replaceLocked returns what a file has counted that is removed or replaced, and notes its new size for running uploads.
func (u *Usages) replaceLocked(at location, old, size int64) tally {
	f := u.files[at]
	if f == nil {
		return fileTally(old)
	}
	old, f.size = f.size, size
	return fileTally(old)
}

// Remove implements proxy.Store.
func (s quotaStore) Remove(ctx context.Context, name string) (proxy.Stored, error) {
	u := s.quota.Usages
	began := u.now()
	stored, err := s.Sized.Remove(ctx, name)
	if err == nil && stored.OldETag != "" {
		u.mu.Lock()
		defer u.mu.Unlock()
		u.addLocked(s.at(name), tally{}.minus(u.replaceLocked(s.at(name), stored.OldSize, missing)), began)
	}
	return stored, err
}

// now returns the number of counts so far.
func (u *Usages) now() uint64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.finished
}

// Rename implements proxy.Store.
func (s quotaStore) Rename(ctx context.Context, from, to string, replace bool) (proxy.Stored, error) {
	r, err := s.learn(ctx, from, to, replace)
	if err != nil {
		return proxy.Stored{}, err
	}
	stored, err := s.Sized.Rename(ctx, from, to, replace)
	if err == nil {
		r.end(s.quota.Usages, stored)
	}
	return stored, err
}

// A renaming is a rename, and what it changes.
type renaming struct {
	from, to location
	replaced int64 // size of the file that is replaced, or missing
	moved    tally // between places; zero if the same places have both names
	began    uint64
}

// learn learns what counts in a rename: the size of a file that is replaced, and of what moves between places. It fails if that
// exceeds the quota.
func (s quotaStore) learn(ctx context.Context, from, to string, replace bool) (r renaming, err error) {
	u := s.quota.Usages
	r = renaming{from: s.at(from), to: s.at(to), replaced: missing, began: u.now()}
	if replace {
		if r.replaced, err = s.size(ctx, to); err != nil {
			return r, err
		}
	}
	u.mu.Lock()
	source, target := u.aboveLocked(r.from), u.aboveLocked(r.to)
	u.mu.Unlock()
	if slices.Equal(source, target) {
		return r, nil
	}
	size, err := s.size(ctx, from)
	r.moved = fileTally(size)
	if err == nil && size == missing {
		r.moved.bytes, r.moved.files, err = s.Usage(ctx, from)
	}
	if err != nil {
		return r, err
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	counts := func(p *usage) bool { return slices.Contains(s.quota.places, p) }
	more := tally{}.minus(fileTally(r.replaced))
	if !slices.ContainsFunc(source, counts) && slices.ContainsFunc(target, counts) {
		more = more.plus(r.moved)
	}
	return r, s.quota.checkLocked(more)
}

// end counts a rename.
func (r renaming) end(u *Usages, stored proxy.Stored) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if stored.ETag != "" { // a file
		u.replaceLocked(r.from, missing, missing)
		u.addLocked(r.to, tally{}.minus(u.replaceLocked(r.to, r.replaced, stored.Size)), r.began)
	}
	u.addLocked(r.from, tally{}.minus(r.moved), r.began)
	u.addLocked(r.to, r.moved, r.began)
}

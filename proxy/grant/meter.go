package grant

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// MaxFileSize returns a store whose uploads make files of at most limit bytes; 0 = no limit. The bytes that an upload keeps or
// copies count too. An upload of more fails with a [proxy.LimitError]: before its first new byte if their number or the announced
// size tell, otherwise at the limit.
func MaxFileSize(below proxy.Store, limit int64) proxy.Store {
	if limit == 0 {
		return below
	}
	return maxFileSize{below, limit}
}

type maxFileSize struct {
	proxy.Store
	limit int64
}

// Put implements proxy.Store.
func (m maxFileSize) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (proxy.Stored, error) {
	tooLarge := &proxy.LimitError{Text: fmt.Sprintf("File too large, the limit of this account is %d bytes.", m.limit)}
	size := int64(0)
	add := func(n int64) error {
		if size += n; size > m.limit {
			return tooLarge
		}
		return nil
	}
	return meteredPut(ctx, m.Store, name, &meteredSource{
		Source: src,
		begin: func(int64) error {
			if w.Size > m.limit { // some clients announce the size of the whole file, so bytes that are kept do not add to it
				return tooLarge
			}
			return nil
		},
		add: add,
		addCopy: func(ctx context.Context, c proxy.Copy) error {
			n, err := lengthOf(ctx, m.Store, name, c)
			if err != nil {
				return err
			}
			return add(n)
		},
	}, w)
}

// lengthOf returns the length of a copy for an upload to name.
func lengthOf(ctx context.Context, store proxy.Store, name string, c proxy.Copy) (int64, error) {
	if c.Length >= 0 {
		return c.Length, nil
	}
	if c.From != "" {
		name = c.From
	}
	e, err := store.Stat(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist), err == nil && (e.Dir || e.Resumable):
		return 0, nil // a copy to the end is of a file
	case err != nil:
		return 0, err
	}
	return max(e.Size-c.Offset, 0), nil
}

// A Daily limits the bytes that a user uploads in a day, in UTC, to all stores that Limit returns together. It counts new bytes of
// files as they arrive, also those of uploads that fail. The zero value has no limit.
type Daily struct {
	mu    sync.Mutex
	limit int64
	day   int64 // since 1970
	used  int64 // bytes on that day
}

// Set sets the limit in bytes; 0 = no limit. Running uploads follow, but for those that had no limit when they began.
func (d *Daily) Set(limit int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.limit = limit
}

// Limit returns a store of which an upload fails with a [proxy.LimitError] at the limit: before its first new byte if nothing is
// left, or less than its announced size. Without a limit it returns below.
func (d *Daily) Limit(below proxy.Store) proxy.Store {
	if _, limit := d.Used(); limit == 0 {
		return below
	}
	return daily{below, d}
}

// Used returns the bytes of today, which Limit has counted, and the limit.
func (d *Daily) Used() (used, limit int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.beginDay()
	return d.used, d.limit
}

const secondsOfDay = int64(24 * time.Hour / time.Second)

// beginDay forgets the bytes of an earlier day. The caller must hold the lock.
func (d *Daily) beginDay() {
	if today := time.Now().Unix() / secondsOfDay; today != d.day {
		d.day, d.used = today, 0
	}
}

// check returns an error unless n bytes, at least one, may be added.
func (d *Daily) check(n int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.checkLocked(max(n, 1))
}

// add counts n bytes, or returns an error.
func (d *Daily) add(n int64) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	err := d.checkLocked(n)
	if err == nil {
		d.used += n
	}
	return err
}

func (d *Daily) checkLocked(n int64) error {
	if d.beginDay(); d.limit == 0 || n <= d.limit-d.used {
		return nil
	}
	return &proxy.LimitError{Text: fmt.Sprintf("Daily upload limit of %d bytes exceeded, try again after midnight UTC.", d.limit)}
}

type daily struct {
	proxy.Store
	daily *Daily
}

// Put implements proxy.Store.
func (d daily) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (proxy.Stored, error) {
	return meteredPut(ctx, d.Store, name, &meteredSource{
		Source: src,
		begin:  func(kept int64) error { return d.daily.check(w.Size - kept) }, // the announced size may be that of the whole file
		add:    d.daily.add,
	}, w)
}

// meteredPut puts a source. If its first run is refused, the store is not called: it would discard a resumable upload too.
func meteredPut(ctx context.Context, store proxy.Store, name string, src *meteredSource, w proxy.Write) (proxy.Stored, error) {
	if !w.Early { // the store must refuse before it asks for a run
		run, err := src.Next(ctx)
		if errors.Is(err, proxy.ErrDiscard) {
			return proxy.Stored{}, failed("put", name, err)
		}
		src.first = &firstRun{run, err}
	}
	return store.Put(ctx, name, src, w)
}

// A meteredSource counts the bytes of an upload.
type meteredSource struct {
	proxy.Source
	first *firstRun // read ahead; nil = not, or returned already
	// begin is called with the length of the copy that is the first run; 0 = there is none, or to the end.
	begin   func(kept int64) error
	add     func(n int64) error                     // counts new bytes
	addCopy func(context.Context, proxy.Copy) error // counts a copy; nil = copies do not count
	begun   bool
}

// A firstRun is a result of Next.
type firstRun struct {
	run proxy.Run
	err error
}

// Next implements proxy.Source.
func (s *meteredSource) Next(ctx context.Context) (proxy.Run, error) {
	if first := s.first; first != nil {
		s.first = nil
		return first.run, first.err
	}
	run, err := s.Source.Next(ctx)
	if err != nil {
		return run, err
	}
	if !s.begun {
		s.begun = true
		kept := int64(0)
		if run.Copy != nil {
			kept = max(run.Copy.Length, 0)
		}
		err = s.begin(kept)
	}
	if err == nil && run.Copy != nil && s.addCopy != nil {
		err = s.addCopy(ctx, *run.Copy)
	}
	if err != nil {
		return proxy.Run{}, err
	}
	if run.New != nil {
		run.New = meteredReader{run.New, s.add}
	}
	return run, nil
}

// A meteredReader counts the bytes that it reads.
type meteredReader struct {
	io.Reader
	add func(n int64) error
}

func (r meteredReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err := r.add(int64(n)); err != nil {
		return 0, err
	}
	return n, err
}

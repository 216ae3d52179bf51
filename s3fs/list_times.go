package s3fs

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// fromMetadata is the value of Options.ListMtime that asks for the time of each file.
const fromMetadata = "metadata"

// headsAtOnce is how many files of a listing are asked about at a time.
const headsAtOnce = 16

// described yields the entries of a page below root. Where listings show the time in a file's metadata, which S3 tells of
// one file at a time, each file is what HEAD says of it; so many are asked about ahead of the one yielded, and no more.
//
// A file that is gone by then is left out. One that cannot be asked about stays what the page says of it.
func (f *FS) described(ctx context.Context, root string, entries iter.Seq[*info]) iter.Seq2[*info, error] {
	if f.listMtime != fromMetadata {
		return func(yield func(*info, error) bool) {
			entries(func(e *info) bool { return yield(e, nil) })
		}
	}
	return func(yield func(*info, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		var (
			ahead []func() (*info, error)
			warn  sync.Once
		)
		defer func() {
			cancel()
			for _, wait := range ahead {
				wait()
			}
		}()
		next := func() bool {
			e, err := ahead[0]()
			ahead = ahead[1:]
			return errors.Is(err, fs.ErrNotExist) || yield(e, err) && err == nil
		}
		for e := range entries {
			ahead = append(ahead, later(func() (*info, error) { return f.describe(ctx, root, e, &warn) }))
			if len(ahead) == headsAtOnce && !next() {
				return
			}
		}
		for len(ahead) > 0 && next() {
		}
	}
}

// describe returns what HEAD says of an entry, now or when it was asked about before, or the entry. It warns once of what
// cannot be asked about.
func (f *FS) describe(ctx context.Context, root string, e *info, warn *sync.Once) (*info, error) {
	if e.dir {
		return e, nil
	}
	v := f.entryVersion(root+e.name, e.etag, e.mtime)
	if kept, ok := f.client.times.get(v); ok {
		e.mtime = kept
		return e, nil
	}
	is, err := f.head(ctx, root+e.name)
	switch {
	case err == nil:
		if e.etag != "" && sameETag(is.etag, e.etag) && aws.ToTime(is.head.LastModified).Equal(e.mtime.Truncate(time.Second)) && time.Since(e.mtime) > settledAfter {
			f.client.times.add(v, is.mtime)
		}
		return is, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, err
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	warn.Do(func() { f.log.Warn("listed without the time in its metadata", "key", root+e.name, "err", err) })
	return e, nil
}

// settledAfter is how long ago a file must have been written for its time to be remembered: services tell LastModified in whole seconds,
// and clocks differ, so that a younger file may change without it.
const settledAfter = time.Minute

// An entryVersion is a hash of what tells one state of an object from all others.
type entryVersion [16]byte

func (f *FS) entryVersion(key, etag string, modified time.Time) entryVersion {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%s\x00%d", f.bucket, key, etag, modified.UnixNano()))
	return entryVersion(sum[:len(entryVersion{})])
}

// keptTimes remembers the times of versions. It holds two generations and drops the older one when the younger one is full,
// so that a listing of any length takes no more.
type keptTimes struct {
	mu         sync.Mutex
	young, old map[entryVersion]time.Time
}

// generation is the number of times in one.
const generation = 32 << 10

func (k *keptTimes) get(v entryVersion) (time.Time, bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	t, ok := k.young[v]
	if !ok {
		if t, ok = k.old[v]; ok {
			k.put(v, t)
		}
	}
	return t, ok
}

func (k *keptTimes) add(v entryVersion, t time.Time) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.put(v, t)
}

func (k *keptTimes) put(v entryVersion, t time.Time) {
	if k.young == nil || len(k.young) >= generation {
		k.young, k.old = make(map[entryVersion]time.Time), k.young
	}
	k.young[v] = t
}

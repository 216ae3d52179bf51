package s3fs

import (
	"context"
	"errors"
	"io/fs"
	"iter"
	"sync"
)

// headsAtOnce is how many files of a listing are asked about at a time.
const headsAtOnce = 16

// described yields the entries of a page below root. Where listings show the time in a file's metadata, which S3 tells of
// one file at a time, each file is what HEAD says of it; so many are asked about ahead of the one yielded, and no more.
//
// A file that is gone by then is left out. One that cannot be asked about stays what the page says of it.
func (f *FS) described(ctx context.Context, root string, entries iter.Seq[*info]) iter.Seq2[*info, error] {
	if !f.metadataTimes {
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

// describe returns what HEAD says of an entry, or the entry. It warns once of what cannot be asked about.
func (f *FS) describe(ctx context.Context, root string, e *info, warn *sync.Once) (*info, error) {
	if e.dir {
		return e, nil
	}
	is, err := f.head(ctx, root+e.name)
	switch {
	case err == nil || errors.Is(err, fs.ErrNotExist):
		return is, err
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	}
	warn.Do(func() { f.log.Warn("listed without the time in its metadata", "key", root+e.name, "err", err) })
	return e, nil
}

package grant

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"iter"
	"path"
	"slices"
	"strings"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// List implements proxy.Store.
func (m mounts) List(ctx context.Context, dir, prefix string) iter.Seq2[proxy.Entry, error] {
	return func(yield func(proxy.Entry, error) bool) {
		plain, err := clean("list", dir)
		mt, rest := m.find(plain)
		isFixed := m.isFixed(plain)
		switch {
		case err != nil:
		case mt == nil && ctx.Err() != nil:
			err = ctx.Err()
		case mt == nil && !isFixed && prefix == "":
			err = failed("list", dir, fs.ErrNotExist)
		case strings.Contains(prefix, "/"): // no name has a slash, and it could lead out of a mount
			return
		}
		if err != nil {
			yield(proxy.Entry{}, err)
			return
		}
		fixed := m.fixedIn(plain, prefix)
		if mt == nil {
			for _, e := range fixed {
				if !yield(e, nil) {
					return
				}
			}
			return
		}
		merge(mt.List(ctx, rest, prefix), fixed, isFixed)(yield)
	}
}

// fixedIn returns the mounts, and the directories above them, that are in a directory.
func (m mounts) fixedIn(dir, prefix string) (entries []proxy.Entry) {
	for _, mt := range m {
		if mt.path == dir || !isWithin(dir, mt.path) {
			continue
		}
		below := strings.TrimPrefix(strings.TrimPrefix(mt.path, dir), "/")
		element, _, _ := strings.Cut(below, "/")
		if strings.HasPrefix(element, prefix) {
			entries = append(entries, m.fixedEntry(path.Join(dir, element)))
		}
	}
	slices.SortFunc(entries, func(a, b proxy.Entry) int { return cmp.Compare(sortKey(a), sortKey(b)) })
	return slices.CompactFunc(entries, func(a, b proxy.Entry) bool { return a.Name == b.Name })
}

// sortKey returns the key by which S3 sorts an entry.
func sortKey(e proxy.Entry) string {
	if e.Dir {
		return e.Name + "/"
	}
	return e.Name
}

// merge inserts fixed directories, which are sorted, into a listing. They hide entries of the same name. A missing directory is empty if
// exists is true.
func merge(listing iter.Seq2[proxy.Entry, error], fixed []proxy.Entry, exists bool) iter.Seq2[proxy.Entry, error] {
	hidden := make(map[string]bool)
	for _, e := range fixed {
		hidden[e.Name] = true
	}
	return func(yield func(proxy.Entry, error) bool) {
		for e, err := range listing {
			if exists && errors.Is(err, fs.ErrNotExist) {
				break
			}
			if err == nil && hidden[e.Name] {
				continue
			}
			for err == nil && len(fixed) > 0 && sortKey(fixed[0]) < sortKey(e) {
				if !yield(fixed[0], nil) {
					return
				}
				fixed = fixed[1:]
			}
			if !yield(e, err) || err != nil {
				return
			}
		}
		for _, e := range fixed {
			if !yield(e, nil) {
				return
			}
		}
	}
}

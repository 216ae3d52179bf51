package s3fs

import (
	"cmp"
	"context"
	"iter"
	"slices"
	"strings"
)

// Directory buckets (S3 Express) list by prefixes that end in a slash only, and in no order. Some other services refuse
// other prefixes too.

// isDirectoryBucket reports whether a bucket is one of S3 Express, by its name.
func isDirectoryBucket(bucket string) bool { return strings.HasSuffix(bucket, "--x-s3") }

// listsAnyPrefix reports whether the bucket lists by prefixes that do not end in a slash, as far as is known.
func (f *FS) listsAnyPrefix() bool {
	return !isDirectoryBucket(f.bucket) && f.client.features.supports(anyPrefix, f.bucket)
}

// pagesOf yields what is in a directory whose names begin with prefix.
func (f *FS) pagesOf(ctx context.Context, root, prefix string) iter.Seq2[*page, error] {
	switch {
	case isDirectoryBucket(f.bucket):
		return inOrder(filtered(f.pages(ctx, root, "/"), root+prefix))
	case prefix == "":
		return f.pages(ctx, root, "/")
	case !f.listsAnyPrefix():
		return filtered(f.pages(ctx, root, "/"), root+prefix)
	}
	return func(yield func(*page, error) bool) {
		var refused error
		first := true
		for p, err := range f.pages(ctx, root+prefix, "/") {
			if first && unknown(err) {
				refused = err
				break
			}
			first = false
			if !yield(p, err) {
				return
			}
		}
		if refused == nil {
			f.client.features.accept(anyPrefix, f.bucket)
			return
		}
		for p, err := range filtered(f.pages(ctx, root, "/"), root+prefix) {
			if err == nil && refused != nil {
				f.client.features.refuse(anyPrefix, f.bucket, refused)
				refused = nil
			}
			if !yield(p, err) {
				return
			}
		}
	}
}

// filtered leaves of pages what begins with prefix.
func filtered(pages iter.Seq2[*page, error], prefix string) iter.Seq2[*page, error] {
	return func(yield func(*page, error) bool) {
		for p, err := range pages {
			if err == nil {
				p.objects = slices.DeleteFunc(p.objects, func(o object) bool { return !strings.HasPrefix(o.key, prefix) })
				p.dirs = slices.DeleteFunc(p.dirs, func(dir string) bool { return !strings.HasPrefix(dir, prefix) })
			}
			if !yield(p, err) {
				return
			}
		}
	}
}

// inOrder makes one page of all, in order.
func inOrder(pages iter.Seq2[*page, error]) iter.Seq2[*page, error] {
	return func(yield func(*page, error) bool) {
		all := &page{}
		for p, err := range pages {
			if err != nil {
				yield(nil, err)
				return
			}
			all.objects = append(all.objects, p.objects...)
			all.dirs = append(all.dirs, p.dirs...)
		}
		all.sort()
		yield(all, nil)
	}
}

// sort puts a page in order, if it is not.
func (p *page) sort() {
	byKey := func(a, b object) int { return cmp.Compare(a.key, b.key) }
	if !slices.IsSortedFunc(p.objects, byKey) {
		slices.SortFunc(p.objects, byKey)
	}
	if !slices.IsSorted(p.dirs) {
		slices.Sort(p.dirs)
	}
}

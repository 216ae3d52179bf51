package s3fs

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// List yields the entries of dir with names that begin with prefix, page by page as S3 returns them. They are sorted by the
// bytes of their names; the name of a directory is sorted with a slash at its end.
//
// Keys that are not valid names are skipped. The time of a file is LastModified or that of Stat, see Options.ListMtime;
// the time of a directory is zero. If dir does not exist, List yields fs.ErrNotExist, but only with an empty prefix.
func (f *FS) List(ctx context.Context, dir, prefix string) iter.Seq2[proxy.Entry, error] {
	return func(yield func(proxy.Entry, error) bool) {
		if !proxy.IsPrintable(prefix) || strings.Contains(prefix, "/") {
			return // no name has this prefix
		}
		root, err := f.dirPrefix(dir)
		if err != nil {
			yield(proxy.Entry{}, wrap("list", dir, err))
			return
		}
		found := root == f.prefix || prefix != ""
		last := "" // the last directory: some services repeat it at the beginning of the next page
		for page, err := range f.dirPages(ctx, root, prefix) {
			if err != nil {
				yield(proxy.Entry{}, wrap("list", dir, err))
				return
			}
			found = found || len(page.objects)+len(page.dirs) > 0
			for e, err := range f.withTimes(ctx, root, page.entries(root, &last)) {
				if err != nil {
					yield(proxy.Entry{}, wrap("list", dir, err))
					return
				}
				if !yield(e.entry(), nil) {
					return
				}
			}
		}
		if !found {
			yield(proxy.Entry{}, wrap("list", dir, fs.ErrNotExist))
		}
	}
}

// page is one response of ListObjectsV2: objects and common prefixes, each sorted.
type page struct {
	objects []object
	dirs    []string
	next    string // continuation token; "" = this is the last page
}

type object struct {
	key   string
	size  int64
	mtime time.Time
	etag  string
	class string               // storage class
	head  *s3.HeadObjectOutput // nil = HeadObject was not called
}

// entries merges the files and directories below root, sorted. It skips invalid names, among them the empty one of the
// directory marker root itself. It stores the last directory in last, and skips it if it comes again.
func (p *page) entries(root string, last *string) iter.Seq[*info] {
	return func(yield func(*info) bool) {
		objects, dirs := p.objects, p.dirs
		for len(objects)+len(dirs) > 0 {
			var dir string
			var o object
			if len(dirs) == 0 || len(objects) > 0 && objects[0].key < dirs[0] {
				o = objects[0]
				objects = objects[1:]
				if strings.HasSuffix(o.key, "/") && o.key != root { // a marker that some services list as an object
					dir = o.key
				}
			} else {
				dir = dirs[0]
				dirs = dirs[1:]
			}
			e := &info{name: strings.TrimPrefix(o.key, root), size: o.size, mtime: o.mtime, etag: o.etag}
			if dir != "" {
				if dir == *last {
					continue
				}
				*last = dir
				e = &info{name: strings.TrimSuffix(strings.TrimPrefix(dir, root), "/"), dir: true}
			}
			if proxy.IsElement(e.name) && !yield(e) {
				return
			}
		}
	}
}

// pages yields the pages of a listing. It requests the next page while the caller handles one. Without a delimiter, the
// pages have objects only.
func (f *FS) pages(ctx context.Context, prefix, delimiter string) iter.Seq2[*page, error] {
	return func(yield func(*page, error) bool) {
		ctx, cancel := context.WithCancel(ctx)
		fetch := func(after string) func() (*page, error) {
			return async(func() (*page, error) {
				if delimiter != "" { // a listing of one directory, which shows times
					return f.fetchPageWithTimes(ctx, prefix, delimiter, after)
				}
				return f.fetchPage(ctx, prefix, delimiter, after, 0)
			})
		}
		next := fetch("")
		defer func() {
			cancel()
			next()
		}()
		for {
			p, err := next()
			if err == nil && p.next != "" {
				next = fetch(p.next)
			}
			if !yield(p, err) || err != nil || p.next == "" {
				return
			}
		}
	}
}

// firstKeys returns the first objects with a prefix, at least limit unless fewer exist. S3 may return fewer than requested
// in a page, or none, although more follow.
func (f *FS) firstKeys(ctx context.Context, prefix string, limit int32) (objects []object, err error) {
	for after := ""; ; {
		p, err := f.fetchPage(ctx, prefix, "", after, limit)
		if err != nil {
			return nil, err
		}
		for _, o := range p.objects {
			if len(objects) == 0 || objects[len(objects)-1].key != o.key { // some services repeat the last key of the page before
				objects = append(objects, o)
			}
		}
		switch {
		case p.next == "" || len(objects) >= int(limit):
			return objects, nil
		case p.next == after:
			return nil, fmt.Errorf("%w: the listing of %q repeats its continuation token", errUnconfirmed, prefix)
		}
		after = p.next
	}
}

// fetchPage requests a page of at most limit keys; 0 = the default of S3. after is the continuation token of the page
// before, or "".
func (f *FS) fetchPage(ctx context.Context, prefix, delimiter, after string, limit int32, options ...func(*s3.Options)) (*page, error) {
	if len(prefix) > maxKeyLength {
		return &page{}, nil // no key has this prefix, and S3 refuses the request
	}
	in := &s3.ListObjectsV2Input{Bucket: &f.bucket, Prefix: &prefix}
	if delimiter != "" {
		in.Delimiter = &delimiter
	}
	if after != "" {
		in.ContinuationToken = &after
	}
	if limit > 0 {
		in.MaxKeys = &limit
	}
	p := &page{}
	err := f.client.features.try(encodedKeys, "", isUnsupported, func(with bool) error {
		in.EncodingType = ""
		if with { // otherwise one key with characters that XML does not allow makes its page unreadable
			in.EncodingType = types.EncodingTypeUrl
		}
		_, err := f.api.ListObjectsV2(ctx, in, append(options, p.decode)...)
		return err
	})
	p.sort()
	return p, err
}

// Directory buckets (S3 Express) accept only prefixes that end in a slash, and their listings are unsorted. Some other
// services refuse such prefixes too.

// listsAnyPrefix reports whether the bucket is not known to refuse prefixes that do not end in a slash.
func (f *FS) listsAnyPrefix() bool {
	return !IsDirectoryBucket(f.bucket) && f.client.features.supports(anyPrefix, f.bucket)
}

// dirPages yields the entries of a directory with names that begin with prefix.
func (f *FS) dirPages(ctx context.Context, root, prefix string) iter.Seq2[*page, error] {
	switch {
	case IsDirectoryBucket(f.bucket):
		return sortPages(filterPages(f.pages(ctx, root, "/"), root+prefix))
	case prefix == "":
		return f.pages(ctx, root, "/")
	case !f.listsAnyPrefix():
		return filterPages(f.pages(ctx, root, "/"), root+prefix)
	}
	return func(yield func(*page, error) bool) {
		var refused error
		first := true
		for p, err := range f.pages(ctx, root+prefix, "/") {
			if first && isUnsupported(err) {
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
		for p, err := range filterPages(f.pages(ctx, root, "/"), root+prefix) {
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

// filterPages removes the keys that do not begin with prefix.
func filterPages(pages iter.Seq2[*page, error], prefix string) iter.Seq2[*page, error] {
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

// sortPages merges all pages into one sorted page.
func sortPages(pages iter.Seq2[*page, error]) iter.Seq2[*page, error] {
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

// sort sorts a page. S3 and most services return sorted pages.
func (p *page) sort() {
	byKey := func(a, b object) int { return cmp.Compare(a.key, b.key) }
	if !slices.IsSortedFunc(p.objects, byKey) {
		slices.SortFunc(p.objects, byKey)
	}
	if !slices.IsSorted(p.dirs) {
		slices.Sort(p.dirs)
	}
}

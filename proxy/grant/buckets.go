// Package grant has stores over other stores: what an account may use of them, and under which names.
package grant

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"strings"
	"syscall"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Buckets returns a store whose root directory is the list of buckets. Mkdir and Rmdir there create and delete buckets. The
// root cannot have files, and a bucket cannot be renamed. A file can be renamed or copied within its bucket; between buckets
// that is errors.ErrUnsupported.
func Buckets(b proxy.Buckets) proxy.Store { return root{b} }

type root struct{ buckets proxy.Buckets }

// split returns the bucket in a name, "" for the root, and the name within the bucket, "" for the bucket itself.
func split(name string) (bucket, rest string) {
	bucket, rest, found := strings.Cut(strings.TrimPrefix(name, "/"), "/")
	if !found || rest == "" {
		return bucket, ""
	}
	return bucket, "/" + rest
}

// failed returns an error of an operation with its name.
func failed(op, name string, err error) error { return &fs.PathError{Op: op, Path: name, Err: err} }

// file returns the store and the name of a file. The root and a bucket are syscall.EISDIR, or fs.ErrNotExist if it is missing.
func (r root) file(ctx context.Context, op, name string) (store proxy.Store, rest string, err error) {
	bucket, rest := split(name)
	if rest != "" {
		return r.buckets.Open(bucket), rest, nil
	}
	if _, err := r.Stat(ctx, name); err != nil {
		return nil, "", err
	}
	return nil, "", failed(op, name, syscall.EISDIR)
}

// Stat implements proxy.Store.
func (r root) Stat(ctx context.Context, name string) (proxy.Entry, error) {
	bucket, rest := split(name)
	switch {
	case bucket == "":
		return proxy.Entry{Name: "/", Dir: true, Fixed: true, Denied: proxy.PermWrite | proxy.PermOverwrite}, nil
	case rest != "":
		return r.buckets.Open(bucket).Stat(ctx, rest)
	}
	e, err := r.buckets.Stat(ctx, bucket)
	if errors.Is(err, fs.ErrPermission) {
		return r.listed(ctx, bucket, err)
	}
	return named(e), err
}

// listed looks for a bucket in the list of buckets. S3 may list a bucket and refuse requests about it. The error is
// denied if the list does not have it.
func (r root) listed(ctx context.Context, bucket string, denied error) (proxy.Entry, error) {
	for e, err := range r.buckets.List(ctx) {
		if err == nil && e.Name == bucket {
			return named(e), nil
		}
	}
	return proxy.Entry{}, denied
}

// named returns the entry of a bucket, which cannot be renamed.
func named(e proxy.Entry) proxy.Entry {
	e.Denied |= proxy.PermRename
	return e
}

// List implements proxy.Store.
func (r root) List(ctx context.Context, dir, prefix string) iter.Seq2[proxy.Entry, error] {
	bucket, rest := split(dir)
	if bucket != "" {
		return r.buckets.Open(bucket).List(ctx, "/"+strings.TrimPrefix(rest, "/"), prefix)
	}
	return func(yield func(proxy.Entry, error) bool) {
		for e, err := range r.buckets.List(ctx) {
			if err != nil {
				yield(proxy.Entry{}, err)
				return
			}
			if strings.HasPrefix(e.Name, prefix) && !yield(named(e), nil) {
				return
			}
		}
	}
}

// Open implements proxy.Store.
func (r root) Open(ctx context.Context, name string, at proxy.Range) (proxy.Reader, error) {
	store, rest, err := r.file(ctx, "open", name)
	if err != nil {
		return nil, err
	}
	return store.Open(ctx, rest, at)
}

// Put implements proxy.Store.
func (r root) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (proxy.Stored, error) {
	bucket, rest := split(name)
	if rest == "" {
		if _, err := r.Stat(ctx, name); err == nil {
			return proxy.Stored{}, failed("put", name, syscall.EISDIR)
		}
		return proxy.Stored{}, failed("put", name, fmt.Errorf("only buckets can be in the root: %w", proxy.ErrDenied))
	}
	return r.buckets.Open(bucket).Put(ctx, rest, bucketSource{src, bucket}, w)
}

// A bucketSource translates the names of copied files to those in a bucket.
type bucketSource struct {
	proxy.Source
	bucket string
}

// Next implements proxy.Source.
func (s bucketSource) Next(ctx context.Context) (proxy.Run, error) {
	run, err := s.Source.Next(ctx)
	if err != nil || run.Copy == nil || run.Copy.From == "" {
		return run, err
	}
	bucket, rest := split(run.Copy.From)
	if bucket != s.bucket || rest == "" {
		return proxy.Run{}, failed("copy", run.Copy.From, errors.ErrUnsupported)
	}
	translated := *run.Copy
	translated.From = rest
	run.Copy = &translated
	return run, nil
}

// Rename implements proxy.Store.
func (r root) Rename(ctx context.Context, from, to string, replace bool) (proxy.Stored, error) {
	bucket, rest := split(from)
	toBucket, toRest := split(to)
	switch {
	case rest == "" || toRest == "":
		return proxy.Stored{}, failed("rename", from, fmt.Errorf("buckets cannot be renamed, nor files moved to the root: %w", proxy.ErrDenied))
	case bucket != toBucket:
		return proxy.Stored{}, failed("rename", from, fmt.Errorf("files cannot be moved between buckets: %w", errors.ErrUnsupported))
	}
	return r.buckets.Open(bucket).Rename(ctx, rest, toRest, replace)
}

// Remove implements proxy.Store.
func (r root) Remove(ctx context.Context, name string) (proxy.Stored, error) {
	store, rest, err := r.file(ctx, "remove", name)
	if err != nil {
		return proxy.Stored{}, err
	}
	return store.Remove(ctx, rest)
}

// Mkdir implements proxy.Store. Some services report no error if the account has the bucket already.
func (r root) Mkdir(ctx context.Context, dir string) (proxy.Stored, error) {
	bucket, rest := split(dir)
	if rest != "" {
		return r.buckets.Open(bucket).Mkdir(ctx, rest)
	}
	if _, err := r.Stat(ctx, dir); err == nil {
		return proxy.Stored{}, failed("mkdir", dir, fs.ErrExist)
	}
	return proxy.Stored{Bucket: bucket}, r.buckets.Make(ctx, bucket)
}

// Rmdir implements proxy.Store.
func (r root) Rmdir(ctx context.Context, dir string) (proxy.Stored, error) {
	bucket, rest := split(dir)
	switch {
	case bucket == "":
		return proxy.Stored{}, failed("rmdir", dir, proxy.ErrDenied)
	case rest != "":
		return r.buckets.Open(bucket).Rmdir(ctx, rest)
	}
	return proxy.Stored{Bucket: bucket}, r.buckets.Remove(ctx, bucket)
}

// SetTime implements proxy.Store.
func (r root) SetTime(ctx context.Context, name string, mtime time.Time) (proxy.Stored, error) {
	store, rest, err := r.file(ctx, "set time", name)
	if err != nil {
		return proxy.Stored{}, err
	}
	return store.SetTime(ctx, rest, mtime)
}

// Sum implements proxy.Store.
func (r root) Sum(ctx context.Context, name, etag, algorithm string, offset, length int64) ([]byte, error) {
	store, rest, err := r.file(ctx, "sum", name)
	if err != nil {
		return nil, err
	}
	return store.Sum(ctx, rest, etag, algorithm, offset, length)
}

// Usage implements proxy.Store.
func (r root) Usage(ctx context.Context, dir string) (bytes, files int64, err error) {
	if bucket, rest := split(dir); bucket != "" {
		return r.buckets.Open(bucket).Usage(ctx, "/"+strings.TrimPrefix(rest, "/"))
	}
	for e, err := range r.buckets.List(ctx) {
		if err != nil {
			return 0, 0, err
		}
		b, f, err := r.buckets.Open(e.Name).Usage(ctx, "/")
		if err != nil {
			return 0, 0, err
		}
		bytes, files = bytes+b, files+f
	}
	return bytes, files, nil
}

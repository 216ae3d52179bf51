package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// info describes a file or a directory.
type info struct {
	name  string
	size  int64
	mtime time.Time
	dir   bool
	etag  string
	class string // S3's storage class
	head  *s3.HeadObjectOutput
}

func (i *info) entry() proxy.Entry {
	return proxy.Entry{Name: i.name, Size: i.size, ModTime: i.mtime, Dir: i.dir, ETag: i.etag}
}

// Stat describes a file or, if it does not exist, the directory of that name. A name that ends in a slash means the
// directory alone. The root always exists. The time of a file is mtime in its metadata, in seconds since 1970, or
// LastModified; the time of a directory is that of its marker, if it has one.
//
// If neither exists, but an upload to the file can be resumed, Stat describes the upload.
func (f *FS) Stat(ctx context.Context, name string) (proxy.Entry, error) {
	i, err := f.stat(ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !strings.HasSuffix(name, "/"):
		e, err := f.statResumable(ctx, name, err)
		return e, wrap("stat", name, err)
	case err != nil:
		return proxy.Entry{}, wrap("stat", name, err)
	}
	return i.entry(), nil
}

// statResumable describes the resumable upload to a file that does not exist, or returns missing. It first waits for an
// upload that is about to end, which may still create the file.
func (f *FS) statResumable(ctx context.Context, name string, missing error) (proxy.Entry, error) {
	key, err := f.fileKey(name)
	if err != nil {
		return proxy.Entry{}, missing
	}
	if f.client.uploads.awaitFinishing(ctx, f.bucketKey(key)) {
		i, err := f.stat(ctx, name)
		if err == nil {
			return i.entry(), nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return proxy.Entry{}, err
		}
	}
	upload, err := f.findResumable(ctx, key)
	switch {
	case err != nil:
		return proxy.Entry{}, err
	case upload == nil:
		return proxy.Entry{}, missing
	}
	return proxy.Entry{Name: path.Base(name), Size: upload.size, Resumable: true, ETag: upload.id}, nil
}

// FileSize returns the size of a file in bytes, by one request. A directory or a resumable upload is fs.ErrNotExist.
func (f *FS) FileSize(ctx context.Context, name string) (int64, error) {
	key, err := f.fileKey(name)
	if err != nil {
		return 0, wrap("stat", name, err)
	}
	file, err := f.head(ctx, key)
	if err != nil {
		return 0, wrap("stat", name, err)
	}
	return file.size, nil
}

func (f *FS) stat(ctx context.Context, name string) (*info, error) {
	dir, err := f.dirPrefix(name)
	if err != nil {
		return nil, err
	}
	switch {
	case dir == f.prefix:
		return &info{name: "/", dir: true}, nil
	case strings.HasSuffix(name, "/"):
		return f.statDir(ctx, dir)
	}
	asDir := async(func() (*info, error) { return f.statDir(ctx, dir) })
	file, err := f.head(ctx, strings.TrimSuffix(dir, "/"))
	d, dirErr := asDir()
	return fileOrDir(file, err, d, dirErr)
}

// statFileFirst is stat for a name that is probably a file: it looks for the directory, with the key dir, only if the file
// does not exist.
func (f *FS) statFileFirst(ctx context.Context, dir string) (*info, error) {
	file, err := f.head(ctx, strings.TrimSuffix(dir, "/"))
	if err == nil {
		return file, nil
	}
	d, dirErr := f.statDir(ctx, dir)
	return fileOrDir(file, err, d, dirErr)
}

// fileOrDir returns the file, or the directory if only that exists.
func fileOrDir(file *info, err error, d *info, dirErr error) (*info, error) {
	switch {
	case err == nil:
		return file, nil
	case dirErr == nil && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)):
		return d, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, dirErr
	case errors.Is(err, fs.ErrPermission) && errors.Is(dirErr, fs.ErrNotExist):
		// S3 answers 403 for a missing object if listing is allowed for some prefixes only.
		return nil, fmt.Errorf("%w, and no access to a file: %w", dirErr, err)
	}
	return nil, err
}

// head describes an object.
func (f *FS) head(ctx context.Context, key string) (*info, error) {
	out, err := f.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &f.bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	return &info{
		name:  path.Base(key),
		size:  aws.ToInt64(out.ContentLength),
		mtime: mtime(out.Metadata, out.LastModified),
		etag:  unquote(out.ETag),
		class: string(out.StorageClass),
		head:  out,
	}, nil
}

// statDir describes a directory. It exists if any key begins with dir.
func (f *FS) statDir(ctx context.Context, dir string) (*info, error) {
	objects, err := f.firstKeys(ctx, dir, 1)
	if err != nil {
		return nil, err
	}
	if len(objects) == 0 {
		return nil, fs.ErrNotExist
	}
	d := &info{name: path.Base(dir), dir: true}
	if objects[0].key == dir {
		d.mtime = objects[0].mtime
	}
	return d, nil
}

// mtime returns the modification time from the metadata, where rclone and others store it too, or else LastModified. A
// year of more than four digits is ignored.
func mtime(metadata map[string]string, modified *time.Time) time.Time {
	if t, ok := parseSeconds(metadata["mtime"]); ok && 0 < t.Year() && t.Year() <= 9999 {
		return t
	}
	return aws.ToTime(modified)
}

// parseSeconds parses decimal seconds since 1970, up to nanoseconds. A float64 is not exact enough: the last second of
// 9999 would become the first of 10000.
func parseSeconds(text string) (time.Time, bool) {
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	s, err := strconv.ParseUint(whole, 10, 40)
	ns, err2 := strconv.ParseUint((fraction + "000000000")[:9], 10, 32)
	if err != nil || err2 != nil || strings.Trim(fraction, "0123456789") != "" {
		return time.Time{}, false
	}
	if negative {
		return time.Unix(-int64(s), -int64(ns)).UTC(), true
	}
	return time.Unix(int64(s), int64(ns)).UTC(), true
}

func unquote(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }

// quoted returns an ETag with quotes, as in headers.
func quoted(etag string) *string { return aws.String(`"` + etag + `"`) }

// Usage lists all keys below a directory, 1,000 in a request, and adds up their sizes. It does not count directory
// markers, old versions and resumable uploads.
func (f *FS) Usage(ctx context.Context, dir string) (bytes, files int64, err error) {
	key, err := f.dirPrefix(dir)
	if err != nil {
		return 0, 0, wrap("usage", dir, err)
	}
	for page, err := range f.pages(ctx, key, "") {
		if err != nil {
			return 0, 0, wrap("usage", dir, err)
		}
		for _, o := range page.objects {
			if !strings.HasSuffix(o.key, "/") {
				bytes += o.size
				files++
			}
		}
	}
	return bytes, files, nil
}

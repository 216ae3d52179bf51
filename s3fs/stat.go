package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// info describes a file or a directory. It implements fs.FileInfo, and Unique.
type info struct {
	name  string
	size  int64
	mtime time.Time
	dir   bool
	etag  string
	class string // S3's storage class
	head  *s3.HeadObjectOutput
}

func (i *info) Name() string       { return i.name }
func (i *info) Size() int64        { return i.size }
func (i *info) ModTime() time.Time { return i.mtime }
func (i *info) IsDir() bool        { return i.dir }
func (i *info) Sys() any           { return nil }

// Mode implements fs.FileInfo. S3 knows no permissions of a file's own: what may be done is decided elsewhere.
func (i *info) Mode() fs.FileMode {
	if i.dir {
		return fs.ModeDir | 0o755
	}
	return 0o644
}

// Unique returns what changes whenever the content does, "" for a directory.
func (i *info) Unique() string { return i.etag }

// Stat describes the file of that name or, if there is none, the directory; a name that ends in a slash asks for the
// directory alone, and the root is always there. A file's time is its metadata's mtime, in seconds since 1970, or
// else LastModified; a directory's is that of its marker, if it has one.
//
// If there is neither, but a broken upload to the file can be resumed, the error, fs.ErrNotExist, has a method
// Offset() int64 for where.
func (f *FS) Stat(ctx context.Context, name string) (fs.FileInfo, error) {
	i, err := f.stat(ctx, name)
	if errors.Is(err, fs.ErrNotExist) && !strings.HasSuffix(name, "/") {
		i, err = f.pending(ctx, name, err)
	}
	if err != nil {
		return nil, wrap("stat", name, err)
	}
	return i, nil
}

// pending makes of err, which says that there is no file, one that tells where a broken upload to it stands. An upload
// that is just coming to its end is waited for; it may make the file after all.
func (f *FS) pending(ctx context.Context, name string, err error) (*info, error) {
	key, bad := f.file(name)
	if bad != nil {
		return nil, err
	}
	if f.client.uploads.settle(ctx, f.bucket+"/"+key) {
		if i, err := f.stat(ctx, name); !errors.Is(err, fs.ErrNotExist) {
			return i, err
		}
	}
	b, failed := f.broken(ctx, key)
	switch {
	case failed != nil:
		return nil, failed
	case b != nil:
		return nil, standsAt(b.size, err)
	}
	return nil, err
}

func (f *FS) stat(ctx context.Context, name string) (*info, error) {
	dir, err := f.dir(name)
	if err != nil {
		return nil, err
	}
	switch {
	case dir == f.prefix:
		return &info{name: "/", dir: true}, nil
	case strings.HasSuffix(name, "/"):
		return f.statDir(ctx, dir)
	}
	asDir := later(func() (*info, error) { return f.statDir(ctx, dir) })
	file, err := f.head(ctx, strings.TrimSuffix(dir, "/"))
	d, dirErr := asDir()
	return fileOrDir(file, err, d, dirErr)
}

// statInTurn is stat for what is a file, most likely: the directory, whose key is given, is asked for only if there is none.
func (f *FS) statInTurn(ctx context.Context, dir string) (*info, error) {
	file, err := f.head(ctx, strings.TrimSuffix(dir, "/"))
	if err == nil {
		return file, nil
	}
	d, dirErr := f.statDir(ctx, dir)
	return fileOrDir(file, err, d, dirErr)
}

// fileOrDir is what a name means, of which the file and the directory were asked for.
func fileOrDir(file *info, err error, d *info, dirErr error) (*info, error) {
	switch {
	case err == nil:
		return file, nil
	case dirErr == nil && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)):
		return d, nil
	case errors.Is(err, fs.ErrNotExist):
		return nil, dirErr
	case errors.Is(err, fs.ErrPermission) && errors.Is(dirErr, fs.ErrNotExist):
		// So S3 answers for a missing object when listing is allowed for some prefixes only.
		return nil, fmt.Errorf("%w, nor a file that may be seen: %w", dirErr, err)
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

// statDir describes a directory, which is any key that begins with dir.
func (f *FS) statDir(ctx context.Context, dir string) (*info, error) {
	p, err := f.page(ctx, dir, "", "", 1)
	if err != nil {
		return nil, err
	}
	if len(p.objects) == 0 {
		return nil, fs.ErrNotExist
	}
	d := &info{name: path.Base(dir), dir: true}
	if p.objects[0].key == dir {
		d.mtime = p.objects[0].mtime
	}
	return d, nil
}

// mtime returns the time that the metadata tell, as rclone and others keep it, or else S3's own. Its year has four digits.
func mtime(metadata map[string]string, modified *time.Time) time.Time {
	seconds, err := strconv.ParseFloat(metadata["mtime"], 64)
	if err != nil || math.IsNaN(seconds) || seconds < -6e10 || seconds > 1e11 {
		return aws.ToTime(modified)
	}
	whole, fraction := math.Modf(seconds)
	return time.Unix(int64(whole), int64(fraction*1e9)).UTC().Round(time.Microsecond)
}

func unquote(etag *string) string { return strings.Trim(aws.ToString(etag), `"`) }

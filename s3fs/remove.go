package s3fs

import (
	"context"
	"errors"
	"io/fs"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Remove deletes a file. What is only a directory is syscall.EISDIR.
// A directory without a marker is gone with its last file. Broken uploads to the file are ended: where there is one, those that
// this process has left; where there is none, the newest.
func (f *FS) Remove(ctx context.Context, name string) error {
	return wrap("remove", name, f.remove(ctx, name))
}

func (f *FS) remove(ctx context.Context, name string) error {
	key, err := f.file(name)
	if err != nil {
		return err
	}
	if _, err = f.head(ctx, key); err == nil {
		if err = f.delete(ctx, key, nil); err == nil {
			f.endLeft(ctx, key, "")
		}
		return err
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if _, err = f.statDir(ctx, key+"/"); errors.Is(err, fs.ErrNotExist) {
		if b, _ := f.broken(ctx, key); b != nil {
			f.abandon(ctx, multipart{key, b.id})
			return nil
		}
	}
	if err != nil {
		return err
	}
	return syscall.EISDIR
}

// delete deletes an object; one whose ETag is match, if that is not nil.
func (f *FS) delete(ctx context.Context, key string, match *string) error {
	_, err := f.api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &f.bucket, Key: &key, IfMatch: match})
	if unclear(err, 1) {
		if _, gone := f.head(ctx, key); errors.Is(gone, fs.ErrNotExist) {
			return nil
		}
	}
	return err
}

// Mkdir makes a directory by putting its marker, an empty object. A file or directory of that name is fs.ErrExist.
func (f *FS) Mkdir(ctx context.Context, dir string) error {
	return wrap("mkdir", dir, f.mkdir(ctx, dir))
}

func (f *FS) mkdir(ctx context.Context, dir string) error {
	key, err := f.dir(dir)
	if err != nil {
		return err
	}
	if _, err := f.stat(ctx, strings.TrimSuffix(dir, "/")); err == nil {
		return fs.ErrExist
	} else if !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	_, err = f.mark(ctx, key, nil)
	return err
}

// mark puts the marker of a directory, and returns its ETag. What noneMatch is, if not nil, must not be there.
func (f *FS) mark(ctx context.Context, key string, noneMatch *string) (etag string, err error) {
	err = f.client.checked(func(a algorithm) error {
		in := &s3.PutObjectInput{
			Bucket:        &f.bucket,
			Key:           &key,
			ContentLength: aws.Int64(0),
			ContentType:   aws.String("application/x-directory"),
			IfNoneMatch:   noneMatch,
		}
		f.attributes.onPut(in)
		checksum{a, a.hash().Sum(nil)}.set(&in.ChecksumCRC32C, &in.ChecksumCRC32, &in.ChecksumSHA256, &in.ContentMD5)
		out, err := f.api.PutObject(ctx, in)
		if err == nil {
			etag = unquote(out.ETag)
		}
		return err
	})
	return etag, err
}

// Rmdir deletes an empty directory, which is one that has nothing but its marker. One that has more is
// syscall.ENOTEMPTY, a file syscall.ENOTDIR, and the root fs.ErrPermission.
func (f *FS) Rmdir(ctx context.Context, dir string) error {
	return wrap("rmdir", dir, f.rmdir(ctx, dir))
}

func (f *FS) rmdir(ctx context.Context, dir string) error {
	key, err := f.dir(dir)
	if err != nil {
		return err
	}
	if key == f.prefix {
		return fs.ErrPermission
	}
	p, err := f.page(ctx, key, "", "", 2)
	switch {
	case err != nil:
		return err
	case len(p.objects) == 0:
		if _, err := f.head(ctx, strings.TrimSuffix(key, "/")); err != nil {
			return err
		}
		return syscall.ENOTDIR
	case len(p.objects) > 1 || p.objects[0].key != key:
		return syscall.ENOTEMPTY
	}
	return f.delete(ctx, key, nil)
}

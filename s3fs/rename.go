package s3fs

import (
	"context"
	"errors"
	"io/fs"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Rename moves a file, or a directory with all below it, by copying inside S3 and then deleting. Metadata, tags and the
// storage class go along. A file at the new name is replaced by a file; a directory there, or a file where a directory
// is to go, is fs.ErrExist. A directory into itself is fs.ErrInvalid.
//
// A directory with more keys than Options.RenameMax is syscall.EFBIG, before anything is copied. Nothing is deleted
// unless everything was copied; if that fails, the copies are removed.
func (f *FS) Rename(ctx context.Context, from, to string) error {
	return wrap("rename", from, f.rename(ctx, from, to))
}

func (f *FS) rename(ctx context.Context, from, to string) error {
	source, err := f.dir(from)
	if err != nil {
		return err
	}
	target, err := f.dir(to)
	if err != nil {
		return err
	}
	if source == f.prefix || target == f.prefix {
		return fs.ErrPermission // the root stays where it is
	}
	return f.move(ctx, source, target)
}

// move renames what has the key source, without the slash or with it.
func (f *FS) move(ctx context.Context, source, target string) error {
	asDir := later(func() (*info, error) { return f.statDir(ctx, target) })
	what, err := f.statInTurn(ctx, source)
	_, dirErr := asDir()
	switch {
	case err != nil || source == target:
		return err
	case what.dir && strings.HasPrefix(target, source):
		return fs.ErrInvalid
	case dirErr == nil:
		return fs.ErrExist
	case !errors.Is(dirErr, fs.ErrNotExist):
		return dirErr
	case what.dir:
		return f.renameDir(ctx, source, target)
	}
	return f.renameFile(ctx, what, strings.TrimSuffix(source, "/"), strings.TrimSuffix(target, "/"))
}

func (f *FS) renameFile(ctx context.Context, what *info, source, target string) error {
	err := f.copyFile(ctx, what, source, target)
	if precondition(err) { // it was written since: then what is there now is what is renamed
		if what, err = f.head(ctx, source); err == nil {
			err = f.copyFile(ctx, what, source, target)
		}
	}
	if err != nil {
		return err
	}
	f.endLeft(ctx, target, "")
	// An upload to the old name that was completed meanwhile is a new file there, and stays.
	return f.deleteUnchanged(ctx, source, what.etag)
}

// copyFile copies a file as it was described.
func (f *FS) copyFile(ctx context.Context, what *info, source, target string) error {
	o := object{key: source, size: what.size, etag: what.etag, class: what.class, head: what.head}
	_, err := f.copy(ctx, o, target, condition{})
	return err
}

// copy copies an object within the bucket, unless it has changed since it was described. It returns the copy's ETag;
// after an error, that which the copy may have, "" if there is none. The condition holds for copies in parts only.
func (f *FS) copy(ctx context.Context, o object, target string, only condition) (etag string, err error) {
	if f.inParts(o.size) {
		as, err := f.copyOf(ctx, o, target)
		if err != nil {
			return "", err
		}
		return f.copyInParts(ctx, o, as, only)
	}
	if err := context.Cause(ctx); err != nil {
		return "", err
	}
	ctx, cancel := outlast(ctx, cleanup) // of a request that is broken off nobody knows what it did
	defer cancel()
	in := &s3.CopyObjectInput{
		Bucket:            &f.bucket,
		Key:               &target,
		CopySource:        aws.String(copySource(f.bucket, o.key)),
		CopySourceIfMatch: aws.String(`"` + o.etag + `"`),
		StorageClass:      types.StorageClass(o.class),
	}
	if o.head != nil {
		as := like(o.head)
		in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = as.ServerSideEncryption, as.SSEKMSKeyId, as.BucketKeyEnabled
		if as.ContentType = retyped(o.head, o.key, target); as.ContentType != nil {
			replaceMetadata(in, as)
		}
	}
	f.attributes.onCopy(in)
	out, err := f.api.CopyObject(patient(ctx), in)
	switch {
	case errorCode(err) == "DirectoryObjectContainsData" && strings.HasSuffix(target, "/"):
		return f.mark(ctx, target, nil) // versitygw cannot copy a marker, which is a directory there
	case declined(err):
		return "", err // refused, and what is there is not ours
	case unclear(err, 1) && f.isCopy(ctx, o, target):
		f.log.Warn("S3 did not confirm a copy that it has made", "key", target, "err", err)
		return o.etag, nil
	case err != nil:
		return o.etag, err
	}
	return unquote(out.CopyObjectResult.ETag), nil
}

// copySource escapes the name of a copy's source for its header, where a plus sign would stand for a space.
func copySource(bucket, key string) string {
	return strings.NewReplacer("+", "%20", "%2F", "/").Replace(url.QueryEscape(bucket + "/" + key))
}

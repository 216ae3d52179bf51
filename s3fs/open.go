package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Open reads a file from offset on. What it returns is also an io.WriterTo, which is the cheapest way to read it all,
// and has the Stat method of fs.File, which asks S3 nothing more.
//
// An offset equal to the file's size reads nothing; beyond it, the error is syscall.ESPIPE. All bytes are of one
// version of the file: when another is put in its place, or it is deleted, before all of them have been asked for, the
// error is syscall.ESTALE. A content that S3 does not deliver to the end, or not as its checksum has it, is another
// error, never io.EOF.
func (f *FS) Open(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
	d, err := f.open(ctx, name, offset)
	if err != nil {
		return nil, wrap("open", name, err)
	}
	return d, nil
}

func (f *FS) open(ctx context.Context, name string, offset int64) (*download, error) {
	key, err := f.file(name)
	if err != nil {
		return nil, err
	}
	if offset < 0 {
		return nil, syscall.ESPIPE
	}
	in := &s3.GetObjectInput{Bucket: &f.bucket, Key: &key}
	if offset > 0 {
		in.Range = aws.String(fmt.Sprintf("bytes=%d-", offset))
	}
	d, err := f.first(ctx, in, offset)
	if err != nil {
		return nil, err
	}
	d.name = name
	return d, nil
}

// first sends the request that tells which version there is, and makes its answer the beginning of a download.
func (f *FS) first(ctx context.Context, in *s3.GetObjectInput, offset int64) (*download, error) {
	out, err := f.client.getWithSum(ctx, in)
	if errors.Is(err, syscall.ESPIPE) {
		return f.atEnd(ctx, *in.Key, offset)
	}
	if err != nil {
		return nil, err
	}
	v := &version{fs: f, key: *in.Key, etag: aws.ToString(out.ETag)}
	if v.size, err = sizeOf(out, offset); err != nil {
		out.Body.Close()
		return nil, err
	}
	d := newDownload(ctx, v, offset, out.Body)
	if offset == 0 {
		d.proof = newProof(out)
	}
	d.info = info{
		name:  path.Base(v.key),
		size:  v.size,
		mtime: mtime(out.Metadata, out.LastModified),
		etag:  unquote(out.ETag),
	}
	return d, nil
}

// sizeOf returns the size of the object whose bytes from offset on are in an answer.
func sizeOf(out *s3.GetObjectOutput, offset int64) (int64, error) {
	if out.ContentLength == nil {
		return 0, errors.New("the answer does not say how long it is")
	}
	size := offset + *out.ContentLength
	if offset == 0 {
		return size, nil
	}
	if r, ok := parseRange(out.ContentRange); !ok || r != (byteRange{offset, size - 1, size}) {
		return 0, fmt.Errorf("asked for all from byte %d on, got %q with %d bytes", offset, aws.ToString(out.ContentRange), *out.ContentLength)
	}
	return size, nil
}

// atEnd returns the nothing that follows a file's last byte, after S3 has said that there is no such range.
func (f *FS) atEnd(ctx context.Context, key string, offset int64) (*download, error) {
	i, err := f.head(ctx, key)
	if err != nil {
		return nil, err
	}
	if offset != i.size {
		return nil, fmt.Errorf("offset %d of %d bytes: %w", offset, i.size, syscall.ESPIPE)
	}
	d := newDownload(ctx, &version{fs: f, key: key, size: i.size}, offset, nil)
	d.info = *i
	return d, nil
}

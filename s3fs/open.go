package s3fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Open reads a file from offset on. What it returns is also an io.WriterTo, which is the cheapest way to read it all,
// and has the Stat method of fs.File, which asks S3 nothing more.
//
// An offset equal to the file's size reads nothing; beyond it, the error is syscall.ESPIPE. A content that S3 does
// not deliver to the end is an error when it breaks off, never io.EOF.
func (f *FS) Open(ctx context.Context, name string, offset int64) (io.ReadCloser, error) {
	b, err := f.open(ctx, name, offset)
	if err != nil {
		return nil, wrap("open", name, err)
	}
	return b, nil
}

func (f *FS) open(ctx context.Context, name string, offset int64) (*body, error) {
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
	out, err := f.api.GetObject(ctx, in)
	b := &body{ctx: ctx, fs: f, name: name}
	if err != nil {
		if errors.Is(err, syscall.ESPIPE) {
			return b.atEnd(key, offset)
		}
		return nil, err
	}
	b.src, b.left = out.Body, aws.ToInt64(out.ContentLength)
	b.info = info{
		name:  path.Base(key),
		size:  offset + b.left,
		mtime: mtime(out.Metadata, out.LastModified),
		etag:  unquote(out.ETag),
	}
	if want := fmt.Sprintf("bytes %d-", offset); offset > 0 && !strings.HasPrefix(aws.ToString(out.ContentRange), want) {
		out.Body.Close()
		return nil, fmt.Errorf("asked for %s, got %q", want, aws.ToString(out.ContentRange))
	}
	return b, nil
}

// body is the content of a file, as S3 delivers it.
type body struct {
	ctx  context.Context // of Open
	fs   *FS
	name string
	info info
	src  io.ReadCloser
	left int64
}

// atEnd makes b the nothing that follows a file's last byte, after S3 has said that there is no such range.
func (b *body) atEnd(key string, offset int64) (*body, error) {
	i, err := b.fs.head(b.ctx, key)
	if err != nil {
		return nil, err
	}
	if offset != i.size {
		return nil, fmt.Errorf("offset %d of %d bytes: %w", offset, i.size, syscall.ESPIPE)
	}
	b.info, b.src = *i, io.NopCloser(strings.NewReader(""))
	return b, nil
}

// Read implements io.Reader.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.src.Read(p)
	b.left -= int64(n)
	if err == io.EOF && b.left > 0 {
		err = fmt.Errorf("%d bytes short: %w", b.left, io.ErrUnexpectedEOF)
	}
	if err != nil && err != io.EOF {
		err = wrap("read", b.name, err)
	}
	return n, err
}

// WriteTo implements io.WriterTo, through memory from the budget.
func (b *body) WriteTo(w io.Writer) (total int64, err error) {
	m := b.fs.memory
	buf, err := m.borrow(b.ctx, b.fs.stall)
	if err != nil {
		return 0, wrap("read", b.name, err)
	}
	defer m.free(buf)
	for {
		n, err := b.Read(buf)
		if n > 0 {
			written, err := w.Write(buf[:n])
			total += int64(written)
			if err != nil {
				return total, err
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
}

// Close implements io.Closer. What has not been read is not fetched.
func (b *body) Close() error { return b.src.Close() }

// Stat describes the version of the file that is being read.
func (b *body) Stat() (fs.FileInfo, error) { return &b.info, nil }

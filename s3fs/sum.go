package s3fs

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"io/fs"
	"net/http"
	"slices"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// A digest is a checksum that Sum knows, and where S3 says it of a whole object, if it keeps it.
type digest struct {
	hash func() hash.Hash
	kept func(*s3.HeadObjectOutput) *string
}

var digests = map[string]digest{
	"CRC32":   {func() hash.Hash { return crc32.NewIEEE() }, func(o *s3.HeadObjectOutput) *string { return o.ChecksumCRC32 }},
	"MD5":     {md5.New, func(o *s3.HeadObjectOutput) *string { return o.ChecksumMD5 }},
	"SHA-1":   {sha1.New, func(o *s3.HeadObjectOutput) *string { return o.ChecksumSHA1 }},
	"SHA-256": {sha256.New, func(o *s3.HeadObjectOutput) *string { return o.ChecksumSHA256 }},
	"SHA-512": {sha512.New, func(o *s3.HeadObjectOutput) *string { return o.ChecksumSHA512 }},
}

// Sum returns a checksum of length bytes of a file from offset on, or of all from there when length is below 0. The
// algorithm is CRC32, MD5, SHA-1, SHA-256 or SHA-512; any other is errors.ErrUnsupported.
//
// That of a whole file is what S3 keeps, if S3 keeps it. Else the file is read: one version of it, through memory from
// the budget. Bytes that the file does not have are syscall.ESPIPE, and a directory is syscall.EISDIR.
func (f *FS) Sum(ctx context.Context, name, algorithm string, offset, length int64) ([]byte, error) {
	sum, err := f.sum(ctx, name, algorithm, offset, length)
	if err != nil {
		return nil, wrap("sum", name, err)
	}
	return sum, nil
}

func (f *FS) sum(ctx context.Context, name, algorithm string, offset, length int64) ([]byte, error) {
	d, ok := digests[algorithm]
	if !ok {
		return nil, fmt.Errorf("checksum %q: %w", algorithm, errors.ErrUnsupported)
	}
	key, err := f.file(name)
	if err != nil {
		return nil, err
	}
	var sum []byte
	if offset == 0 {
		sum, err = f.keptSum(ctx, key, algorithm, length)
	}
	if sum == nil && err == nil {
		sum, err = f.readSum(ctx, name, d.hash(), offset, length)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := f.statDir(ctx, key+"/"); err != nil {
			return nil, err
		}
		return nil, syscall.EISDIR
	}
	return sum, err
}

// keptSum returns what S3 keeps of the first length bytes of an object, which must be all that it has; nil if S3 keeps
// nothing of the kind.
func (f *FS) keptSum(ctx context.Context, key, algorithm string, length int64) ([]byte, error) {
	out, err := f.headSums(ctx, key)
	if err != nil {
		if slices.Contains([]int{http.StatusBadRequest, http.StatusNotImplemented}, status(err)) {
			return nil, nil // it may not know what is asked for
		}
		return nil, err
	}
	if length >= 0 && (out.ContentLength == nil || length != *out.ContentLength) {
		return nil, nil
	}
	return f.kept(out, algorithm), nil
}

// errEnough ends a read at the last byte that is wanted.
var errEnough = errors.New("all that was asked for")

// readSum reads what h is to be the checksum of.
func (f *FS) readSum(ctx context.Context, name string, h hash.Hash, offset, length int64) ([]byte, error) {
	b, err := f.open(ctx, name, offset)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	rest := b.info.size - offset
	if length < 0 {
		length = rest
	}
	if length > rest {
		return nil, fmt.Errorf("%d bytes from %d on, of %d: %w", length, offset, b.info.size, syscall.ESPIPE)
	}
	if length > 0 {
		_, err = b.WriteTo(&prefix{h, length})
		if err == nil {
			return nil, io.ErrUnexpectedEOF
		} else if !errors.Is(err, errEnough) {
			return nil, err
		}
	}
	return h.Sum(nil), nil
}

// A prefix passes its first bytes on to a hash, and then it is errEnough.
type prefix struct {
	hash.Hash
	left int64
}

func (p *prefix) Write(b []byte) (int, error) {
	n := min(int64(len(b)), p.left)
	p.Hash.Write(b[:n])
	if p.left -= n; p.left == 0 {
		return int(n), errEnough
	}
	return int(n), nil
}

package s3fs

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"syscall"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Sum returns a checksum of length bytes of a file from offset on; a negative length = to the end. The algorithm is
// CRC32, MD5, SHA-1, SHA-256 or SHA-512; any other is errors.ErrUnsupported.
//
// If S3 stores the checksum of the object, Sum returns that. Otherwise it reads one version of the file, through
// memory of the budget. A range that the file does not have is syscall.ESPIPE, and a directory is syscall.EISDIR. If etag
// is not "", a file with another ETag is proxy.ErrStale.
func (f *FS) Sum(ctx context.Context, name, etag, algorithm string, offset, length int64) ([]byte, error) {
	sum, err := f.sum(ctx, name, etag, algorithm, offset, length)
	if err != nil {
		return nil, wrap("sum", name, err)
	}
	return sum, nil
}

func (f *FS) sum(ctx context.Context, name, etag, algorithm string, offset, length int64) ([]byte, error) {
	h := proxy.NewHash(algorithm)
	if h == nil {
		return nil, fmt.Errorf("checksum %q: %w", algorithm, errors.ErrUnsupported)
	}
	key, err := f.fileKey(name)
	if err != nil {
		return nil, err
	}
	var sum []byte
	if offset == 0 {
		sum, err = f.storedChecksum(ctx, key, etag, algorithm, length)
	}
	if sum == nil && err == nil {
		sum, err = f.computeSum(ctx, name, h, proxy.Range{ETag: etag, Offset: offset}, length)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := f.statDir(ctx, key+"/"); err != nil {
			return nil, err
		}
		return nil, syscall.EISDIR
	}
	return sum, err
}

// storedChecksum returns the checksum that S3 stores of an object, nil if it stores none, or if the object has other
// than length bytes. Another ETag than etag, unless that is "", is proxy.ErrStale.
func (f *FS) storedChecksum(ctx context.Context, key, etag, algorithm string, length int64) ([]byte, error) {
	out, err := f.headWithChecksums(ctx, key)
	if err != nil {
		if refusesHead(err) {
			return nil, nil // to be computed
		}
		return nil, err
	}
	if is := unquote(out.ETag); etag != "" && is != etag {
		return nil, fmt.Errorf("%w: the ETag is %s, not %s", proxy.ErrStale, is, etag)
	}
	if length >= 0 && (out.ContentLength == nil || length != *out.ContentLength) {
		return nil, nil
	}
	return f.checksumIn(out, algorithm), nil
}

// computeSum reads length bytes from at, or to the end if length is negative, and hashes them with h.
func (f *FS) computeSum(ctx context.Context, name string, h hash.Hash, at proxy.Range, length int64) ([]byte, error) {
	if length >= 0 {
		at.Length = max(length, 1) // 0 = to the end
	}
	r, err := f.open(ctx, name, at)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	r.verifier = nil // the caller compares the checksum
	switch rest := r.info.size - at.Offset; {
	case length > rest:
		return nil, fmt.Errorf("%d bytes at offset %d of %d: %w", length, at.Offset, r.info.size, syscall.ESPIPE)
	case length == 0:
		return h.Sum(nil), nil
	}
	if _, err := r.WriteTo(h); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// headWithChecksums returns the HEAD of an object, with its checksums if the service tells them.
func (f *FS) headWithChecksums(ctx context.Context, key string) (is *s3.HeadObjectOutput, err error) {
	err = f.client.features.try(checksumMode, "", refusesHead, func(with bool) (err error) {
		in := &s3.HeadObjectInput{Bucket: &f.bucket, Key: &key}
		if with {
			in.ChecksumMode = types.ChecksumModeEnabled
		}
		is, err = f.api.HeadObject(ctx, in)
		return err
	})
	return is, err
}

// refusesHead reports whether the service refused a parameter of HEAD. The answer has a status but no code.
func refusesHead(err error) bool {
	return slices.Contains([]int{http.StatusBadRequest, http.StatusNotImplemented}, status(err)) && !isOfOtherService(err)
}

// checksumField returns the checksum of an algorithm in an answer to HEAD, nil if there is none.
func checksumField(out *s3.HeadObjectOutput, algorithm string) *string {
	switch algorithm {
	case "CRC32":
		return out.ChecksumCRC32
	case "MD5":
		return out.ChecksumMD5
	case "SHA-1":
		return out.ChecksumSHA1
	case "SHA-256":
		return out.ChecksumSHA256
	case "SHA-512":
		return out.ChecksumSHA512
	}
	return nil
}

// checksumIn returns the checksum of an object's content from an answer to HEAD, nil if the answer has none that is
// reliable.
func (f *FS) checksumIn(out *s3.HeadObjectOutput, algorithm string) []byte {
	size := proxy.NewHash(algorithm).Size()
	if sum := decodeSum(aws.ToString(checksumField(out, algorithm))); isFullObject(out) && len(sum) == size {
		return sum
	}
	if algorithm == "MD5" && f.client.hasMD5ETags(out) && isPlainObject(out) {
		if sum, err := hex.DecodeString(unquote(out.ETag)); err == nil && len(sum) == size {
			return sum
		}
	}
	return nil
}

// isFullObject reports whether the checksums of an object are of its content, not composed of those of its parts. If
// the service does not tell, an object in one part is assumed to have a checksum of its content.
func isFullObject(out *s3.HeadObjectOutput) bool {
	if out.ChecksumType == "" {
		return !strings.Contains(aws.ToString(out.ETag), "-")
	}
	return out.ChecksumType == types.ChecksumTypeFullObject
}

// decodeSum decodes a checksum in Base64. It returns nil for other text, such as the composite checksum "...-3".
func decodeSum(text string) []byte {
	sum, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return sum
}

// plainClasses are the storage classes in which an ETag is as AWS and MinIO document it. In others, such as that of
// directory buckets or MinIO's tiers, it may be something else of the same form.
var plainClasses = []types.StorageClass{
	"", types.StorageClassStandard, types.StorageClassReducedRedundancy, types.StorageClassStandardIa, types.StorageClassOnezoneIa,
	types.StorageClassIntelligentTiering, types.StorageClassGlacierIr, types.StorageClassGlacier, types.StorageClassDeepArchive,
}

// isPlainObject reports whether an ETag in the form of an MD5 can be one. It cannot if the object is encrypted with a
// KMS or customer key, or is a replica, which may have the ETag of an encrypted source.
func isPlainObject(out *s3.HeadObjectOutput) bool {
	return slices.Contains([]types.ServerSideEncryption{"", types.ServerSideEncryptionAes256}, out.ServerSideEncryption) &&
		out.SSECustomerAlgorithm == nil && out.SSEKMSKeyId == nil &&
		out.ReplicationStatus != types.ReplicationStatusReplica &&
		slices.Contains(plainClasses, out.StorageClass)
}

// hasMD5ETags reports whether the service is known to use the MD5 of a plain object as its ETag: AWS and MinIO
// document that. Other services have ETags of the same form that are not an MD5, for example of objects that can be
// appended to.
func (c *Client) hasMD5ETags(out *s3.HeadObjectOutput) bool {
	if c.onAWS() {
		return true
	}
	answer, ok := awsmiddleware.GetRawResponse(out.ResultMetadata).(*smithyhttp.Response)
	return ok && strings.HasPrefix(answer.Header.Get("Server"), "MinIO")
}

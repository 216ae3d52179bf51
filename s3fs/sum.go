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
	"net/url"
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
		sum, err = f.storedChecksum(ctx, key, algorithm, length)
	}
	if sum == nil && err == nil {
		sum, err = f.computeSum(ctx, name, h, offset, length)
	}
	if errors.Is(err, fs.ErrNotExist) {
		if _, err := f.statDir(ctx, key+"/"); err != nil {
			return nil, err
		}
		return nil, syscall.EISDIR
	}
	return sum, err
}

// storedChecksum returns what S3 keeps of the first length bytes of an object, which must be all that it has; nil if S3 keeps
// nothing of the kind.
func (f *FS) storedChecksum(ctx context.Context, key, algorithm string, length int64) ([]byte, error) {
	out, err := f.headWithChecksums(ctx, key)
	if err != nil {
		if refusesHead(err) {
			return nil, nil // then it is read
		}
		return nil, err
	}
	if length >= 0 && (out.ContentLength == nil || length != *out.ContentLength) {
		return nil, nil
	}
	return f.checksumIn(out, algorithm), nil
}

// computeSum reads what h is to be the checksum of.
func (f *FS) computeSum(ctx context.Context, name string, h hash.Hash, offset, length int64) ([]byte, error) {
	at := proxy.Range{Offset: offset}
	if length >= 0 {
		at.Length = max(length, 1) // 0 = to the end
	}
	r, err := f.open(ctx, name, at)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	r.verifier = nil // the caller compares the checksum
	switch rest := r.info.size - offset; {
	case length > rest:
		return nil, fmt.Errorf("%d bytes from %d on, of %d: %w", length, offset, r.info.size, syscall.ESPIPE)
	case length == 0:
		return h.Sum(nil), nil
	}
	if _, err := r.WriteTo(h); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// headWithChecksums describes an object, with the checksums that S3 keeps of it, if the service tells them.
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

// refusesHead reports whether the service refused a HEAD as it was asked. The answer has a status and no code.
func refusesHead(err error) bool {
	return slices.Contains([]int{http.StatusBadRequest, http.StatusNotImplemented}, status(err))
}

// checksumField returns the checksum of an algorithm in an answer to HEAD, nil where there is none.
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

// checksumIn returns the checksum of an object's whole content, if S3 says it and there can be no doubt about what it is of.
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

// isFullObject reports whether the checksums of an object are of its content, and not of those of its parts. A service
// that does not tell has only objects in one part believed.
func isFullObject(out *s3.HeadObjectOutput) bool {
	if out.ChecksumType == "" {
		return !strings.Contains(aws.ToString(out.ETag), "-")
	}
	return out.ChecksumType == types.ChecksumTypeFullObject
}

// decodeSum returns nil for what is not the plain checksum of something, such as one of parts, "...-3".
func decodeSum(text string) []byte {
	sum, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return sum
}

// plainClasses are the storage classes in which an ETag is as AWS and MinIO document it. In others, such as that of
// directory buckets, or MinIO's tiers, it is something else that may look the same.
var plainClasses = []types.StorageClass{
	"", types.StorageClassStandard, types.StorageClassReducedRedundancy, types.StorageClassStandardIa, types.StorageClassOnezoneIa,
	types.StorageClassIntelligentTiering, types.StorageClassGlacierIr, types.StorageClassGlacier, types.StorageClassDeepArchive,
}

// isPlainObject reports whether an object was written by one PUT or copy, and is not encrypted in a way that makes its ETag a
// number like any other. A replica may have the ETag of an object that is.
func isPlainObject(out *s3.HeadObjectOutput) bool {
	return slices.Contains([]types.ServerSideEncryption{"", types.ServerSideEncryptionAes256}, out.ServerSideEncryption) &&
		out.SSECustomerAlgorithm == nil && out.SSEKMSKeyId == nil &&
		out.ReplicationStatus != types.ReplicationStatusReplica &&
		slices.Contains(plainClasses, out.StorageClass)
}

// hasMD5ETags reports whether the service is known to give plain objects their MD5 for an ETag: AWS and MinIO promise
// that. Others have ETags that look like it and are not, for instance those of objects that can be appended to.
func (c *Client) hasMD5ETags(out *s3.HeadObjectOutput) bool {
	if c.onAWS() {
		return true
	}
	answer, ok := awsmiddleware.GetRawResponse(out.ResultMetadata).(*smithyhttp.Response)
	return ok && strings.HasPrefix(answer.Header.Get("Server"), "MinIO")
}

// onAWS reports whether the service is Amazon's, by its endpoint.
func (c *Client) onAWS() bool {
	endpoint := c.api.Options().BaseEndpoint
	return endpoint == nil || isAWS(*endpoint)
}

func isAWS(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	return strings.HasSuffix(u.Hostname(), ".amazonaws.com") || strings.HasSuffix(u.Hostname(), ".amazonaws.com.cn")
}

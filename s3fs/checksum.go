package s3fs

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// An algorithm is a checksum algorithm by which S3 verifies objects and parts. The checksum is sent as a plain
// header.
type algorithm string

const (
	crc32C    algorithm = "crc32c"
	crc32IEEE algorithm = "crc32"
	sha256Sum algorithm = "sha256"
	md5Sum    algorithm = "md5" // as Content-MD5, which even the oldest services support
	none      algorithm = "none"
	auto                = "auto" // crc32c, or md5 if the service refuses it
)

var algorithms = []string{string(crc32C), string(crc32IEEE), string(sha256Sum), string(md5Sum), string(none), auto}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (a algorithm) hash() hash.Hash {
	switch a {
	case crc32C:
		return crc32.New(castagnoli)
	case crc32IEEE:
		return crc32.NewIEEE()
	case sha256Sum:
		return sha256.New()
	case md5Sum:
		return md5.New()
	}
	return noHash{}
}

// checksumType returns the values of CreateMultipartUpload for the algorithm. The checksum is that of the full object
// if S3 can combine those of the parts.
func (a algorithm) checksumType() (types.ChecksumAlgorithm, types.ChecksumType) {
	switch a {
	case crc32C:
		return types.ChecksumAlgorithmCrc32c, types.ChecksumTypeFullObject
	case crc32IEEE:
		return types.ChecksumAlgorithmCrc32, types.ChecksumTypeFullObject
	case sha256Sum:
		return types.ChecksumAlgorithmSha256, types.ChecksumTypeComposite
	}
	return "", ""
}

// A noHash hashes nothing.
type noHash struct{ hash.Hash }

func (noHash) Write(b []byte) (int, error) { return len(b), nil }
func (noHash) Sum(b []byte) []byte         { return b }

// A checksum is the checksum of a part or an object.
type checksum struct {
	algorithm
	value []byte
}

// set fills in that field of a request which is for the algorithm.
func (s checksum) set(crc32c, crc32, sha256, md5 **string) {
	field := map[algorithm]**string{crc32C: crc32c, crc32IEEE: crc32, sha256Sum: sha256, md5Sum: md5}[s.algorithm]
	if field != nil {
		text := base64.StdEncoding.EncodeToString(s.value)
		*field = &text
	}
}

// algorithm returns the algorithm of the checksums to send.
func (c *Client) algorithm() algorithm {
	if c.checksum != auto {
		return algorithm(c.checksum)
	}
	if !c.features.supports(checksumHeaders, "") {
		return md5Sum
	}
	return crc32C
}

// plainPartAlgorithm returns the algorithm for parts of a multipart upload that has no checksum algorithm. Directory
// buckets do not accept MD5.
func (f *FS) plainPartAlgorithm() algorithm {
	configured := f.client.checksum == string(md5Sum)
	if f.client.algorithm() == none || !configured && (IsDirectoryBucket(f.bucket) || !f.client.features.supports(partMD5, f.bucket)) {
		return none
	}
	return md5Sum
}

// withChecksum runs f with the algorithm of the checksum to send. If none is configured and the service refuses
// CRC32C, f runs again with MD5.
func (c *Client) withChecksum(f func(algorithm) error) error {
	if c.checksum != auto {
		err := f(algorithm(c.checksum))
		if c.checksum == string(none) && requiresChecksum(err) {
			err = fmt.Errorf("--checksum none cannot be used in a bucket with Object Lock: %w", err)
		}
		return err
	}
	return c.features.try(checksumHeaders, "", refusesChecksum, func(with bool) error {
		if with {
			return f(crc32C)
		}
		return f(md5Sum)
	})
}

// requiresChecksum reports whether S3 has refused a request because it has no checksum, as buckets with Object Lock
// do.
func requiresChecksum(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	return ok && status(err) == http.StatusBadRequest && strings.Contains(api.ErrorMessage(), "Content-MD5")
}

// withCompleteChecksums runs send, which completes an upload, with the checksums of the parts and the object. If the
// service refuses them, send runs again without: S3 then compares only the ETags of the parts.
//
// S3Proxy refuses them with 500, also when the request is repeated. On AWS, 500 is no refusal.
func (c *Client) withCompleteChecksums(send func(checksums bool) error) error {
	refuses := func(err error) bool {
		return refusesChecksum(err) || status(err) == http.StatusInternalServerError && !c.onAWS()
	}
	return c.features.try(completeChecksums, "", refuses, send)
}

// unknownHeaderCodes are the error codes for a header that a service does not support.
var unknownHeaderCodes = []string{"NotImplemented", "ExcessHeaderValues", "InvalidHeader", "UnsupportedHeader", "UnsupportedArgument"}

// refusesChecksum reports whether the service does not support a checksum header, as opposed to a wrong checksum in
// it.
func refusesChecksum(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	switch {
	case !ok, slices.Contains(checksumMismatchCodes, api.ErrorCode()):
		return false
	case status(err) == http.StatusNotImplemented, slices.Contains(unknownHeaderCodes, api.ErrorCode()):
		return true
	}
	message := strings.ToLower(api.ErrorMessage())
	return status(err) == http.StatusBadRequest && (strings.Contains(message, "checksum") || strings.Contains(message, "header"))
}

// sendContentMD5 sends DeleteObjects with Content-MD5, the only checksum that all services accept for it. Directory
// buckets accept the SDK's CRC32 and no MD5.
func (f *FS) sendContentMD5(o *s3.Options) {
	if IsDirectoryBucket(f.bucket) {
		return
	}
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		stack.Finalize.Remove("AWSChecksum:ComputeInputPayloadChecksum")
		return smithyhttp.AddContentChecksumMiddleware(stack)
	})
}

// checksumMismatchCodes are the error codes for content that does not match its checksum.
var checksumMismatchCodes = []string{"BadDigest", "XAmzContentChecksumMismatch", "InvalidDigest"}

// combineCRC returns the CRC-32 of two contents in sequence, with the CRCs a and b, the second of n
// bytes.
//
// Appending n bytes multiplies a's remainder by x^8n modulo the polynomial, which is in reversed notation. s3demo has
// its own implementation, which verifies this one in tests.
func combineCRC(polynomial, a, b uint32, n int64) uint32 {
	square := uint32(1) << 30 // x
	for range 3 {
		square = multiplyModulo(polynomial, square, square)
	}
	for ; n > 0; n >>= 1 { // square is x^8, x^16, x^32 ...
		if n&1 == 1 {
			a = multiplyModulo(polynomial, square, a)
		}
		square = multiplyModulo(polynomial, square, square)
	}
	return a ^ b
}

// multiplyModulo returns a times b modulo the polynomial; the highest bit stands for x^0.
func multiplyModulo(polynomial, a, b uint32) (product uint32) {
	for ; a != 0; a <<= 1 {
		if a>>31 == 1 {
			product ^= b
		}
		low := b & 1
		b >>= 1
		if low == 1 {
			b ^= polynomial
		}
	}
	return product
}

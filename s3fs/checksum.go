package s3fs

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// An algorithm is one that S3 verifies objects and parts with, each sent as a plain header of its request.
type algorithm string

const (
	crc32C    algorithm = "crc32c"
	crc32IEEE algorithm = "crc32"
	sha2      algorithm = "sha256"
	md5Sum    algorithm = "md5" // as Content-MD5, which the oldest services know
	none      algorithm = "none"
	auto                = "auto" // crc32c, until the service refuses it
)

var algorithms = []string{string(crc32C), string(crc32IEEE), string(sha2), string(md5Sum), string(none), auto}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (a algorithm) hash() hash.Hash {
	switch a {
	case crc32C:
		return crc32.New(castagnoli)
	case crc32IEEE:
		return crc32.NewIEEE()
	case sha2:
		return sha256.New()
	case md5Sum:
		return md5.New()
	}
	return noHash{}
}

// multipart returns what S3 is to keep for an upload in parts: the checksum of the whole, where S3 can join those of
// the parts.
func (a algorithm) multipart() (types.ChecksumAlgorithm, types.ChecksumType) {
	switch a {
	case crc32C:
		return types.ChecksumAlgorithmCrc32c, types.ChecksumTypeFullObject
	case crc32IEEE:
		return types.ChecksumAlgorithmCrc32, types.ChecksumTypeFullObject
	case sha2:
		return types.ChecksumAlgorithmSha256, types.ChecksumTypeComposite
	}
	return "", ""
}

type noHash struct{ hash.Hash }

func (noHash) Write(b []byte) (int, error) { return len(b), nil }
func (noHash) Sum(b []byte) []byte         { return b }

// A checksum is that of a part.
type checksum struct {
	algorithm
	value []byte
}

// set fills in the one field of a request that is for this algorithm.
func (s checksum) set(crc32c, crc32, sha256, md5 **string) {
	field := map[algorithm]**string{crc32C: crc32c, crc32IEEE: crc32, sha2: sha256, md5Sum: md5}[s.algorithm]
	if field != nil {
		text := base64.StdEncoding.EncodeToString(s.value)
		*field = &text
	}
}

// sum returns the part's checksum: the one taken on arrival, if that is what is asked for.
func (p *part) sum(a algorithm) checksum {
	h := p.hash
	if a != p.hot {
		h = a.hash()
		io.Copy(h, p.content())
	}
	return checksum{a, h.Sum(nil)}
}

// wholeSum joins the checksums of the parts, where all are of one kind that can be joined.
func (u *upload) wholeSum() (whole checksum, ok bool) {
	if len(u.sent) == 0 {
		return checksum{}, false
	}
	whole.algorithm = u.sent[0].sum.algorithm
	polynomial, ok := map[algorithm]uint32{crc32C: crc32.Castagnoli, crc32IEEE: crc32.IEEE}[whole.algorithm]
	if !ok || slices.ContainsFunc(u.sent, func(s sent) bool { return s.sum.algorithm != whole.algorithm }) {
		return checksum{}, false
	}
	var crc uint32
	for _, s := range u.sent {
		crc = joinCRC(polynomial, crc, binary.BigEndian.Uint32(s.sum.value), s.size)
	}
	whole.value = binary.BigEndian.AppendUint32(nil, crc)
	return whole, true
}

// algorithm returns the checksum to send.
func (c *Client) algorithm() algorithm {
	if c.checksum != auto {
		return algorithm(c.checksum)
	}
	if c.refuses.Load() {
		return md5Sum
	}
	return crc32C
}

// checked runs f with the checksum to send. Where that is not fixed, and the service refuses it, f runs again with
// MD5; if that works, it is what the service gets from now on.
func (c *Client) checked(f func(algorithm) error) error {
	a := c.algorithm()
	err := f(a)
	if err == nil || c.checksum != auto || a == md5Sum || !refused(err) {
		return err
	}
	if again := f(md5Sum); again != nil {
		return fmt.Errorf("%w (with MD5 in place of CRC32C: %w)", err, again)
	}
	if c.refuses.CompareAndSwap(false, true) {
		c.log.Warn("the service refuses CRC32C checksums; it gets MD5 from now on", "err", err)
	}
	return nil
}

// deleteChecksum gives the list of keys to delete its checksum, which S3 insists on: the SDK's choice is CRC32.
func (c *Client) deleteChecksum(o *s3.Options) {
	if a := c.algorithm(); a == md5Sum || a == none {
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			stack.Finalize.Remove("AWSChecksum:ComputeInputPayloadChecksum")
			return smithyhttp.AddContentChecksumMiddleware(stack)
		})
	}
}

// refused reports whether the service does not know the header with the checksum, as against a wrong value in it.
func refused(err error) bool {
	api, ok := errors.AsType[smithy.APIError](err)
	if !ok {
		return false
	}
	switch status(err) {
	case http.StatusNotImplemented:
		return true
	case http.StatusBadRequest:
		return !slices.Contains(badSum, api.ErrorCode()) && strings.Contains(strings.ToLower(api.ErrorMessage()), "checksum")
	}
	return false
}

// badSum lists what S3 calls a checksum that does not fit the content it received.
var badSum = []string{"BadDigest", "XAmzContentChecksumMismatch", "InvalidDigest"}

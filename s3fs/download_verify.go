package s3fs

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// ErrDamaged means that an object does not match the checksum that S3 stores.
var ErrDamaged = errors.New("the content does not match its checksum")

// A verifier compares a whole object with the checksum that S3 stores. A nil verifier accepts everything.
type verifier struct {
	hash.Hash32
	want uint32
}

// newVerifier returns a verifier for the CRC in the response, or nil if it has none. Other checksums cost too much CPU,
// and a composite one, computed from those of the parts, cannot be verified.
func newVerifier(out *s3.GetObjectOutput) *verifier {
	for _, stored := range []struct {
		text *string
		hash hash.Hash32
	}{
		{out.ChecksumCRC32C, crc32.New(castagnoli)},
		{out.ChecksumCRC32, crc32.NewIEEE()},
	} {
		sum, err := base64.StdEncoding.DecodeString(aws.ToString(stored.text)) // a composite one has a "-"
		if err == nil && len(sum) == crc32.Size {
			return &verifier{stored.hash, binary.BigEndian.Uint32(sum)}
		}
	}
	return nil
}

// add adds the next bytes of the object.
func (p *verifier) add(b []byte) {
	if p != nil {
		p.Write(b)
	}
}

// result returns io.EOF if the object matches its checksum, and otherwise an error.
func (p *verifier) result() error {
	if p != nil && p.Sum32() != p.want {
		return fmt.Errorf("%w: %08x, not %08x", ErrDamaged, p.Sum32(), p.want)
	}
	return io.EOF
}

// getWithChecksum requests an object with its checksum, unless the client or the service does not use such checksums.
func (c *Client) getWithChecksum(ctx context.Context, in *s3.GetObjectInput, options ...func(*s3.Options)) (out *s3.GetObjectOutput, err error) {
	if a := c.algorithm(); a == md5Sum || a == none {
		return c.api.GetObject(ctx, in, options...)
	}
	err = c.features.try(checksumMode, "", refusesChecksum, func(with bool) (err error) {
		all := slices.Clip(options)
		if with {
			all = append(all, requestChecksum)
		}
		out, err = c.api.GetObject(ctx, in, all...)
		return err
	})
	return out, err
}

// requestChecksum sets x-amz-checksum-mode. With the field of the SDK for it, the SDK would verify the object too, at a
// higher cost.
func requestChecksum(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue("X-Amz-Checksum-Mode", "ENABLED"))
}

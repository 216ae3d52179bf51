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

// errChecksumMismatch says that a content is not the one that S3 has the checksum of.
var errChecksumMismatch = errors.New("the content does not fit its checksum")

// A verifier compares a whole content with the checksum that S3 keeps of it. A nil one proves nothing.
type verifier struct {
	hash.Hash32
	want uint32
}

// newVerifier returns nil where S3 tells no checksum that can be verified at little cost. One that is made of those of
// the parts cannot be verified at all.
func newVerifier(out *s3.GetObjectOutput) *verifier {
	for _, stored := range []struct {
		text *string
		hash hash.Hash32
	}{
		{out.ChecksumCRC32C, crc32.New(castagnoli)},
		{out.ChecksumCRC32, crc32.NewIEEE()},
	} {
		sum, err := base64.StdEncoding.DecodeString(aws.ToString(stored.text)) // of parts: has a "-"
		if err == nil && len(sum) == crc32.Size {
			return &verifier{stored.hash, binary.BigEndian.Uint32(sum)}
		}
	}
	return nil
}

// add notes the next bytes of the content.
func (p *verifier) add(b []byte) {
	if p != nil {
		p.Write(b)
	}
}

// result returns io.EOF, or what is to be said in its place.
func (p *verifier) result() error {
	if p != nil && p.Sum32() != p.want {
		return withAdvice(fmt.Errorf("%w: %08x, not %08x", errChecksumMismatch, p.Sum32(), p.want),
			"use --checksum md5 if the service tells wrong checksums")
	}
	return io.EOF
}

// getWithChecksum asks for an object and for its checksum, except from a service that knows no checksums.
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

// requestChecksum sets the header itself: with the field that is for it, the SDK would verify the content too, less cheaply.
func requestChecksum(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue("X-Amz-Checksum-Mode", "ENABLED"))
}

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

// errDamaged says that a content is not the one that S3 has the checksum of.
var errDamaged = errors.New("the content does not fit its checksum")

// A proof compares a whole content with the checksum that S3 keeps of it. A nil one proves nothing.
type proof struct {
	hash.Hash32
	want uint32
}

// newProof returns nil where S3 tells no checksum that can be verified at little cost. One that is made of those of
// the parts cannot be verified at all.
func newProof(out *s3.GetObjectOutput) *proof {
	for _, kept := range []struct {
		text *string
		hash hash.Hash32
	}{
		{out.ChecksumCRC32C, crc32.New(castagnoli)},
		{out.ChecksumCRC32, crc32.NewIEEE()},
	} {
		sum, err := base64.StdEncoding.DecodeString(aws.ToString(kept.text)) // of parts: has a "-"
		if err == nil && len(sum) == crc32.Size {
			return &proof{kept.hash, binary.BigEndian.Uint32(sum)}
		}
	}
	return nil
}

// add notes the next bytes of the content.
func (p *proof) add(b []byte) {
	if p != nil {
		p.Write(b)
	}
}

// verdict returns io.EOF, or what is to be said in its place.
func (p *proof) verdict() error {
	if p != nil && p.Sum32() != p.want {
		return withAdvice(fmt.Errorf("%w: %08x, not %08x", errDamaged, p.Sum32(), p.want),
			"use --checksum md5 if the service tells wrong checksums")
	}
	return io.EOF
}

// getWithSum asks for an object and for its checksum, except from a service that knows no checksums.
func (c *Client) getWithSum(ctx context.Context, in *s3.GetObjectInput, options ...func(*s3.Options)) (out *s3.GetObjectOutput, err error) {
	if a := c.algorithm(); a == md5Sum || a == none {
		return c.api.GetObject(ctx, in, options...)
	}
	err = c.features.attempt(checksumMode, "", refusesChecksum, func(with bool) (err error) {
		all := slices.Clip(options)
		if with {
			all = append(all, askForSum)
		}
		out, err = c.api.GetObject(ctx, in, all...)
		return err
	})
	return out, err
}

// askForSum sets the header itself: with the field that is for it, the SDK would verify the content too, less cheaply.
func askForSum(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, smithyhttp.SetHeaderValue("X-Amz-Checksum-Mode", "ENABLED"))
}

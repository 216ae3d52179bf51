package s3fs

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"math/rand/v2"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// A resumable multipart upload has a lease part: a small part with the highest part number of the service.
// CompleteMultipartUpload never lists it. By the lease part, any process recognizes an upload of s3fs.
//
// The process that creates an upload writes an open lease, which covers all parts. A process that resumes the upload
// overwrites the lease with one that covers the parts it resumes from. The former owner finds in ListParts that the
// lease is not the one it wrote, and knows that it has lost the upload. It may still be sending a part, which could
// overwrite a part of the new owner. Therefore an upload is resumed only from parts that the lease covers.
//
// S3 never returns the content of a part, but every service tells the size. So the size of a lease encodes a salt and
// a hash of the ETags it covers. The content repeats the full hash, to be compared where the service tells a checksum.

const (
	reservedPartNumbers = 100 // highest part numbers, never used for content
	openLeaseSize       = 97  // bytes of a lease that covers all parts
	minLeaseSize        = 4096
	leaseSalts          = 16                            // so that two leases for the same parts can differ
	maxLeaseSize        = minLeaseSize + leaseSalts<<16 // exclusive
)

// A lease is a lease part as this process has written it.
type lease struct {
	etag string
	size int64
}

// matches reports whether p is this lease part.
func (l lease) matches(p *types.Part) bool {
	return p != nil && aws.ToInt64(p.Size) == l.size && sameETag(l.etag, unquote(p.ETag))
}

// splitLease separates the lease part of an upload from the other parts. It returns nil if the upload has no lease
// part, and so belongs to another program.
func (f *FS) splitLease(parts []types.Part) (*types.Part, []types.Part) {
	last := len(parts) - 1
	if last < 0 || int(aws.ToInt32(parts[last].PartNumber)) != f.maxParts || !isLeaseSize(aws.ToInt64(parts[last].Size)) {
		return nil, parts
	}
	if last > 0 && int(aws.ToInt32(parts[last-1].PartNumber)) > f.maxParts-reservedPartNumbers {
		return nil, parts // another program's upload, with so many parts
	}
	return &parts[last], parts[:last]
}

// isLeaseSize reports whether a lease part can have this size in bytes.
func isLeaseSize(size int64) bool {
	return size == openLeaseSize || minLeaseSize <= size && size < maxLeaseSize
}

// coveredParts returns the first parts of an upload, as far as the lease covers them. It returns none if one of them
// was overwritten since.
func coveredParts(l *types.Part, uploadID string, parts []types.Part) []types.Part {
	size := aws.ToInt64(l.Size)
	if size == openLeaseSize {
		return parts
	}
	n, cover := 0, newPartsDigest(uploadID, (size-minLeaseSize)%leaseSalts)
	for i, p := range parts {
		cover.add(p.ETag, aws.ToInt64(p.Size))
		if cover.leaseSize() == size && hasContent(l, cover.leasePart()) {
			n = i + 1
		}
	}
	return parts[:n]
}

// hasContent reports whether a part has this content. If S3 tells no checksum of the part, it is assumed.
func hasContent(p *types.Part, content *part) bool {
	stored := partChecksum(*p)
	return stored.value == nil || bytes.Equal(stored.value, content.sum(stored.algorithm).value)
}

// A partsDigest hashes the ETags and sizes of the parts that a lease covers.
type partsDigest struct {
	hash.Hash
	salt int64
}

// newPartsDigest returns the digest of no parts.
func newPartsDigest(uploadID string, salt int64) *partsDigest {
	c := &partsDigest{sha256.New(), salt}
	fmt.Fprintln(c, uploadID, salt)
	return c
}

// add adds the next part.
func (c *partsDigest) add(etag *string, size int64) {
	fmt.Fprintln(c, strings.ToLower(unquote(etag)), size)
}

// leaseSize returns the size of the lease part that covers the added parts.
func (c *partsDigest) leaseSize() int64 {
	code := binary.BigEndian.Uint16(c.Sum(nil))
	return minLeaseSize + int64(code)*leaseSalts + c.salt
}

// leasePart returns the lease part that covers the added parts.
func (c *partsDigest) leasePart() *part { return repeatedPart(c.Sum(nil), c.leaseSize()) }

// repeatedPart returns a part of size bytes that repeats text.
func repeatedPart(text []byte, size int64) *part {
	p := &part{size: size, hash: noHash{}}
	block := bytes.Repeat(text, (minLeaseSize+len(text)-1)/len(text))
	for size > 0 {
		n := min(size, int64(len(block)))
		p.buffers = append(p.buffers, block[:n])
		size -= n
	}
	return p
}

// leaseNote is the content of an open lease.
const leaseNote = "This part marks an upload of s3ftpd. It never becomes part of an object.\n"

// writeOpenLease begins to write an open lease. The parts of the content do not wait for it.
func (u *upload) writeOpenLease() {
	u.resuming.openLease = async(func() (lease, error) {
		if !u.resuming.owner.beginRequest() {
			return lease{}, errTakenOver
		}
		defer u.resuming.owner.endRequest()
		l, err := u.putLease(repeatedPart([]byte(leaseNote), openLeaseSize))
		if refusesPartNumber(err) {
			u.fs.client.features.refuse(highPartNumbers, "", err)
		}
		return l, err
	})
}

// errNoLease says that an upload has no lease part, and so cannot be resumed.
var errNoLease = errors.New("the upload has no lease part")

// awaitLease waits until the open lease is written, if that was begun.
func (r *resuming) awaitLease() error {
	if r.openLease == nil {
		return nil
	}
	l, err := r.openLease()
	if err != nil {
		return fmt.Errorf("%w: %w", errNoLease, err)
	}
	r.lease, r.openLease = l, nil
	return nil
}

// renewLease writes a lease that covers only these parts.
func (u *upload) renewLease(parts []sentPart) error {
	c := newPartsDigest(u.sending.id, rand.Int64N(leaseSalts))
	for _, p := range parts {
		c.add(p.etag, p.size)
	}
	l, err := u.putLease(c.leasePart())
	if err == nil {
		u.resuming.lease = l
	}
	return err
}

// putLease sends the lease part.
func (u *upload) putLease(content *part) (lease, error) {
	etag, _, err := u.sendPart(int32(u.fs.maxParts), content)
	return lease{unquote(etag), content.size}, err
}

// sameETag compares two ETags without quotes. The case of letters does not matter: some services write an ETag in
// upper case in one answer and in lower case in another.
func sameETag(a, b string) bool { return strings.EqualFold(a, b) }

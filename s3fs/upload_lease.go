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

// A multipart upload that can be resumed has a lease part: a small part with the highest number that the service takes.
// CompleteMultipartUpload never lists it. s3fs recognizes its own uploads by it, from any process.
//
// The process that begins an upload writes an open lease: every part is its own. A process that resumes the upload overwrites
// the lease with one that covers the parts it resumes from. The former owner compares the lease with what S3 answered when it sent its own,
// and so knows that it has lost the upload. It may still be sending a part, which can overwrite one of the new owner's.
// So only parts that the lease covers can be resumed from.
//
// S3 never returns the content of a part. What a lease covers is in its size, which every service tells: a salt and
// a hash of the ETags. The content repeats the whole hash, and is compared where the service tells a checksum of it.

const (
	reservedPartNumbers = 100 // part numbers at the upper end that no data part has
	openLeaseSize       = 97  // bytes of a lease that covers all parts
	minLeaseSize        = 4096
	leaseSalts          = 16                            // by which two leases for the same parts differ
	maxLeaseSize        = minLeaseSize + leaseSalts<<16 // no lease is that long
)

// A lease is a lease part as S3 described it when it was sent.
type lease struct {
	etag string
	size int64
}

// matches reports whether p is this lease part.
func (l lease) matches(p *types.Part) bool {
	return p != nil && aws.ToInt64(p.Size) == l.size && sameETag(l.etag, unquote(p.ETag))
}

// splitLease returns the lease part of an upload, and the other parts. Without a lease part, the upload is another program's.
func (f *FS) splitLease(parts []types.Part) (*types.Part, []types.Part) {
	last := len(parts) - 1
	if last < 0 || int(aws.ToInt32(parts[last].PartNumber)) != f.maxParts || !isLeaseSize(aws.ToInt64(parts[last].Size)) {
		return nil, parts
	}
	if last > 0 && int(aws.ToInt32(parts[last-1].PartNumber)) > f.maxParts-reservedPartNumbers {
		return nil, parts // the last part of a very long upload of another program
	}
	return &parts[last], parts[:last]
}

func isLeaseSize(size int64) bool {
	return size == openLeaseSize || minLeaseSize <= size && size < maxLeaseSize
}

// coveredParts returns the parts that a lease covers, from the first on. It returns none if one of them has changed since.
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

// hasContent reports whether a part has this content, as far as S3 tells a checksum.
func hasContent(p *types.Part, content *part) bool {
	told := partChecksum(*p)
	return told.value == nil || bytes.Equal(told.value, content.sum(told.algorithm).value)
}

// A partsDigest hashes the parts that a lease covers.
type partsDigest struct {
	hash.Hash
	salt int64
}

func newPartsDigest(uploadID string, salt int64) *partsDigest {
	c := &partsDigest{sha256.New(), salt}
	fmt.Fprintln(c, uploadID, salt)
	return c
}

func (c *partsDigest) add(etag *string, size int64) {
	fmt.Fprintln(c, strings.ToLower(unquote(etag)), size)
}

// leaseSize returns the size of the lease part that covers what was added.
func (c *partsDigest) leaseSize() int64 {
	code := binary.BigEndian.Uint16(c.Sum(nil))
	return minLeaseSize + int64(code)*leaseSalts + c.salt
}

// leasePart returns the lease part that covers what was added.
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

// writeOpenLease begins to write an open lease, which the first part does not wait for.
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

// errNoLease says that an upload has no lease part, and cannot be resumed.
var errNoLease = errors.New("the upload has no lease part")

// awaitLease waits for the open lease, if one is being written.
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

// renewLease writes a lease that covers these parts.
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

func (u *upload) putLease(content *part) (lease, error) {
	etag, _, err := u.sendPart(int32(u.fs.maxParts), content)
	return lease{unquote(etag), content.size}, err
}

// sameETag compares two ETags without their quotes. Some services write them in upper case in one answer, in lower case in another.
func sameETag(a, b string) bool { return strings.EqualFold(a, b) }

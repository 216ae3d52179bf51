package s3demo

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"maps"
	"strconv"
	"strings"

	"github.com/rclone/gofakes3"
)

// smallestPart is the least size of all parts but the last.
const smallestPart = 5 << 20

// CompleteMultipartUpload implements gofakes3.MultipartBackend. The object is made of the parts as they lie on the disk.
func (b backend) CompleteMultipartUpload(ctx context.Context, bucketName, key string, id gofakes3.UploadID, in *gofakes3.CompleteMultipartUploadRequest) (gofakes3.VersionID, string, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	bucket, u, err := b.upload(bucketName, key, string(id))
	if err != nil {
		return "", "", err
	}
	parts, err := u.choose(in.Parts)
	if err != nil {
		return "", "", err
	}
	rec, err := u.record(parts)
	if err != nil {
		return "", "", err
	}
	if err := conditionsFrom(ctx).whole(rec); err != nil {
		return "", "", err
	}
	err = b.replace(bucket, rec, func(exists bool, etag string) error {
		return gofakes3.CheckWriteConditions(ctx, exists, libraryETag(etag))
	})
	if err != nil {
		return "", "", err
	}
	for _, p := range parts {
		delete(u.parts, p.Number) // the object holds them now
	}
	b.contents.drop(u.pieces())
	delete(bucket.uploads, u.ID)
	if err := b.discard(bucket.uploadFile(u.ID)); err != nil {
		// The record says which upload it was made by, so the next start knows that this one has ended.
		b.log.Warn("removing a completed upload is left to the next start", "name", key, "err", err)
	}
	return "", quoted(rec.ETag), nil
}

// choose returns the parts that a client wants to have, after the checks that S3 makes.
func (u *upload) choose(wanted []gofakes3.CompletedPart) ([]part, error) {
	if len(wanted) == 0 {
		return nil, gofakes3.ErrorMessage(gofakes3.ErrMalformedXML, "An upload is completed with one part at least.")
	}
	for i := range wanted[1:] {
		if wanted[i].PartNumber >= wanted[i+1].PartNumber {
			return nil, gofakes3.ErrInvalidPartOrder
		}
	}
	var parts []part
	for i, w := range wanted {
		p, ok := u.parts[w.PartNumber]
		if !ok || strings.Trim(w.ETag, `"`) != p.ETag {
			return nil, gofakes3.ErrorMessagef(gofakes3.ErrInvalidPart, "Part %d is missing, or its entity tag is another.", w.PartNumber)
		}
		if i < len(wanted)-1 && p.Piece.Size < smallestPart {
			return nil, refuse("EntityTooSmall", fmt.Sprintf("Part %d has %d bytes; all but the last need %d.", p.Number, p.Piece.Size, smallestPart))
		}
		parts = append(parts, p)
	}
	return parts, nil
}

// record returns the record of the object that the parts make.
func (u *upload) record(parts []part) (*record, error) {
	rec := newRecord(string(u.Key), maps.Clone(u.Meta))
	rec.Upload = u.ID
	sums := md5.New()
	for _, p := range parts {
		sum, err := hex.DecodeString(p.ETag)
		if err != nil {
			return nil, fmt.Errorf("part %d of upload %s: %w", p.Number, u.ID, err)
		}
		sums.Write(sum)
		rec.Pieces = append(rec.Pieces, p.Piece)
	}
	rec.ETag = hex.EncodeToString(sums.Sum(nil)) + "-" + strconv.Itoa(len(parts))
	if u.Algorithm == "" {
		return rec, nil
	}
	value, err := u.checksum(parts)
	if err != nil {
		return nil, err
	}
	if rec.Meta == nil {
		rec.Meta = map[string]escaped{}
	}
	rec.Meta[checksumHeader(u.Algorithm)] = escaped(value)
	return rec, nil
}

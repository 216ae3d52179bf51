package s3fs

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// resumeTries is how often an upload is tried to be resumed that has ended since it was listed.
const resumeTries = 3

// resumeOrAppend prepares an upload that keeps some of what is there: of a broken upload, or of the object. A broken upload that
// ends meanwhile may have become the object; but some services list an upload for a while after its end.
func (f *FS) resumeOrAppend(ctx context.Context, key string, w proxy.Write, kept keepLength) (*upload, error) {
	for i := 1; ; i++ {
		u, err := f.tryResumeOrAppend(ctx, key, w, kept)
		if !isNoSuchUpload(err) {
			return u, err
		}
		if i == resumeTries {
			return nil, fmt.Errorf("%w: %w", errBusy, err)
		}
		if err := pause(ctx, conflictPause<<i, err); err != nil {
			return nil, err
		}
	}
}

// tryResumeOrAppend is resumeOrAppend for what is there now.
//
// A broken upload that is newer than the object comes first, and has to be resumed where it stands: the bytes before an
// offset within the older object need not be those that the client means. Nor does a client want to append to the older
// object that has asked for its size: so clients do that resume.
func (f *FS) tryResumeOrAppend(ctx context.Context, key string, w proxy.Write, kept keepLength) (*upload, error) {
	find := async(func() (*resumableUpload, error) {
		if kept.isAll() && w.Base == "" {
			return nil, nil
		}
		return f.findResumable(ctx, key)
	})
	there, err := f.head(ctx, key)
	b, brokenErr := find()
	newer := b != nil && (err != nil || !b.initiated.Before(aws.ToTime(there.head.LastModified)))
	missing := errors.Is(err, fs.ErrNotExist)
	switch {
	case brokenErr != nil:
		return nil, brokenErr
	case missing && kept.isAll():
		return f.appendToMissing(ctx, key, w)
	case missing && b == nil:
		return nil, offsetError(0)
	case err != nil && !missing:
		return nil, err
	case newer && (kept.isAll() || w.Base != "" && w.Base != b.id):
		return nil, offsetError(b.size)
	case newer:
		return f.resumeAt(ctx, key, w, int64(kept), b)
	case w.Base != "" && !kept.isAll() && !sameETag(w.Base, there.etag): // that was replaced, or what broke has become an object
		return nil, offsetError(there.size)
	}
	return f.appendTo(ctx, key, w, kept, there)
}

// resumeAt prepares an upload that resumes a broken one at an offset, the end of any of its parts. A session that still holds it
// loses it: one of this process at once, one of another when it looks, which it does before it changes what is there.
func (f *FS) resumeAt(ctx context.Context, key string, w proxy.Write, offset int64, b *resumableUpload) (*upload, error) {
	if b.partsUpTo(offset) < 0 {
		return nil, offsetError(b.size)
	}
	o := f.client.uploads.ownerOf(b.id)
	if o != nil {
		if err := o.takeOver(ctx); err != nil {
			return nil, err
		}
	}
	u, err := f.upload(ctx, key, w, offset)
	if err != nil {
		return nil, err
	}
	u.sending.id, u.resuming.resumed = b.id, true
	if u.receiving.algorithm = b.parts[0].sum.algorithm; u.receiving.algorithm == md5Sum {
		u.receiving.algorithm = f.plainPartAlgorithm()
	}
	u.sending.algorithm = u.receiving.algorithm
	if o != nil { // who may have changed it
		_, err = u.refreshParts(b)
	}
	n := 0
	if err == nil {
		n, err = u.takeOverLease(b, offset)
	}
	if err != nil {
		u.close()
		return nil, err
	}
	u.sending.parts, u.sending.size = b.parts[:n], offset
	if u.receiving.plan.uniform {
		u.receiving.plan.minSize = u.sending.parts[0].size
	}
	u.fs.client.uploads.register(u.sending.id, &u.resuming.owner)
	f.log.InfoContext(ctx, "resuming an upload", "key", key, "upload", b.id, "bytes", offset)
	return u, nil
}

// takeOverLease overwrites the lease of the multipart upload, so that other processes know that it is no longer theirs. It
// returns how many of the parts make offset bytes.
func (u *upload) takeOverLease(b *resumableUpload, offset int64) (n int, err error) {
	if n = b.partsUpTo(offset); n < 0 {
		return 0, offsetError(b.size)
	}
	if err := u.renewLease(b.parts[:n]); err != nil {
		return 0, err
	}
	l, err := u.refreshParts(b)
	if err != nil {
		return 0, err
	}
	if !u.resuming.lease.matches(l) {
		return 0, errTakenOver
	}
	if n = b.partsUpTo(offset); n < 0 {
		return 0, offsetError(b.size)
	}
	return n, nil
}

// refreshParts updates b with the parts that S3 has now, and returns the lease part.
func (u *upload) refreshParts(b *resumableUpload) (*types.Part, error) {
	parts, err := u.fs.listParts(u.ctx, u.key, u.sending.id)
	if err != nil {
		return nil, err
	}
	u.fs.setResumableParts(b, parts)
	l, _ := u.fs.splitLease(parts)
	return l, nil
}

// partsUpTo returns how many of the parts make so many bytes, -1 if none end there.
func (b *resumableUpload) partsUpTo(offset int64) int {
	for i, p := range b.parts {
		if offset -= p.size; offset <= 0 {
			if offset == 0 {
				return i + 1
			}
			return -1
		}
	}
	return -1
}

// A resumableUpload is a multipart upload of ours that was not completed: it can be resumed, from any process that
// has access to the bucket. S3 has all there is to know of it.
type resumableUpload struct {
	id        string
	initiated time.Time
	parts     []sentPart // from the first on, without a gap, each long enough to be followed by another
	size      int64      // of these
}

// findResumable finds the newest resumable upload to a key, nil if there is none, and ends those that are too old to be resumed.
func (f *FS) findResumable(ctx context.Context, key string) (*resumableUpload, error) {
	f.client.uploads.awaitCleanUps(ctx, f.bucketKey(key))
	open, err := f.listUploadsTo(ctx, key)
	if err != nil {
		return nil, err
	}
	for _, o := range open {
		b, err := f.asResumable(ctx, key, o)
		if b != nil || err != nil {
			return b, err
		}
	}
	return nil, nil
}

// listUploadsTo lists the multipart uploads to a key, the newest first.
func (f *FS) listUploadsTo(ctx context.Context, key string) ([]types.MultipartUpload, error) {
	open, err := f.listUploads(ctx, key)
	open = slices.DeleteFunc(open, func(u types.MultipartUpload) bool { return aws.ToString(u.Key) != key })
	slices.SortFunc(open, func(a, b types.MultipartUpload) int {
		return cmp.Or(aws.ToTime(b.Initiated).Compare(aws.ToTime(a.Initiated)), cmp.Compare(aws.ToString(a.UploadId), aws.ToString(b.UploadId)))
	})
	return open, err
}

// asResumable returns the multipart upload if it is ours and can be resumed, and ends it if it is ours but too old.
func (f *FS) asResumable(ctx context.Context, key string, o types.MultipartUpload) (*resumableUpload, error) {
	parts, err := f.listParts(ctx, key, aws.ToString(o.UploadId))
	if err != nil || !f.isOurs(parts) && !isLegacy(parts) {
		if isNoSuchUpload(err) || !f.listsUploads() {
			err = nil
		}
		return nil, err
	}
	b := &resumableUpload{id: aws.ToString(o.UploadId), initiated: aws.ToTime(o.Initiated)}
	last := b.initiated
	for _, p := range parts {
		if t := aws.ToTime(p.LastModified); t.After(last) {
			last = t
		}
	}
	if !last.IsZero() && time.Since(last) > f.resume && f.client.uploads.ownerOf(b.id) == nil {
		f.log.InfoContext(ctx, "ending a broken upload that nobody has resumed", "key", key, "upload", b.id, "begun", b.initiated)
		f.cleanUp(ctx, key, func(ctx context.Context) { f.abortUploadWithin(ctx, multipartUpload{key, b.id}) })
		return nil, nil
	}
	f.setResumableParts(b, parts)
	if b.size == 0 {
		return nil, nil
	}
	return b, nil
}

// isOurs reports whether a multipart upload has the lease part by which s3fs recognizes its own.
func (f *FS) isOurs(parts []types.Part) bool {
	l, _ := f.splitLease(parts)
	return l != nil
}

// isLegacy reports whether the parts are numbered as s3fs did before it wrote lease parts: data from 101 on, and a claim part 100 once
// resumed. AWS completes no such upload.
func isLegacy(parts []types.Part) bool {
	const claim, first = 100, 101
	if len(parts) > 1 && aws.ToInt32(parts[0].PartNumber) == claim {
		parts = parts[1:]
	}
	return len(parts) > 0 && aws.ToInt32(parts[0].PartNumber) == first
}

// setResumableParts sets the parts that a resumed upload can begin with. The last one, if it is shorter than the first and cannot do
// without a byte, may be that of a content which is whole: then it has to be sent again, see upload.last.
func (f *FS) setResumableParts(b *resumableUpload, parts []types.Part) {
	b.parts, b.size = nil, 0
	l, parts := f.splitLease(parts)
	if l == nil {
		return
	}
	parts = coveredParts(l, b.id, parts)
	for i, p := range parts {
		size := aws.ToInt64(p.Size)
		if int(aws.ToInt32(p.PartNumber)) != i+1 || size < minPart || f.uniform && size != aws.ToInt64(parts[0].Size) {
			return
		}
		if i > 0 && i == len(parts)-1 && size == minPart && size < aws.ToInt64(parts[0].Size) {
			return
		}
		b.parts = append(b.parts, sentPart{size: size, etag: p.ETag, sum: partChecksum(p)})
		b.size += size
	}
}

// partChecksum returns the checksum that S3 keeps of a part.
func partChecksum(p types.Part) checksum {
	for a, text := range map[algorithm]*string{crc32C: p.ChecksumCRC32C, crc32IEEE: p.ChecksumCRC32, sha256Sum: p.ChecksumSHA256} {
		if value, err := base64.StdEncoding.DecodeString(aws.ToString(text)); err == nil && len(value) > 0 {
			return checksum{a, value}
		}
	}
	return checksum{algorithm: md5Sum} // which is sent for what follows, and which every service takes
}

// listParts lists the parts of a multipart upload, in the order of their numbers.
func (f *FS) listParts(ctx context.Context, key, id string) ([]types.Part, error) {
	var parts []types.Part
	pages := s3.NewListPartsPaginator(f.api, &s3.ListPartsInput{Bucket: &f.bucket, Key: &key, UploadId: &id})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			if !isNoSuchUpload(err) && refusesList(err) {
				f.client.features.refuse(uploadList, f.bucket, err)
			}
			return nil, err
		}
		parts = append(parts, page.Parts...)
	}
	return latestParts(parts), nil
}

// offsetError says that what is there to go on with, a broken upload or the object, has so many bytes.
func offsetError(offset int64) error {
	return &proxy.OffsetError{Offset: offset, Err: fmt.Errorf("%d bytes are there to go on with: %w", offset, syscall.ESPIPE)}
}

// listsUploads reports whether the bucket lists its multipart uploads, as far as is known.
func (f *FS) listsUploads() bool { return f.client.features.supports(uploadList, f.bucket) }

// listUploads lists the multipart uploads whose keys begin with prefix, up to 1,000. MinIO lists only those of one key.
// Where the service refuses to list them there are none, see listsUploads.
func (f *FS) listUploads(ctx context.Context, prefix string) ([]types.MultipartUpload, error) {
	if f.resume <= 0 || !f.listsUploads() {
		return nil, nil
	}
	open, err := f.listUploadsByPrefix(ctx, prefix)
	switch {
	case isNoSuchUpload(err): // gofakes3, in a bucket that never had an upload
		return nil, nil
	case refusesList(err):
		f.client.features.refuse(uploadList, f.bucket, err)
		return nil, nil
	case err == nil:
		f.client.features.accept(uploadList, f.bucket)
	}
	return open, err
}

// unrelatedToListing lists refusals that say nothing about listing.
var unrelatedToListing = []string{"NoSuchBucket", "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "RequestTimeout"}

// refusesList reports whether a service does not list multipart uploads, or does not allow it. A command does not fail for
// that: it only means that broken uploads cannot be resumed.
func refusesList(err error) bool {
	switch status(err) {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return !slices.Contains(unrelatedToListing, errorCode(err))
	}
	return errors.Is(err, fs.ErrPermission)
}

// listUploadsByPrefix lists the multipart uploads whose keys begin with prefix, where the bucket takes no such prefix among
// those to its directory.
func (f *FS) listUploadsByPrefix(ctx context.Context, prefix string) (open []types.MultipartUpload, err error) {
	dir := prefix[:strings.LastIndex(prefix, "/")+1]
	within := func() error {
		open, err = f.listUploadsIn(ctx, dir)
		open = slices.DeleteFunc(open, func(u types.MultipartUpload) bool { return !strings.HasPrefix(aws.ToString(u.Key), prefix) })
		return err
	}
	switch {
	case isDirectoryBucket(f.bucket):
		err = within()
		return open, err
	case dir == prefix:
		open, err = f.listFirstUploads(ctx, prefix)
		return open, err
	}
	err = f.client.features.try(anyPrefix, f.bucket, isUnsupported, func(with bool) (err error) {
		if !with {
			return within()
		}
		open, err = f.listFirstUploads(ctx, prefix)
		return err
	})
	return open, err
}

// listFirstUploads lists the first multipart uploads whose keys begin with prefix.
func (f *FS) listFirstUploads(ctx context.Context, prefix string) ([]types.MultipartUpload, error) {
	out, err := f.api.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &f.bucket, Prefix: optional(prefix)})
	if err != nil {
		return nil, err
	}
	return out.Uploads, nil
}

// listUploadsIn lists all multipart uploads to keys in a directory, which may come in any order.
func (f *FS) listUploadsIn(ctx context.Context, dir string) (open []types.MultipartUpload, err error) {
	pages := s3.NewListMultipartUploadsPaginator(f.api, &s3.ListMultipartUploadsInput{Bucket: &f.bucket, Prefix: optional(dir)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		open = append(open, page.Uploads...)
	}
	return open, nil
}

// latestParts returns one part for each number, in the order of the numbers. SeaweedFS keeps and lists a part that was sent
// again beside the new one. The later one counts; of two from the same second the larger one, since a part is sent again
// with what follows it.
func latestParts(parts []types.Part) []types.Part {
	slices.SortStableFunc(parts, func(a, b types.Part) int {
		return cmp.Or(cmp.Compare(aws.ToInt32(a.PartNumber), aws.ToInt32(b.PartNumber)),
			aws.ToTime(b.LastModified).Compare(aws.ToTime(a.LastModified)),
			cmp.Compare(aws.ToInt64(b.Size), aws.ToInt64(a.Size)))
	})
	return slices.CompactFunc(parts, func(a, b types.Part) bool { return aws.ToInt32(a.PartNumber) == aws.ToInt32(b.PartNumber) })
}

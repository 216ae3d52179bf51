package s3fs

import (
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// listUploadsTo lists the multipart uploads to a key, newest first.
func (f *FS) listUploadsTo(ctx context.Context, key string) ([]types.MultipartUpload, error) {
	open, err := f.listUploads(ctx, key)
	open = slices.DeleteFunc(open, func(u types.MultipartUpload) bool { return aws.ToString(u.Key) != key })
	slices.SortFunc(open, func(a, b types.MultipartUpload) int {
		return cmp.Or(aws.ToTime(b.Initiated).Compare(aws.ToTime(a.Initiated)), cmp.Compare(aws.ToString(a.UploadId), aws.ToString(b.UploadId)))
	})
	return open, err
}

// listsUploads reports whether the bucket lists its multipart uploads. It is true until the service refuses.
func (f *FS) listsUploads() bool { return f.client.features.supports(uploadList, f.bucket) }

// listUploads lists up to 1,000 multipart uploads with keys that begin with prefix; all in directory buckets. MinIO lists
// only those with the key prefix. If the service refuses to list uploads, the list is empty, see listsUploads.
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

// unrelatedToListing are the error codes of refusals that do not depend on the operation.
var unrelatedToListing = []string{"NoSuchBucket", "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "RequestTimeout"}

// refusesList reports whether the service does not list multipart uploads, or the client has no permission to. This
// fails no command; it only means that uploads cannot be resumed.
func refusesList(err error) bool {
	if isOfOtherService(err) {
		return false
	}
	switch status(err) {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return !slices.Contains(unrelatedToListing, errorCode(err))
	}
	return errors.Is(err, fs.ErrPermission)
}

// listUploadsByPrefix lists multipart uploads with keys that begin with prefix. If the service accepts only directories
// as prefixes, it filters the uploads in the directory.
func (f *FS) listUploadsByPrefix(ctx context.Context, prefix string) (open []types.MultipartUpload, err error) {
	dir := prefix[:strings.LastIndex(prefix, "/")+1]
	filtered := func() error {
		open, err = f.listUploadsIn(ctx, dir)
		open = slices.DeleteFunc(open, func(u types.MultipartUpload) bool { return !strings.HasPrefix(aws.ToString(u.Key), prefix) })
		return err
	}
	switch {
	case IsDirectoryBucket(f.bucket):
		err = filtered()
		return open, err
	case dir == prefix:
		open, err = f.listFirstUploads(ctx, prefix)
		return open, err
	}
	err = f.client.features.try(anyPrefix, f.bucket, isUnsupported, func(with bool) (err error) {
		if !with {
			return filtered()
		}
		open, err = f.listFirstUploads(ctx, prefix)
		return err
	})
	return open, err
}

// listFirstUploads lists the first page of multipart uploads with keys that begin with prefix.
func (f *FS) listFirstUploads(ctx context.Context, prefix string) ([]types.MultipartUpload, error) {
	out, err := f.api.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &f.bucket, Prefix: optional(prefix)})
	if err != nil {
		return nil, err
	}
	return out.Uploads, nil
}

// listUploadsIn lists all multipart uploads to keys in a directory, in any order.
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

// listParts lists the parts of a multipart upload by number.
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

// latestParts returns one part for each number, by number. SeaweedFS lists a part that was sent again beside the old
// one. The later one counts. Of two from the same second the larger one counts: a part is sent again only together
// with the bytes that follow it.
func latestParts(parts []types.Part) []types.Part {
	slices.SortStableFunc(parts, func(a, b types.Part) int {
		return cmp.Or(cmp.Compare(aws.ToInt32(a.PartNumber), aws.ToInt32(b.PartNumber)),
			aws.ToTime(b.LastModified).Compare(aws.ToTime(a.LastModified)),
			cmp.Compare(aws.ToInt64(b.Size), aws.ToInt64(a.Size)))
	})
	return slices.CompactFunc(parts, func(a, b types.Part) bool { return aws.ToInt32(a.PartNumber) == aws.ToInt32(b.PartNumber) })
}

// isOurs reports whether a multipart upload has a lease part, and so is one of s3fs.
func (f *FS) isOurs(parts []types.Part) bool {
	l, _ := f.splitLease(parts)
	return l != nil
}

// isLegacy reports whether the parts are numbered as in versions of s3fs without lease parts: content from number 101
// on, after a claim part 100 if the upload was resumed. AWS does not complete such an upload.
func isLegacy(parts []types.Part) bool {
	const claim, first = 100, 101
	if len(parts) > 1 && aws.ToInt32(parts[0].PartNumber) == claim {
		parts = parts[1:]
	}
	return len(parts) > 0 && aws.ToInt32(parts[0].PartNumber) == first
}

// partChecksum returns the checksum of a part that S3 stores.
func partChecksum(p types.Part) checksum {
	for a, text := range map[algorithm]*string{crc32C: p.ChecksumCRC32C, crc32IEEE: p.ChecksumCRC32, sha256Sum: p.ChecksumSHA256} {
		if value, err := base64.StdEncoding.DecodeString(aws.ToString(text)); err == nil && len(value) > 0 {
			return checksum{a, value}
		}
	}
	return checksum{algorithm: md5Sum} // every service accepts it for the parts to come
}

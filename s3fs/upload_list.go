package s3fs

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net/http"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// listsUploads reports whether the bucket lists its multipart uploads, as far as is known.
func (f *FS) listsUploads() bool { return f.client.features.supports(uploadList, f.bucket) }

// listUploads lists the multipart uploads whose keys begin with prefix, up to 1,000. MinIO lists only those of one key.
// Where the service refuses to list them there are none, see listsUploads.
func (f *FS) listUploads(ctx context.Context, prefix string) ([]types.MultipartUpload, error) {
	if f.resume <= 0 || !f.listsUploads() {
		return nil, nil
	}
	open, err := f.uploadsByPrefix(ctx, prefix)
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

// notOfListing lists refusals that say nothing about listing.
var notOfListing = []string{"NoSuchBucket", "ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired", "InvalidToken", "RequestTimeout"}

// refusesList reports whether a service does not list multipart uploads, or does not allow it. A command does not fail for
// that: it only means that broken uploads cannot be resumed.
func refusesList(err error) bool {
	switch status(err) {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusNotImplemented:
		return !slices.Contains(notOfListing, errorCode(err))
	}
	return errors.Is(err, fs.ErrPermission)
}

// uploadsByPrefix lists the multipart uploads whose keys begin with prefix, where the bucket takes no such prefix among
// those to its directory.
func (f *FS) uploadsByPrefix(ctx context.Context, prefix string) (open []types.MultipartUpload, err error) {
	dir := prefix[:strings.LastIndex(prefix, "/")+1]
	within := func() error {
		open, err = f.uploadsIn(ctx, dir)
		open = slices.DeleteFunc(open, func(u types.MultipartUpload) bool { return !strings.HasPrefix(aws.ToString(u.Key), prefix) })
		return err
	}
	switch {
	case isDirectoryBucket(f.bucket):
		err = within()
		return open, err
	case dir == prefix:
		open, err = f.firstUploads(ctx, prefix)
		return open, err
	}
	err = f.client.features.attempt(anyPrefix, f.bucket, unknown, func(with bool) (err error) {
		if !with {
			return within()
		}
		open, err = f.firstUploads(ctx, prefix)
		return err
	})
	return open, err
}

// firstUploads lists the first multipart uploads whose keys begin with prefix.
func (f *FS) firstUploads(ctx context.Context, prefix string) ([]types.MultipartUpload, error) {
	out, err := f.api.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &f.bucket, Prefix: optional(prefix)})
	if err != nil {
		return nil, err
	}
	return out.Uploads, nil
}

// uploadsIn lists all multipart uploads to keys in a directory, which may come in any order.
func (f *FS) uploadsIn(ctx context.Context, dir string) (open []types.MultipartUpload, err error) {
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

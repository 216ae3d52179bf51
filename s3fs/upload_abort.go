package s3fs

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// abortSuperseded aborts the suspended uploads of this process to a key, except one, after something else was stored
// under the key. Otherwise they would show again once that is deleted: SIZE would tell their size, and a client would
// resume other content. An upload that another process has resumed is left alone.
//
// The reply does not wait for the aborts, see cleanUp.
func (f *FS) abortSuperseded(ctx context.Context, key, except string) {
	suspended := f.client.uploads.takeSuspended(f.bucketKey(key))
	delete(suspended, except)
	if len(suspended) > 0 {
		f.cleanUp(ctx, key, func(ctx context.Context) {
			for id, last := range suspended {
				if f.client.uploads.ownerOf(id) == nil {
					f.abortUnlessResumed(ctx, multipartUpload{key, id}, last)
				}
			}
		})
	}
}

// abortUploadsTo aborts the uploads of s3fs to a key after its object was deleted, those of other processes too, and
// returns how many. On AWS, an upload that began before a deletion completes without ever showing its object.
//
// An upload that this process is running is left alone, and verified on completion. suspended are the uploads that
// this process had suspended before, open are all that S3 lists, err is the error of that listing.
func (f *FS) abortUploadsTo(ctx context.Context, key string, suspended suspendedUploads, open []types.MultipartUpload, err error) int {
	var aborted []string
	for id := range suspended {
		if f.client.uploads.ownerOf(id) == nil {
			f.abortUploadWithin(ctx, multipartUpload{key, id})
			aborted = append(aborted, id)
		}
	}
	open = slices.DeleteFunc(open, func(o types.MultipartUpload) bool { return slices.Contains(aborted, aws.ToString(o.UploadId)) })
	return len(aborted) + f.abortOurs(ctx, open, err)
}

// An openLister lists multipart uploads that are open.
type openLister func(context.Context) ([]types.MultipartUpload, error)

// abortAfterDelete begins to list the uploads to a key whose object is being deleted. The caller must call end with
// whether the object was deleted. Then the uploads are aborted; the reply does not wait for it. Uploads that begin
// after the reply are left alone.
func (f *FS) abortAfterDelete(ctx context.Context, key string) (end func(deleted bool)) {
	suspended := f.client.uploads.takeSuspended(f.bucketKey(key))
	list := func(ctx context.Context) ([]types.MultipartUpload, error) { return f.listUploadsTo(ctx, key) }
	after := f.abortListedAfter(ctx, key, list, func(ctx context.Context, open []types.MultipartUpload, err error) {
		f.abortUploadsTo(ctx, key, suspended, open, err)
	})
	return func(deleted bool) {
		if !deleted {
			f.client.uploads.restoreSuspended(f.bucketKey(key), suspended)
		}
		after(deleted)
	}
}

// abortAfterDirDelete is abortAfterDelete for all keys in a directory while its objects are being deleted.
func (f *FS) abortAfterDirDelete(ctx context.Context, dir string) (end func(deleted bool)) {
	list := func(ctx context.Context) ([]types.MultipartUpload, error) { return f.listUploads(ctx, dir) }
	return f.abortListedAfter(ctx, dir, list, func(ctx context.Context, open []types.MultipartUpload, err error) { f.abortOurs(ctx, open, err) })
}

// abortListedAfter lists uploads while objects are being deleted, and calls abort after the deletion. If S3 answers
// the listing only after the deletion, some of the uploads may have begun after the reply; then only those are
// aborted that began before the deletion by S3's clock.
func (f *FS) abortListedAfter(
	ctx context.Context, key string, list openLister, abort func(context.Context, []types.MultipartUpload, error),
) (end func(deleted bool)) {
	before := f.client.clock.time()
	deleted := make(chan bool, 1)
	started := f.tryCleanUp(ctx, key, func(ctx context.Context) {
		open, err := list(ctx)
		if len(deleted) > 0 { // the reply may have been sent already
			open = initiatedBefore(open, before)
		}
		succeeded := false
		select {
		case succeeded = <-deleted:
		case <-ctx.Done():
		}
		if succeeded {
			abort(ctx, open, err)
		}
	})
	return func(succeeded bool) {
		deleted <- succeeded
		if succeeded && !started {
			open, err := list(ctx)
			abort(ctx, open, err)
		}
	}
}

// initiatedBefore returns the uploads that began before t. S3 tells both times in whole seconds; times of the same
// second count as equal.
func initiatedBefore(open []types.MultipartUpload, t time.Time) []types.MultipartUpload {
	return slices.DeleteFunc(open, func(o types.MultipartUpload) bool {
		return o.Initiated == nil || !o.Initiated.Truncate(time.Second).Before(t)
	})
}

// abortOurs aborts those of the listed uploads that belong to s3fs and that this process does not run. It logs err, the
// error of the listing.
func (f *FS) abortOurs(ctx context.Context, open []types.MultipartUpload, err error) (aborted int) {
	for _, o := range open {
		m := multipartUpload{aws.ToString(o.Key), aws.ToString(o.UploadId)}
		if f.client.uploads.ownerOf(m.id) != nil {
			continue
		}
		var parts []types.Part
		if parts, err = f.listParts(ctx, m.key, m.id); err == nil && f.isOurs(parts) {
			f.abortUploadWithin(ctx, m)
			aborted++
		}
	}
	if err != nil && !isNoSuchUpload(err) {
		f.log.WarnContext(ctx, "uploads to deleted files may not be aborted", "bucket", f.bucket, "err", err)
	}
	return aborted
}

// sendAbort sends AbortMultipartUpload; no other function does. It is no error if the upload has ended already.
func (f *FS) sendAbort(ctx context.Context, m multipartUpload) (err error) {
	defer recoverPanic(&err)
	ctx, cancel := context.WithTimeout(ctx, cancelGrace)
	defer cancel()
	out, err := f.api.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &f.bucket, Key: &m.key, UploadId: &m.id})
	if errors.Is(err, errUnconfirmed) || err == nil && !hasStatus(out.ResultMetadata, http.StatusNoContent) {
		if _, err = f.listParts(ctx, m.key, m.id); err == nil {
			err = errUnconfirmed // the answer may be a proxy's, see delete
		}
	}
	if isNoSuchUpload(err) {
		return nil
	}
	return err
}

// abortUpload aborts a multipart upload of which no part is in flight any more. If S3 does not answer, the abort is
// retried in the background.
func (f *FS) abortUpload(ctx context.Context, m multipartUpload) {
	f.abortUploadWithin(context.WithoutCancel(ctx), m)
}

// abortUploadWithin is abortUpload, but its first attempt ends with ctx.
func (f *FS) abortUploadWithin(ctx context.Context, m multipartUpload) {
	queuedAbort{fs: f, multipartUpload: m, since: time.Now()}.abort(ctx)
}

// abortUnlessResumed is abortUploadWithin for an upload that this process suspended with a lease. It leaves the
// upload alone if another process has resumed it.
func (f *FS) abortUnlessResumed(ctx context.Context, m multipartUpload, last lease) {
	queuedAbort{f, m, &last, time.Now()}.abort(ctx)
}

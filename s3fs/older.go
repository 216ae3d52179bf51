package s3fs

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// place names a key among all that a client knows.
func (f *FS) place(key string) string { return f.bucket + "/" + key }

// others lists the multipart uploads to the key that were begun before this one.
func (u *upload) others() ([]types.MultipartUpload, error) {
	open, err := u.openUploads(u.sending, u.key)
	if i := slices.IndexFunc(open, func(o types.MultipartUpload) bool { return aws.ToString(o.UploadId) == u.id }); i >= 0 {
		return open[i+1:], err
	}
	return nil, err
}

// endOlder ends broken uploads to the key, now that there is a newer object.
func (u *upload) endOlder() {
	u.endLeft(u.sending, u.key, u.id)
	if u.older == nil {
		return
	}
	older, _ := u.older()
	for _, o := range older {
		id := aws.ToString(o.UploadId)
		if u.client.uploads.owner(id) != nil {
			continue
		}
		if parts, err := u.listParts(u.sending, u.key, id); err == nil && ours(parts) {
			u.abandon(u.sending, multipart{u.key, id})
		}
	}
}

// endLeft ends the broken uploads to a key that this process has left open, but for one, now that what they were to be there is
// something else. Else they would be back once that is gone: a client would hear where they stand, and go on with another content.
func (f *FS) endLeft(ctx context.Context, key, but string) {
	for _, id := range f.client.uploads.collect(f.place(key)) {
		if id != but && f.client.uploads.owner(id) == nil {
			f.abandon(ctx, multipart{key, id})
		}
	}
}

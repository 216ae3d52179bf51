package s3fs

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// place names the key among all that a client knows.
func (u *upload) place() string { return u.bucket + "/" + u.key }

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
	for _, id := range u.client.uploads.collect(u.place()) {
		if id != u.id && u.client.uploads.owner(id) == nil {
			u.abandon(u.sending, multipart{u.key, id})
		}
	}
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

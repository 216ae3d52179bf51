package s3fs

import (
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Attributes are what an FS asks of S3 for the objects that it writes. The zero value asks for nothing: the bucket's
// defaults hold.
//
// A new content gets all of them, and so does a directory's marker. A copy keeps the storage class and the tags of what
// it is a copy of; encryption and ACL, which S3 does not copy, are put on it too.
type Attributes struct {
	StorageClass string
	SSE          string // AES256, aws:kms or aws:kms:dsse
	KMSKey       string // for the latter two; empty = the account's own
	ACL          string // canned
	Tags         map[string]string
}

// onPut puts the attributes on a new object.
func (a *Attributes) onPut(in *s3.PutObjectInput) {
	in.ACL = types.ObjectCannedACL(a.ACL)
	in.StorageClass = types.StorageClass(a.StorageClass)
	in.Tagging = a.tagging()
	in.ServerSideEncryption, in.SSEKMSKeyId = types.ServerSideEncryption(a.SSE), optional(a.KMSKey)
}

// onCreate puts the attributes on a new object that is uploaded in parts.
func (a *Attributes) onCreate(in *s3.CreateMultipartUploadInput) {
	a.onCreateCopy(in)
	in.StorageClass = types.StorageClass(a.StorageClass)
	in.Tagging = a.tagging()
}

// onCreateCopy puts on a copy in parts what S3 does not copy, and leaves the rest of in alone.
func (a *Attributes) onCreateCopy(in *s3.CreateMultipartUploadInput) {
	if a.ACL != "" {
		in.ACL = types.ObjectCannedACL(a.ACL)
	}
	if a.SSE != "" {
		in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = types.ServerSideEncryption(a.SSE), optional(a.KMSKey), nil
	}
}

// onCopy puts on a copy what S3 does not copy, and leaves the rest of in alone.
func (a *Attributes) onCopy(in *s3.CopyObjectInput) {
	if a.ACL != "" {
		in.ACL = types.ObjectCannedACL(a.ACL)
	}
	if a.SSE != "" {
		in.ServerSideEncryption, in.SSEKMSKeyId, in.BucketKeyEnabled = types.ServerSideEncryption(a.SSE), optional(a.KMSKey), nil
	}
}

// tagging writes the tags as their header has them, where a plus sign would not stand for a space everywhere.
func (a *Attributes) tagging() *string {
	tags := make(url.Values)
	for key, value := range a.Tags {
		tags.Set(key, value)
	}
	return optional(strings.ReplaceAll(tags.Encode(), "+", "%20"))
}

// optional returns nil for an empty text.
func optional(text string) *string {
	if text == "" {
		return nil
	}
	return aws.String(text)
}

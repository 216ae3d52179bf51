package s3fs

import (
	"net/url"
	"path"
	"slices"
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

// contentTypes is a table of our own: the standard library's depends on what the machine has installed.
var contentTypes = map[string]string{
	".avi": "video/x-msvideo", ".bmp": "image/bmp", ".bz2": "application/x-bzip2", ".css": "text/css; charset=utf-8",
	".csv": "text/csv", ".doc": "application/msword", ".docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
	".gif": "image/gif", ".gz": "application/gzip", ".htm": "text/html", ".html": "text/html", ".ico": "image/x-icon",
	".jpeg": "image/jpeg", ".jpg": "image/jpeg", ".js": "text/javascript; charset=utf-8", ".json": "application/json",
	".md": "text/markdown; charset=utf-8", ".mov": "video/quicktime", ".mp3": "audio/mpeg", ".mp4": "video/mp4",
	".pdf": "application/pdf", ".png": "image/png", ".svg": "image/svg+xml", ".tar": "application/x-tar", ".tif": "image/tiff",
	".tiff": "image/tiff", ".txt": "text/plain", ".wav": "audio/wav", ".webm": "video/webm", ".webp": "image/webp",
	".xls": "application/vnd.ms-excel", ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
	".xml": "application/xml", ".zip": "application/zip", ".zst": "application/zstd",
}

// contentType returns the type that a key's extension stands for, nil where S3's default is as good.
func contentType(key string) *string {
	if t, ok := contentTypes[strings.ToLower(path.Ext(key))]; ok {
		return &t
	}
	return nil
}

// unknownTypes are what services say of an object that was put without a type.
var unknownTypes = []string{"", "binary/octet-stream", "application/octet-stream"}

// retyped returns the type that the copy of an object gets under another name, nil if its own stays: the new name's extension
// stands for none, or the object has another type than its old name stands for, by somebody's choice. So "photo.jpg.part"
// becomes an image once it is "photo.jpg".
func retyped(is *s3.HeadObjectOutput, source, target string) *string {
	has, want := aws.ToString(is.ContentType), contentType(target)
	given := !slices.Contains(unknownTypes, has)
	if old := contentType(source); old != nil {
		given = has != *old
	}
	if want == nil || *want == has || given {
		return nil
	}
	return want
}

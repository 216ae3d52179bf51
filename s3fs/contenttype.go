package s3fs

import (
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

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

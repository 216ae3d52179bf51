package real

import (
	"net/http"
	"strings"
)

// operations lists S3's operations. The first that matches a request applies.
var operations = []struct{ name, method, query, header string }{
	{"ListObjectsV2", "GET", "list-type", ""},
	{"ListMultipartUploads", "GET", "uploads", ""},
	{"ListParts", "GET", "uploadId", ""},
	{"GetBucketLifecycleConfiguration", "GET", "lifecycle", ""},
	{"PutBucketLifecycleConfiguration", "PUT", "lifecycle", ""},
	{"GetObject", "GET", "", ""},
	{"HeadObject", "HEAD", "", ""},
	{"UploadPartCopy", "PUT", "uploadId", "X-Amz-Copy-Source"},
	{"UploadPart", "PUT", "uploadId", ""},
	{"CopyObject", "PUT", "", "X-Amz-Copy-Source"},
	{"PutObject", "PUT", "", ""},
	{"CreateMultipartUpload", "POST", "uploads", ""},
	{"CompleteMultipartUpload", "POST", "uploadId", ""},
	{"DeleteObjects", "POST", "delete", ""},
	{"AbortMultipartUpload", "DELETE", "uploadId", ""},
	{"DeleteObject", "DELETE", "", ""},
}

// Operation returns the name of a request's operation in S3's documentation, for requests with the bucket in the path. For
// other requests it returns the method and the request URI.
func Operation(r *http.Request) string {
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	query := r.URL.Query()
	query.Del("x-id")
	for _, o := range operations {
		fits := o.query != "" && query.Has(o.query) || o.query == "" && len(query) == 0 && key != ""
		if fits && o.method == r.Method && (o.header == "" || r.Header.Get(o.header) != "") {
			return o.name
		}
	}
	return r.Method + " " + r.URL.RequestURI()
}

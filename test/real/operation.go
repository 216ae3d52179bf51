package real

import (
	"net/http"
	"strings"
)

// operations tell S3's requests apart, by the first that fits: one without a query is on an object.
var operations = []struct{ name, method, query, header string }{
	{"ListObjectsV2", "GET", "list-type", ""},
	{"ListMultipartUploads", "GET", "uploads", ""},
	{"ListParts", "GET", "uploadId", ""},
	{"GetBucketLifecycleConfiguration", "GET", "lifecycle", ""},
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

// Operation returns what a request asks of S3, whose bucket is in the path, by the name that S3's documentation has for it.
// Of other requests it returns the method and what follows it.
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

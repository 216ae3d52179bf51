package quirks

import (
	"net/http"
	"strings"
)

// subrequest sends a request of the quirk itself to the store.
func subrequest(next handler, x *exchange, method, key string) *answer {
	bucket, _, _ := strings.Cut(strings.TrimPrefix(x.URL.Path, "/"), "/")
	r, _ := http.NewRequestWithContext(x.Context(), method, "http://store/", http.NoBody)
	r.URL.Path = "/" + bucket + "/" + key
	r.RequestURI = r.URL.RequestURI()
	return record(next, &exchange{Request: r, operation: map[string]string{"HEAD": "HeadObject", "GET": "GetObject"}[method], key: key})
}

// headStatus returns the status of HeadObject for the key of x.
func headStatus(next handler, x *exchange) int { return subrequest(next, x, "HEAD", x.key).status }

// removeLength removes Content-Length from an answer that has content. The answer is then chunked.
func removeLength(x *exchange, status int, h http.Header) {
	if status == http.StatusOK || status == http.StatusPartialContent {
		h.Del("Content-Length")
		h.Set("Transfer-Encoding", "chunked")
	}
}

// refusedClass is a storage class that the service reports for its objects, but refuses in requests.
const refusedClass = "WARM-TIER"

// hasRefusedClass matches requests with refusedClass.
func hasRefusedClass(x *exchange) bool { return x.Header.Get("X-Amz-Storage-Class") == refusedClass }

// archived matches requests that read or copy an archived object. Its key ends in .archived.
func archived(x *exchange) bool {
	return strings.HasSuffix(x.key, ".archived") || strings.HasSuffix(x.Header.Get("X-Amz-Copy-Source"), ".archived")
}

var getModes = []Mode{
	{Name: "get-without-length", Does: "Answers GetObject without Content-Length.",
		Services: "Google Cloud Storage, for objects that it decompresses (arrow-rs-object-store#774)",
		quirks:   []quirk{changeHeader(on("GetObject"), removeLength)}},
	{Name: "refused-storage-class", Does: "Reports a storage class that it refuses in requests.",
		Services: "MinIO with tiers (minio#15906)",
		quirks: []quirk{
			refuse(hasRefusedClass, 400, "InvalidStorageClass", "Invalid storage class."),
			changeHeader(on("HeadObject", "GetObject"), func(_ *exchange, status int, h http.Header) {
				if status < 300 {
					h.Set("X-Amz-Storage-Class", refusedClass)
				}
			}),
			change(on("ListObjectsV2"), func(_ *exchange, a *answer) {
				a.body = replace(remove(a.body, "StorageClass"), "Contents", func(c string) string {
					return c + "<StorageClass>" + refusedClass + "</StorageClass>"
				})
			})}},
	{Name: "archived", Does: "Refuses to read and to copy archived objects (here those whose key ends in .archived).",
		Services: "Amazon S3 with GLACIER, for reading",
		quirks:   []quirk{refuse(on("GetObject", "CopyObject", "UploadPartCopy").and(archived), 403, "InvalidObjectState", "The operation is not valid for the object's storage class")}},
	{Name: "archived-copies", Does: "Refuses to read and to copy archived objects (here those whose key ends in .archived), with different errors.",
		Services: "Amazon S3 with GLACIER (CopyObject's documentation)",
		quirks: []quirk{
			refuse(on("GetObject").and(archived), 403, "InvalidObjectState", "The operation is not valid for the object's storage class"),
			refuse(on("CopyObject", "UploadPartCopy").and(archived), 403, "ObjectNotInActiveTierError", "The source object of the COPY operation is not in the active tier and is only stored in Amazon S3 Glacier.")}},
}

// refuseRangeOfSmall refuses to copy a range of an object of at most 5 MiB.
func refuseRangeOfSmall(next handler) handler {
	return func(w http.ResponseWriter, x *exchange) {
		if x.operation == "UploadPartCopy" && x.Header.Get("X-Amz-Copy-Source-Range") != "" {
			source, _ := strings.CutPrefix(x.Header.Get("X-Amz-Copy-Source"), "/")
			_, key, _ := strings.Cut(source, "/")
			if size := number(subrequest(next, x, "HEAD", unescape(key)).header.Get("Content-Length")); size <= smallestPart {
				fail(w, 400, "InvalidRequest", "The specified copy source is not supported as a byte-range copy source")
				return
			}
		}
		next(w, x)
	}
}

// servicesWithoutPartCopy lists services that do not support UploadPartCopy.
const servicesWithoutPartCopy = "gofakes3 1.2.0 (tried), s3proxies of file systems"

var copyModes = []Mode{
	{Name: "no-part-copy-501", Does: "Does not support UploadPartCopy: 501.",
		Services: servicesWithoutPartCopy, quirks: []quirk{refuse(on("UploadPartCopy"), 501, "NotImplemented", notImplemented)}},
	{Name: "no-part-copy-411", Does: "Treats UploadPartCopy as UploadPart, and refuses it because it has no Content-Length: 411.",
		Services: servicesWithoutPartCopy, quirks: []quirk{refuse(on("UploadPartCopy"), 411, "MissingContentLength", "You must provide the Content-Length HTTP header.")}},
	{Name: "no-part-copy-405", Does: "Does not support UploadPartCopy: 405.",
		Services: servicesWithoutPartCopy, quirks: []quirk{refuse(on("UploadPartCopy"), 405, "MethodNotAllowed", "The specified method is not allowed against this resource.")}},
	{Name: "part-copy-condition-501", Does: "Supports UploadPartCopy, but not with x-amz-copy-source-if-match.",
		Services: "Cloudflare R2 (cloudflare-docs#32458)",
		quirks:   []quirk{refuseHeader(on("UploadPartCopy"), 501, "NotImplemented", "Header '%s' not implemented", "X-Amz-Copy-Source-If-")}},
	{Name: "copy-range-over-5-mib", Does: "Copies ranges only of objects that are larger than 5 MiB.",
		Services: "Amazon S3 (UploadPartCopy's documentation)", quirks: []quirk{refuseRangeOfSmall}},
}

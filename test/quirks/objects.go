package quirks

import (
	"net/http"
	"strings"
)

// ask sends a request to the store on behalf of the quirk.
func ask(next handler, x *exchange, method, key string) *answer {
	bucket, _, _ := strings.Cut(strings.TrimPrefix(x.URL.Path, "/"), "/")
	r, _ := http.NewRequestWithContext(x.Context(), method, "http://store/", http.NoBody)
	r.URL.Path = "/" + bucket + "/" + key
	r.RequestURI = r.URL.RequestURI()
	return record(next, &exchange{Request: r, operation: map[string]string{"HEAD": "HeadObject", "GET": "GetObject"}[method], key: key})
}

func headStatus(next handler, x *exchange) int { return ask(next, x, "HEAD", x.key).status }

// lengthless removes Content-Length from GetObject's answers, which are then chunked.
func lengthless(x *exchange, status int, h http.Header) {
	if status == http.StatusOK || status == http.StatusPartialContent {
		h.Del("Content-Length")
		h.Set("Transfer-Encoding", "chunked")
	}
}

const oddClass = "WARM-TIER"

// refuseOddClass refuses requests with the storage class that HEAD returns.
func refuseOddClass(x *exchange) bool { return x.Header.Get("X-Amz-Storage-Class") == oddClass }

// archived matches archived objects, by their name.
func archived(x *exchange) bool {
	return strings.HasSuffix(x.key, ".archived") || strings.HasSuffix(x.Header.Get("X-Amz-Copy-Source"), ".archived")
}

var getModes = []Mode{
	{Name: "get-without-length", Does: "Does not tell the length of what GetObject sends.",
		Services: "Google Cloud Storage, of objects that it unzips (arrow-rs-object-store#774)",
		quirks:   []quirk{changeHeader(on("GetObject"), lengthless)}},
	{Name: "odd-storage-class", Does: "Names a storage class that it refuses when it is asked for.",
		Services: "MinIO with tiers (minio#15906)",
		quirks: []quirk{
			refuse(refuseOddClass, 400, "InvalidStorageClass", "Invalid storage class."),
			changeHeader(on("HeadObject", "GetObject"), func(_ *exchange, status int, h http.Header) {
				if status < 300 {
					h.Set("X-Amz-Storage-Class", oddClass)
				}
			}),
			change(on("ListObjectsV2"), func(_ *exchange, a *answer) {
				a.body = replace(remove(a.body, "StorageClass"), "Contents", func(c string) string {
					return c + "<StorageClass>" + oddClass + "</StorageClass>"
				})
			})}},
	{Name: "archived", Does: "Has objects in an archive (here those whose name ends in .archived), which can be neither read nor copied.",
		Services: "Amazon S3 with GLACIER, for reading",
		quirks:   []quirk{refuse(on("GetObject", "CopyObject", "UploadPartCopy").and(archived), 403, "InvalidObjectState", "The operation is not valid for the object's storage class")}},
	{Name: "archived-copies", Does: "Has objects in an archive (here those whose name ends in .archived), and another error where they are copied.",
		Services: "Amazon S3 with GLACIER (CopyObject's documentation)",
		quirks: []quirk{
			refuse(on("GetObject").and(archived), 403, "InvalidObjectState", "The operation is not valid for the object's storage class"),
			refuse(on("CopyObject", "UploadPartCopy").and(archived), 403, "ObjectNotInActiveTierError", "The source object of the COPY operation is not in the active tier and is only stored in Amazon S3 Glacier.")}},
}

// rangeOfSmall matches copies of a range of an object of at most 5 MiB.
func rangeOfSmall(next handler) handler {
	return func(w http.ResponseWriter, x *exchange) {
		if x.operation == "UploadPartCopy" && x.Header.Get("X-Amz-Copy-Source-Range") != "" {
			source, _ := strings.CutPrefix(x.Header.Get("X-Amz-Copy-Source"), "/")
			_, key, _ := strings.Cut(source, "/")
			if size := number(ask(next, x, "HEAD", unescape(key)).header.Get("Content-Length")); size <= smallestPart {
				fail(w, 400, "InvalidRequest", "The specified copy source is not supported as a byte-range copy source")
				return
			}
		}
		next(w, x)
	}
}

const noCopies = "gofakes3 1.2.0 (tried), s3proxies of file systems"

var copyModes = []Mode{
	{Name: "no-part-copy-501", Does: "Does not know UploadPartCopy: 501.",
		Services: noCopies, quirks: []quirk{refuse(on("UploadPartCopy"), 501, "NotImplemented", notImplemented)}},
	{Name: "no-part-copy-411", Does: "Takes UploadPartCopy for UploadPart, and misses the content's length: 411.",
		Services: noCopies, quirks: []quirk{refuse(on("UploadPartCopy"), 411, "MissingContentLength", "You must provide the Content-Length HTTP header.")}},
	{Name: "no-part-copy-405", Does: "Does not know UploadPartCopy: 405.",
		Services: noCopies, quirks: []quirk{refuse(on("UploadPartCopy"), 405, "MethodNotAllowed", "The specified method is not allowed against this resource.")}},
	{Name: "part-copy-condition-501", Does: "Knows UploadPartCopy, but not x-amz-copy-source-if-match with it.",
		Services: "Cloudflare R2 (cloudflare-docs#32458)",
		quirks:   []quirk{refuseHeader(on("UploadPartCopy"), 501, "NotImplemented", "Header '%s' not implemented", "X-Amz-Copy-Source-If-")}},
	{Name: "copy-range-over-5-mib", Does: "Copies ranges only of objects that are larger than 5 MiB.",
		Services: "Amazon S3 (UploadPartCopy's documentation)", quirks: []quirk{rangeOfSmall}},
}

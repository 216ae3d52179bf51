package quirks

import (
	"fmt"
	"html"
	"net/http"
	"strings"
	"sync"
)

// someKeys answers DeleteObjects with the errors that refused returns for keys, and deletes the other keys.
func someKeys(refused func(next handler, x *exchange, object string) (code string)) quirk {
	return func(next handler) handler {
		return func(w http.ResponseWriter, x *exchange) {
			if x.operation != "DeleteObjects" {
				next(w, x)
				return
			}
			var errors strings.Builder
			left := 0
			text := replace(x.body(), "Object", func(object string) string {
				code := refused(next, x, object)
				if code == "" {
					left++
					return object
				}
				fmt.Fprintf(&errors, "<Error><Key>%s</Key><Code>%s</Code><Message>Please try again.</Message></Error>", elements(object, "Key")[0], code)
				return ""
			})
			a := &answer{http.StatusOK, http.Header{"Content-Type": {"application/xml"}}, "<DeleteResult></DeleteResult>"}
			if left > 0 {
				x.setBody(strings.ReplaceAll(text, "<Object></Object>", ""))
				a = record(next, x)
			}
			a.body = strings.Replace(a.body, "</DeleteResult>", errors.String()+"</DeleteResult>", 1)
			a.send(w, x)
		}
	}
}

// firstOfKey refuses each key in DeleteObjects the first time.
func firstOfKey(codes ...string) quirk {
	return func(next handler) handler {
		var mu sync.Mutex
		seen := make(map[string]bool)
		return someKeys(func(_ handler, _ *exchange, object string) string {
			mu.Lock()
			defer mu.Unlock()
			key := value(object, "Key")
			if seen[key] {
				delete(seen, key)
				return ""
			}
			seen[key] = true
			return codes[len(seen)%len(codes)]
		})(next)
	}
}

// goneKeys refuses missing keys with a condition in DeleteObjects.
func goneKeys(next handler, x *exchange, object string) string {
	if len(elements(object, "ETag")) > 0 && subrequest(next, x, "HEAD", value(object, "Key")).status == http.StatusNotFound {
		return "NoSuchKey"
	}
	return ""
}

// refuseMissing answers matching deletions of missing keys with 404 and the code.
func refuseMissing(about when, code string) quirk {
	return func(next handler) handler {
		return func(w http.ResponseWriter, x *exchange) {
			if about(x) && headStatus(next, x) == http.StatusNotFound {
				fail(w, 404, code, "The specified key does not exist.")
				return
			}
			next(w, x)
		}
	}
}

var withoutMD5 = deletesMany.and(func(x *exchange) bool { return x.Header.Get("Content-Md5") == "" })

const wantsMD5 = "Oracle OCI (litestream#808), OVH, MinIO before 2025 (minio#20849), Alibaba OSS, Tencent COS, Huawei OBS (milvus-storage#500)"

var deleteModes = []Mode{
	{Name: "delete-objects-md5", Does: "Wants Content-MD5 with DeleteObjects: 400 MissingContentMD5.",
		Services: wantsMD5, quirks: []quirk{refuse(withoutMD5, 400, "MissingContentMD5", "Missing required header for this request: Content-MD5.")}},
	{Name: "delete-objects-md5-invalid-request", Does: "Wants Content-MD5 with DeleteObjects: 400 InvalidRequest.",
		Services: wantsMD5, quirks: []quirk{refuse(withoutMD5, 400, "InvalidRequest", "Missing required header for this request: Content-MD5")}},
	{Name: "delete-objects-md5-only", Does: "Wants Content-MD5 with DeleteObjects, and refuses any other checksum there.",
		Services: "Google Cloud Storage", quirks: append([]quirk{refuse(withoutMD5, 400, "InvalidArgument", "Missing required header for this request: Content-MD5")},
			refuseChecksums(deletesMany, 400, "InvalidArgument", unsupported)...)},
	{Name: "delete-objects-crc32-ignored", Does: "Ignores the checksum of DeleteObjects.",
		Services: "many", quirks: []quirk{ignoreDeleteSum}},
	{Name: "delete-objects-errors", Does: "Answers DeleteObjects with 200, and each key the first time with InternalError or SlowDown.",
		Services: "Amazon S3 (DeleteObjects' documentation)", quirks: []quirk{firstOfKey("InternalError", "SlowDown")}},
	{Name: "delete-objects-gone", Does: "Has NoSuchKey for a key with a condition in DeleteObjects that is gone.",
		Services: "Amazon S3 (documentation of conditional deletes)", quirks: []quirk{someKeys(goneKeys)}},
	{Name: "delete-404", Does: "Answers DeleteObject of a key that is gone with 404.",
		Services: "several", quirks: []quirk{refuseMissing(on("DeleteObject"), "NoSuchKey")}},
	{Name: "conditional-delete-404", Does: "Answers DeleteObject with a condition, of a key that is gone, with 404.",
		Services: "Amazon S3 (documentation of conditional deletes)", quirks: []quirk{refuseMissing(on("DeleteObject").and(with("If-Match")), "NoSuchKey")}},
	{Name: "no-delete-objects", Does: "Does not know DeleteObjects: 501.",
		Services: "Google Cloud Storage until 2024", quirks: []quirk{refuse(deletesMany, 501, "NotImplemented", notImplemented)}},
}

// ignoreDeleteSum replaces the checksums by a correct one.
func ignoreDeleteSum(next handler) handler {
	return func(w http.ResponseWriter, x *exchange) {
		if deletesMany(x) {
			x.setBody(x.body())
		}
		next(w, x)
	}
}

// escape escapes a text for XML.
func escape(s string) string { return html.EscapeString(s) }

package quirks

import (
	"net/http"
	"strings"
)

// conditionHeaders are the conditions on the object that is written or deleted.
var conditionHeaders = []string{"If-None-Match", "If-Match"}

// unsupported is B2's answer to an unknown header, notImplemented that of most other services.
const (
	unsupported    = "Unsupported header '%s' received for this API call."
	notImplemented = "A header you provided implies functionality that is not implemented."
)

// writes are the operations with conditions.
var writes = on("PutObject", "CompleteMultipartUpload", "CopyObject", "DeleteObject")

func refuseConditions(about when, status int, code, message string) []quirk {
	return []quirk{refuseHeader(about, status, code, message, conditionHeaders...)}
}

// hasETags matches DeleteObjects with a condition for some of its keys.
func hasETags(x *exchange) bool {
	return x.operation == "DeleteObjects" && strings.Contains(x.body(), "<ETag>")
}

// ignoreETags removes the conditions from DeleteObjects.
func ignoreETags(next handler) handler {
	return func(w http.ResponseWriter, x *exchange) {
		if hasETags(x) {
			x.setBody(remove(x.body(), "ETag"))
		}
		next(w, x)
	}
}

const b2Conditions = "Backblaze B2 (obsidian-s3-sync-and-backup#78)"

var conditionModes = []Mode{
	{Name: "conditions-501", Does: "Refuses If-None-Match and If-Match with 501 NotImplemented, and ETags in DeleteObjects.",
		Services: b2Conditions,
		quirks: append(refuseConditions(writes, 501, "NotImplemented", notImplemented),
			refuse(hasETags, 501, "NotImplemented", notImplemented))},
	{Name: "conditions-400", Does: "Refuses If-None-Match and If-Match with 400 NotImplemented.",
		Services: "Alibaba OSS (walgit#67)",
		quirks:   refuseConditions(writes, 400, "NotImplemented", notImplemented)},
	{Name: "conditions-invalid-argument", Does: "Refuses If-None-Match and If-Match as unsupported headers, with InvalidArgument.",
		Services: "Backblaze B2's wording for headers that it does not know (pingvin-share#798)",
		quirks:   refuseConditions(writes, 400, "InvalidArgument", unsupported)},
	{Name: "conditions-invalid-request", Does: "Refuses If-None-Match and If-Match as unsupported headers, with InvalidRequest.",
		Services: "Backblaze B2's wording for headers that it does not know (cyberduck#16107)",
		quirks:   refuseConditions(writes, 400, "InvalidRequest", unsupported)},
	{Name: "condition-put-501", Does: "Knows conditions, but not on PutObject.",
		Services: "kind of conditions-501", quirks: refuseConditions(on("PutObject"), 501, "NotImplemented", notImplemented)},
	{Name: "condition-complete-501", Does: "Knows conditions, but not on CompleteMultipartUpload.",
		Services: "kind of conditions-501", quirks: refuseConditions(on("CompleteMultipartUpload"), 501, "NotImplemented", notImplemented)},
	{Name: "condition-copy-501", Does: "Knows conditions, but not on what CopyObject replaces.",
		Services: "Amazon S3 until October 2025", quirks: refuseConditions(on("CopyObject"), 501, "NotImplemented", notImplemented)},
	{Name: "condition-copy-source-501", Does: "Does not know a condition on the source of CopyObject.",
		Services: "kind of conditions-501", quirks: []quirk{refuseHeader(on("CopyObject"), 501, "NotImplemented", notImplemented, "X-Amz-Copy-Source-If-Match")}},
	{Name: "condition-delete-501", Does: "Knows conditions, but not on DeleteObject.",
		Services: "Amazon S3 until September 2025 for general purpose buckets", quirks: refuseConditions(on("DeleteObject"), 501, "NotImplemented", notImplemented)},
	{Name: "condition-delete-objects-400", Does: "Takes DeleteObjects with ETags for malformed XML.",
		Services: "kind of conditions-400", quirks: []quirk{refuse(hasETags, 400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema.")}},
	{Name: "conditions-ignored-copy-delete", Does: "Ignores conditions on copies and deletions without a word.",
		Services: "MinIO (tried)",
		quirks:   []quirk{ignore(on("CopyObject", "DeleteObject"), conditionHeaders...), ignoreETags}},
	{Name: "conditional-409-first", Does: "Answers every second write with a condition with 409 ConditionalRequestConflict, and does not do it.",
		Services: "Amazon S3, where another request is under way (PutObject's documentation)",
		quirks:   []quirk{everySecond(writes.and(with(conditionHeaders...)), 409, "ConditionalRequestConflict", "A conflicting operation occurred.")}},
}

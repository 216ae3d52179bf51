package quirks

import (
	"net/http"
)

// checksumHeaders are all headers with checksums. A name with a hyphen at the end is a prefix, see header.
var checksumHeaders = []string{"X-Amz-Checksum-", "X-Amz-Sdk-Checksum-Algorithm", "X-Amz-Trailer"}

func refuseChecksums(about when, status int, code, message string) []quirk {
	return []quirk{refuseHeader(about, status, code, message, checksumHeaders...)}
}

// excess is Google's answer to unknown headers.
const excess = "The Content-MD5 or checksum value that you specified is not valid: excess header value %s."

// deletesMany matches DeleteObjects, the only request with a checksum that the SDK adds itself.
var deletesMany = on("DeleteObjects")

func not(w when) when { return func(x *exchange) bool { return !w(x) } }

var checksumModes = []Mode{
	{Name: "checksum-excess", Does: "Refuses all checksums but Content-MD5 with 400 ExcessHeaderValues.",
		Services: "Google Cloud Storage (milvus-storage#480)",
		quirks:   refuseChecksums(not(deletesMany), 400, "ExcessHeaderValues", excess)},
	{Name: "checksum-invalid-argument", Does: "Refuses all checksums but Content-MD5 as unsupported headers, with InvalidArgument.",
		Services: "Backblaze B2 (pingvin-share#798, xen-orchestra#8358, home-assistant#143995)",
		quirks:   refuseChecksums(always, 400, "InvalidArgument", unsupported)},
	{Name: "checksum-invalid-request", Does: "Refuses all checksums but Content-MD5 as unsupported headers, with InvalidRequest.",
		Services: "Backblaze B2 (cyberduck#16107)",
		quirks:   refuseChecksums(always, 400, "InvalidRequest", unsupported)},
	{Name: "checksum-501", Does: "Refuses all checksums but Content-MD5 with 501 NotImplemented.",
		Services: "Cloudflare R2 (cloudflare-docs#4508, cloudflare-r2#12)",
		quirks:   refuseChecksums(not(deletesMany), 501, "NotImplemented", "Header '%s' with value 'CRC32C' not implemented")},
	{Name: "checksum-put-501", Does: "Refuses checksums of PutObject alone.",
		Services: "kind of checksum-501", quirks: refuseChecksums(on("PutObject"), 501, "NotImplemented", notImplemented)},
	{Name: "checksum-part-501", Does: "Refuses checksums of UploadPart alone.",
		Services: "kind of checksum-501", quirks: append(refuseChecksums(on("UploadPart"), 501, "NotImplemented", notImplemented), checksumsIgnored...)},
	{Name: "checksum-create-501", Does: "Refuses x-amz-checksum-algorithm at CreateMultipartUpload.",
		Services: "Cloudflare R2 (cortex#5829)",
		quirks:   refuseChecksums(on("CreateMultipartUpload"), 501, "NotImplemented", "Header '%s' with value 'CRC32C' not implemented")},
	{Name: "checksum-create-400", Does: "Refuses x-amz-checksum-algorithm at CreateMultipartUpload in B2's words.",
		Services: "Backblaze B2 (plik#508)",
		quirks:   refuseChecksums(on("CreateMultipartUpload"), 400, "InvalidArgument", unsupported)},
	{Name: "checksum-complete-400", Does: "Takes checksums of parts, and refuses them at CompleteMultipartUpload with 400.",
		Services: "S3Proxy#656", quirks: completeChecksums(400, "InvalidArgument")},
	{Name: "checksum-complete-501", Does: "Takes checksums of parts, and refuses them at CompleteMultipartUpload with 501.",
		Services: "S3Proxy#656", quirks: completeChecksums(501, "NotImplemented")},
	{Name: "checksum-complete-500", Does: "Takes checksums of parts, and fails at CompleteMultipartUpload with 500 where they come again.",
		Services: "S3Proxy#656", quirks: completeChecksums(500, "InternalError")},
	{Name: "checksum-mode-400", Does: "Refuses to be asked for checksums by GetObject and HeadObject.",
		Services: "Backblaze B2 (xen-orchestra#8358)",
		quirks:   refuseChecksums(on("GetObject", "HeadObject"), 400, "InvalidArgument", unsupported)},
	{Name: "checksums-ignored", Does: "Takes checksums without looking at them, and keeps none.",
		Services: "many, among them Ceph before Squid",
		quirks:   checksumsIgnored},
	{Name: "list-parts-without-checksums", Does: "Takes and keeps checksums, and ListParts does not tell them.",
		Services: "kind of checksums-ignored",
		quirks:   []quirk{change(on("ListParts"), func(_ *exchange, a *answer) { a.body = withoutChecksums(a.body) })}},
	{Name: "wrong-full-object-checksum", Option: "--checksum md5", Does: "Tells a wrong checksum of objects that were made by a multipart upload.",
		Services: "moto 5.2.1 (tried)",
		quirks: []quirk{changeHeader(on("GetObject", "HeadObject"), func(_ *exchange, _ int, h http.Header) {
			if isMultipart(h.Get("Etag")) && h.Get("X-Amz-Checksum-Crc32c") != "" {
				h.Set("X-Amz-Checksum-Crc32c", "AAAAAA==")
			}
		})}},
}

// checksumsIgnored removes checksums before the store gets a request.
var checksumsIgnored = []quirk{ignore(not(deletesMany), checksumHeaders...), ignorePartChecksums, changeHeader(always, dropChecksums),
	change(on("ListParts"), func(_ *exchange, a *answer) { a.body = withoutChecksums(a.body) })}

var checksumElements = []string{"ChecksumCRC32C", "ChecksumCRC32", "ChecksumCRC64NVME", "ChecksumSHA1", "ChecksumSHA256", "ChecksumAlgorithm", "ChecksumType"}

func withoutChecksums(text string) string {
	for _, name := range checksumElements {
		text = remove(text, name)
	}
	return text
}

// dropChecksums removes checksums from an answer.
func dropChecksums(_ *exchange, _ int, h http.Header) {
	for _, name := range []string{"Crc32c", "Crc32", "Crc64nvme", "Sha1", "Sha256", "Type", "Algorithm"} {
		h.Del("X-Amz-Checksum-" + name)
	}
}

// ignorePartChecksums removes checksums from CompleteMultipartUpload.
func ignorePartChecksums(next handler) handler {
	return func(w http.ResponseWriter, x *exchange) {
		if x.operation == "CompleteMultipartUpload" {
			x.setBody(withoutChecksums(x.body()))
		}
		next(w, x)
	}
}

// completeChecksums refuses CompleteMultipartUpload with checksums in the headers or the parts.
func completeChecksums(status int, code string) []quirk {
	has := func(x *exchange) bool {
		return x.operation == "CompleteMultipartUpload" &&
			(header(x, checksumHeaders...) != "" || withoutChecksums(x.body()) != x.body())
	}
	return append([]quirk{refuse(has, status, code, "Checksums are not supported here.")}, checksumsIgnored...)
}

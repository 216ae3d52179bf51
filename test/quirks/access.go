package quirks

import (
	"net/http"
	"regexp"
	"strings"
)

// signs reports whether a request's signature covers a header, named in lower case.
func signs(name string) when {
	return func(x *exchange) bool {
		_, list, _ := strings.Cut(x.Header.Get("Authorization"), "SignedHeaders=")
		list, _, _ = strings.Cut(list, ",")
		for have := range strings.SplitSeq(list, ";") {
			if have == name {
				return true
			}
		}
		return false
	}
}

var hash = regexp.MustCompile(`^[0-9a-f]{64}$`)

func unsignedPayload(x *exchange) bool {
	return !hash.MatchString(x.Header.Get("X-Amz-Content-Sha256"))
}

// redirect redirects clients of 127.0.0.1 to another name of the same server.
func redirect(status int, code string) quirk {
	return func(next handler) handler {
		return func(w http.ResponseWriter, x *exchange) {
			if port, ok := strings.CutPrefix(x.Host, "127.0.0.1:"); ok {
				w.Header().Set("Location", "http://localhost:"+port+x.RequestURI)
				fail(w, status, code, "Please re-send this request to the specified temporary endpoint. Continue to use the original request endpoint for future requests.")
				return
			}
			next(w, x)
		}
	}
}

// region is the region of the bucket in modes with regions.
const region = "eu-west-1"

// elsewhere matches requests that are signed for another region.
func elsewhere(x *exchange) bool {
	return !strings.Contains(x.Header.Get("Authorization"), "/"+region+"/s3/")
}

func moved(next handler) handler {
	return func(w http.ResponseWriter, x *exchange) {
		if elsewhere(x) {
			w.Header().Set("X-Amz-Bucket-Region", region)
			fail(w, http.StatusMovedPermanently, "PermanentRedirect", "The bucket you are attempting to access must be addressed using the specified endpoint. Please send all future requests to this endpoint.")
			return
		}
		next(w, x)
	}
}

// versioned adds version IDs to answers, like a bucket with versioning.
func versioned(x *exchange, status int, h http.Header) {
	switch {
	case status >= 300:
	case x.operation == "DeleteObject":
		h.Set("X-Amz-Version-Id", "deleted."+x.Header.Get("Amz-Sdk-Invocation-Id"))
		h.Set("X-Amz-Delete-Marker", "true")
	case on("PutObject", "HeadObject", "GetObject")(x):
		h.Set("X-Amz-Version-Id", "v."+strings.Trim(h.Get("Etag"), `"`))
	}
}

// versionedWrite adds a version ID to the answer of a copy or an upload.
func versionedWrite(_ *exchange, a *answer) {
	if a.ok() {
		a.header.Set("X-Amz-Version-Id", "v."+strings.Trim(value(a.body, "ETag"), `"`))
	}
}

// dropVersion removes the version ID from requests, because the store has no versions.
func dropVersion(x *exchange) {
	setQuery(x, "versionId", "")
	if source, _, ok := strings.Cut(x.Header.Get("X-Amz-Copy-Source"), "?versionId="); ok {
		x.Header.Set("X-Amz-Copy-Source", source)
	}
}

var accessModes = []Mode{
	{Name: "accept-encoding-rewritten", Does: "Changes Accept-Encoding on the way, so that no signature may cover it.",
		Services: "Google Cloud Storage (aws-sdk-go-v2#1816, litestream#1386, vikunja#2920)",
		quirks:   []quirk{refuse(signs("accept-encoding"), 403, "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided.")}},
	{Name: "signed-payloads", Does: "Refuses payloads that are not signed.", Option: "--payload signed",
		Services: "bucket policies on s3:x-amz-content-sha256 (opentofu#1943, aws-cdk#24711)",
		quirks:   []quirk{refuse(unsignedPayload, 403, "AccessDenied", "Access Denied")}},
	{Name: "requester-pays", Does: "Refuses requests whose sender does not agree to pay.", Option: "--request-payer",
		Services: "Amazon S3 with Requester Pays (rclone#301)",
		quirks:   []quirk{refuse(func(x *exchange) bool { return x.Header.Get("X-Amz-Request-Payer") != "requester" }, 403, "AccessDenied", "Access Denied")}},
	{Name: "virtual-hosts-only", Does: "Wants the bucket in the host.", Option: "--path-style off",
		Services: "Tencent COS (gobackup#233), Alibaba OSS",
		quirks: []quirk{refuse(func(x *exchange) bool { return !x.virtual }, 403, "SecondLevelDomainForbidden",
			"The bucket you are attempting to access must be addressed using third level domain.")}},
	{Name: "redirect-307", Does: "Sends clients to another address with 307.",
		Services: "Amazon S3 for new buckets", quirks: []quirk{redirect(307, "TemporaryRedirect")}},
	{Name: "redirect-308", Does: "Sends clients to another address with 308.",
		Services: "several", quirks: []quirk{redirect(308, "PermanentRedirect")}},
	{Name: "redirect-301", Does: "Refuses requests for another region with 301, without an address.", Option: "--region " + region,
		Services: "Amazon S3", quirks: []quirk{moved}},
	{Name: "region-signed", Does: "Refuses requests that are signed for another region.", Option: "--region " + region,
		Services: "Garage, Google, Ceph",
		quirks: []quirk{refuse(elsewhere, 400, "AuthorizationHeaderMalformed",
			"The authorization header is malformed; the region 'us-east-1' is wrong; expecting '"+region+"'")}},
	{Name: "versioned", Does: "Keeps versions, and tells their names.",
		Services: "Amazon S3, MinIO", quirks: []quirk{request(always, dropVersion), changeHeader(always, versioned), change(on("CopyObject", "CompleteMultipartUpload"), versionedWrite)}},
	{Name: "no-content-md5", Does: "Refuses Content-MD5, but for DeleteObjects.",
		Services: "directory buckets of Amazon S3 (PutObject's documentation)",
		quirks:   []quirk{refuseHeader(not(deletesMany), 400, "InvalidRequest", "The header %s is not supported for this bucket.", "Content-Md5")}},
	{Name: "no-tags", Does: "Knows no tags.",
		Services: "directory buckets of Amazon S3, Backblaze B2 (s3proxy#34)",
		quirks: []quirk{refuseHeader(always, 501, "NotImplemented", notImplemented, "X-Amz-Tagging"),
			refuse(on("GETTagging", "PUTTagging"), 501, "NotImplemented", notImplemented)}},
	{Name: "expect-417", Does: "Refuses Expect: 100-continue with 417.",
		Services: "old proxies", quirks: []quirk{refuse(with("Expect"), 417, "", "")}},
}

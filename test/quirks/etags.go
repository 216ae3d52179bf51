package quirks

import (
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"html"
	"net/http"
	"strings"
	"sync"
)

// tags replaces the store's ETags in answers, and restores them in requests.
type tags struct {
	object   func(etag string) string // the ETag in answers for that of an object
	part     func(etag string, n int) string
	unquoted bool // in headers

	mu    sync.Mutex
	n     int               // number of parts so far
	real  map[string]string // the store's ETags, by those in answers
	parts map[string]string // ETags in answers, by upload and part number
}

// tagging returns the quirk. If part is nil, ETags of parts are replaced like those of objects.
func tagging(object func(string) string, part func(string, int) string, unquoted bool) quirk {
	return func(next handler) handler {
		t := &tags{object: object, part: part, unquoted: unquoted, real: make(map[string]string), parts: make(map[string]string)}
		return func(w http.ResponseWriter, x *exchange) { t.serve(w, x, next) }
	}
}

var etagRequests = []string{"If-Match", "If-None-Match", "X-Amz-Copy-Source-If-Match", "X-Amz-Copy-Source-If-None-Match"}

func (t *tags) serve(w http.ResponseWriter, x *exchange, next handler) {
	for _, name := range etagRequests {
		if list := x.Header.Get(name); list != "" && list != "*" {
			x.Header.Set(name, `"`+t.find(list)+`"`)
		}
	}
	if on("CompleteMultipartUpload", "DeleteObjects")(x) {
		x.setBody(replace(x.body(), "ETag", func(s string) string { return `"` + t.find(html.UnescapeString(s)) + `"` }))
	}
	if x.operation == "GetObject" {
		changeHeader(always, func(_ *exchange, _ int, h http.Header) { t.showHeader(h, t.show) })(next)(w, x)
		return
	}
	a := record(next, x)
	show := t.show
	if on("UploadPart", "UploadPartCopy")(x) && a.ok() && t.part != nil {
		show = func(etag string) string { return t.showPart(x, etag) }
	}
	t.showHeader(a.header, show)
	if x.operation == "ListParts" && t.part != nil {
		a.body = replace(a.body, "Part", func(p string) string {
			id := x.URL.Query().Get("uploadId") + "/" + value(p, "PartNumber")
			t.mu.Lock()
			defer t.mu.Unlock()
			return replace(p, "ETag", func(string) string { return "&quot;" + t.parts[id] + "&quot;" })
		})
	} else {
		a.body = replace(a.body, "ETag", func(s string) string {
			return "&quot;" + show(strings.Trim(html.UnescapeString(s), `"`)) + "&quot;"
		})
	}
	a.send(w, x)
}

// find returns the store's ETag for one in an answer, or an ETag that does not exist.
func (t *tags) find(shown string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if etag, ok := t.real[strings.Trim(shown, `" `)]; ok {
		return etag
	}
	return "00000000000000000000000000000000"
}

func (t *tags) show(etag string) string {
	shown := t.object(etag)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.real[shown] = etag
	return shown
}

func (t *tags) showPart(x *exchange, etag string) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.n++
	shown := t.part(etag, t.n)
	q := x.URL.Query()
	t.real[shown], t.parts[q.Get("uploadId")+"/"+q.Get("partNumber")] = etag, shown
	return shown
}

func (t *tags) showHeader(h http.Header, show func(string) string) {
	if etag := h.Get("Etag"); etag != "" {
		etag = show(strings.Trim(etag, `"`))
		if !t.unquoted {
			etag = `"` + etag + `"`
		}
		h.Set("Etag", etag)
	}
}

// opaque returns an ETag that is not a digest of the content. It keeps the suffix with the number of parts.
func opaque(etag string) string {
	sum := sha1.Sum([]byte("opaque " + etag))
	shown := hex.EncodeToString(sum[:16])
	if _, n, ok := strings.Cut(etag, "-"); ok {
		shown += "-" + n
	}
	return shown
}

func opaquePart(etag string, n int) string { return opaque(fmt.Sprint(etag, n)) }

// alphanumeric returns an ETag that is not hexadecimal.
func alphanumeric(etag string) string {
	return "Z" + strings.NewReplacer("a", "q", "b", "r", "c", "s", "-", "x").Replace(opaque(etag))
}

func isMultipart(etag string) bool { return strings.Contains(etag, "-") }

var etagModes = []Mode{
	{Name: "opaque-etags", Does: "Has ETags that are no MD5, and another for each part, whatever it holds.",
		Services: "Cloudflare R2 (s3fs-fuse#2095), Amazon S3 with SSE-KMS", quirks: []quirk{tagging(opaque, opaquePart, false)}},
	{Name: "alphanumeric-etags", Does: "Has ETags that are no MD5, and not hexadecimal either.",
		Services: "directory buckets of Amazon S3 (its documentation of ETags)",
		quirks:   []quirk{tagging(alphanumeric, func(e string, n int) string { return alphanumeric(fmt.Sprint(e, n)) }, false)}},
	{Name: "upper-case-etags", Does: "Has MD5 ETags in upper case.",
		Services: "Alibaba OSS", quirks: []quirk{tagging(strings.ToUpper, nil, false)}},
	{Name: "etags-without-quotes", Does: "Has no quotes around the ETags in headers.",
		Services: "several, among them old versions of SwiftStack and Huawei OBS", quirks: []quirk{tagging(func(e string) string { return e }, nil, true)}},
	{Name: "complete-etag-00", Does: "Answers CompleteMultipartUpload with the ETag 00.",
		Services: "Dell ECS (irods_resource_plugin_s3#1924)",
		quirks: []quirk{change(on("CompleteMultipartUpload"), func(_ *exchange, a *answer) {
			a.body = replace(a.body, "ETag", func(string) string { return "00" })
		})}},
}

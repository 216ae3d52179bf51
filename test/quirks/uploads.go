package quirks

import (
	"html"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const smallestPart = 5 << 20

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

func unescape(s string) string {
	text, err := url.QueryUnescape(s)
	if err != nil {
		return s
	}
	return text
}

// listed returns the part numbers of a CompleteMultipartUpload.
func listed(x *exchange) (numbers []int64) {
	for _, n := range elements(x.body(), "PartNumber") {
		numbers = append(numbers, number(n))
	}
	return numbers
}

// onComplete refuses CompleteMultipartUpload if refused returns a reason.
func onComplete(code, message string, refused func(x *exchange) bool) quirk {
	return refuse(on("CompleteMultipartUpload").and(refused), 400, code, message)
}

// gaps reports whether the part numbers are not 1, 2, 3 and so on.
func gaps(x *exchange) bool {
	for i, n := range listed(x) {
		if n != int64(i+1) {
			return true
		}
	}
	return false
}

// partSizes are the sizes of the parts received, by upload and number.
type partSizes struct {
	mu    sync.Mutex
	sizes map[string]map[int64]int64
}

// watchParts records the sizes of parts, and refuses CompleteMultipartUpload if wrong reports so.
func watchParts(code, message string, wrong func(listed []int64, sizes map[int64]int64) bool) quirk {
	return func(next handler) handler {
		p := &partSizes{sizes: make(map[string]map[int64]int64)}
		next = onComplete(code, message, func(x *exchange) bool {
			p.mu.Lock()
			defer p.mu.Unlock()
			return wrong(listed(x), p.sizes[x.URL.Query().Get("uploadId")])
		})(next)
		return func(w http.ResponseWriter, x *exchange) {
			if on("UploadPart", "UploadPartCopy")(x) {
				p.note(x, partSize(next, x))
			}
			next(w, x)
		}
	}
}

// partSize returns the size of a part that is sent or copied.
func partSize(next handler, x *exchange) int64 {
	if x.operation == "UploadPart" {
		return x.ContentLength
	}
	if first, last, ok := strings.Cut(strings.TrimPrefix(x.Header.Get("X-Amz-Copy-Source-Range"), "bytes="), "-"); ok {
		return number(last) - number(first) + 1
	}
	_, key, _ := strings.Cut(strings.TrimPrefix(x.Header.Get("X-Amz-Copy-Source"), "/"), "/")
	return number(subrequest(next, x, "HEAD", unescape(key)).header.Get("Content-Length"))
}

func (p *partSizes) note(x *exchange, size int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	q := x.URL.Query()
	id := q.Get("uploadId")
	if p.sizes[id] == nil {
		p.sizes[id] = make(map[int64]int64)
	}
	p.sizes[id][number(q.Get("partNumber"))] = size
}

// unequal reports whether parts before the last differ in size.
func unequal(listed []int64, sizes map[int64]int64) bool {
	for _, n := range listed[:max(0, len(listed)-1)] {
		if sizes[n] != sizes[listed[0]] {
			return true
		}
	}
	return len(listed) > 1 && sizes[listed[len(listed)-1]] > sizes[listed[0]]
}

// unlisted reports whether parts were sent that are not listed.
func unlisted(listed []int64, sizes map[int64]int64) bool {
	for n := range sizes {
		if !slices.Contains(listed, n) {
			return true
		}
	}
	return false
}

var partModes = []Mode{
	{Name: "consecutive-parts", Does: "Completes only parts that are numbered from 1 without a gap.",
		Services: "Amazon S3 where parts have checksums, and directory buckets (CompletedPart's documentation, tusd#1315)",
		quirks:   []quirk{onComplete("InvalidPartOrder", "The list of parts was not in ascending order. The parts list must be specified in order by part number.", gaps)}},
	{Name: "at-most-1000-parts", Does: "Takes part numbers up to 1,000.", Option: "--max-parts 1000",
		Services: "Scaleway (its documentation)",
		quirks: []quirk{refuse(on("UploadPart", "UploadPartCopy").and(func(x *exchange) bool { return number(x.URL.Query().Get("partNumber")) > 1000 }),
			400, "InvalidArgument", "Part number must be an integer between 1 and 1000, inclusive")}},
	{Name: "equal-parts", Does: "Completes only parts of one size, but for the last.", Option: "--uniform-parts on",
		Services: "Cloudflare R2 (its documentation)",
		quirks:   []quirk{watchParts("InvalidPart", "All non-trailing parts must have the same length.", unequal)}},
	{Name: "unlisted-parts-refused", Does: "Completes an upload only if all parts that were sent are listed.", Option: "--resume 0",
		Services: "none that is known; documents of several leave it open",
		quirks:   []quirk{watchParts("InvalidPart", "Parts were uploaded that are not listed.", unlisted)}},
}

// blanks begins the answer to CompleteMultipartUpload at once, and sends white space until it is complete.
func blanks(edit func(x *exchange, a *answer)) quirk {
	return func(next handler) handler {
		return func(w http.ResponseWriter, x *exchange) {
			if x.operation != "CompleteMultipartUpload" {
				next(w, x)
				return
			}
			a := record(next, x)
			if edit(x, a); a.status != http.StatusOK {
				a.send(w, x)
				return
			}
			w.Header().Set("Content-Type", "application/xml")
			w.WriteHeader(http.StatusOK)
			_, document, found := strings.Cut(a.body, "?>")
			if !found {
				document = a.body
			}
			for _, piece := range []string{`<?xml version="1.0" encoding="UTF-8"?>` + "\n", " ", " \n ", document} {
				w.Write([]byte(piece))
				http.NewResponseController(w).Flush()
			}
		}
	}
}

// A history has the time at which the current state of each key began. For an upload that is its initiation.
type history struct {
	mu      sync.Mutex
	now     int64
	changed map[string]int64 // by key, including deleted ones
	begun   map[string]int64 // by upload
}

// change records that keys were written or deleted.
func (h *history) change(keys ...string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now++
	for _, key := range keys {
		h.changed[key] = h.now
	}
}

// begin records that an upload was initiated.
func (h *history) begin(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.now++
	h.begun[id] = h.now
}

// hides reports whether the current state of a key began after an upload was initiated.
func (h *history) hides(key, id string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.changed[key] > h.begun[id]
}

// complete records that an upload is the current object.
func (h *history) complete(key, id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changed[key] = h.begun[id]
}

// hide completes an upload without making it the current object if its key was written or deleted since its initiation.
func hide(next handler) handler {
	h := &history{changed: make(map[string]int64), begun: make(map[string]int64)}
	return func(w http.ResponseWriter, x *exchange) {
		id := x.URL.Query().Get("uploadId")
		if x.operation == "CompleteMultipartUpload" && h.hides(x.key, id) {
			completeHidden(next, w, x)
			return
		}
		var keys []string
		if x.operation == "DeleteObjects" {
			for _, k := range elements(x.body(), "Key") {
				keys = append(keys, html.UnescapeString(k))
			}
		}
		if !changing(x) {
			next(w, x)
			return
		}
		a := record(next, x)
		if a.ok() {
			switch x.operation {
			case "CreateMultipartUpload":
				h.begin(value(a.body, "UploadId"))
			case "PutObject", "CopyObject", "DeleteObject":
				h.change(x.key)
			case "DeleteObjects":
				h.change(keys...)
			case "CompleteMultipartUpload":
				h.complete(x.key, id)
			}
		}
		a.send(w, x)
	}
}

// completeHidden completes an upload, and then restores the previous object.
func completeHidden(next handler, w http.ResponseWriter, x *exchange) {
	kept := subrequest(next, x, "GET", x.key)
	a := record(next, x) // with its conditions, which S3 checks
	if a.ok() {
		restore(next, x, kept)
	}
	a.send(w, x)
}

// restore restores the previous object.
func restore(next handler, x *exchange, kept *answer) {
	bucket, _, _ := strings.Cut(strings.TrimPrefix(x.URL.Path, "/"), "/")
	method := http.MethodPut
	if !kept.ok() {
		method, kept.body = http.MethodDelete, ""
	}
	r, _ := http.NewRequestWithContext(x.Context(), method, "http://store/", strings.NewReader(kept.body))
	r.URL.Path = "/" + bucket + "/" + x.key
	for name, values := range kept.header {
		if name == "Content-Type" || strings.HasPrefix(name, "X-Amz-Meta-") {
			r.Header[name] = values
		}
	}
	r.RequestURI = r.URL.RequestURI()
	record(next, &exchange{Request: r, operation: "PutObject", key: x.key})
}

// dateFromInitiation sets the time of an object to the initiation of its upload.
func dateFromInitiation(next handler) handler {
	var (
		mu    sync.Mutex
		begun = make(map[string]time.Time) // by upload
		dates = make(map[string]time.Time) // by key
	)
	show := changeHeader(on("HeadObject", "GetObject"), func(x *exchange, status int, h http.Header) {
		mu.Lock()
		defer mu.Unlock()
		if t, ok := dates[x.key]; ok && status < 300 && isMultipart(h.Get("Etag")) {
			h.Set("Last-Modified", t.UTC().Format(http.TimeFormat))
		}
	})(next)
	return func(w http.ResponseWriter, x *exchange) {
		switch x.operation {
		case "CreateMultipartUpload":
			a := record(next, x)
			mu.Lock()
			begun[value(a.body, "UploadId")] = time.Now()
			mu.Unlock()
			a.send(w, x)
		case "CompleteMultipartUpload":
			a := record(next, x)
			if a.ok() {
				mu.Lock()
				dates[x.key] = begun[x.URL.Query().Get("uploadId")]
				mu.Unlock()
			}
			a.send(w, x)
		default:
			show(w, x)
		}
	}
}

var completeModes = []Mode{
	{Name: "complete-with-blanks", Does: "Begins the answer to CompleteMultipartUpload at once, and sends white space until it is done.",
		Services: "Amazon S3, MinIO", quirks: []quirk{blanks(func(*exchange, *answer) {})}},
	{Name: "complete-errors-in-200", Does: "Answers CompleteMultipartUpload with 200 and white space before it knows of an error, and tells that then.",
		Services: "MinIO, where it takes long", quirks: []quirk{blanks(func(_ *exchange, a *answer) { a.status = http.StatusOK })}},
	{Name: "complete-error-in-200", Does: "Answers the first try of CompleteMultipartUpload with 200, white space and InternalError.",
		Services: "Amazon S3 (CompleteMultipartUpload's documentation)",
		quirks: []quirk{func(next handler) handler {
			fails := blanks(func(_ *exchange, a *answer) {
				*a = answer{200, nil, strings.Replace(slowDown, "SlowDown", "InternalError", 1)}
			})(
				func(http.ResponseWriter, *exchange) {})
			return func(w http.ResponseWriter, x *exchange) {
				if x.operation == "CompleteMultipartUpload" && x.first {
					fails(w, x)
					return
				}
				next(w, x)
			}
		}}},
	{Name: "complete-hidden", Does: "Answers CompleteMultipartUpload with 200 where the key was written or deleted since the upload began, and that stands.",
		Services: "Amazon S3 with and without versions (mpuoverview, \"Concurrent multipart upload operations\")", quirks: []quirk{hide}},
	{Name: "date-from-initiation", Does: "Dates an object by when its upload began.",
		Services: "Amazon S3 (its documentation of system metadata)", quirks: []quirk{dateFromInitiation}},
}

var uploadListModes = []Mode{
	{Name: "uploads-403", Does: "Does not allow ListMultipartUploads.", Option: "",
		Services: "policies without s3:ListBucketMultipartUploads", quirks: []quirk{refuse(on("ListMultipartUploads"), 403, "AccessDenied", "Access Denied")}},
	{Name: "uploads-400", Does: "Refuses ListMultipartUploads with 400.",
		Services: "storj (edge#207)", quirks: []quirk{refuse(on("ListMultipartUploads"), 400, "InvalidArgument", "Invalid Argument")}},
	{Name: "uploads-501", Does: "Does not know ListMultipartUploads.",
		Services: "several", quirks: []quirk{refuse(on("ListMultipartUploads"), 501, "NotImplemented", notImplemented)}},
	{Name: "parts-403", Does: "Does not allow ListParts.",
		Services: "policies without s3:ListMultipartUploadParts", quirks: []quirk{refuse(on("ListParts"), 403, "AccessDenied", "Access Denied")}},
	{Name: "parts-501", Does: "Does not know ListParts.",
		Services: "several", quirks: []quirk{refuse(on("ListParts"), 501, "NotImplemented", notImplemented)}},
}

package s3fs

import (
	"bytes"
	"cmp"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// A fake is an S3 service in memory, without sockets, with the operations that an upload needs.
type fake struct {
	t       *testing.T
	fault   func(r *http.Request, call string) (*http.Response, error) // instead of an answer, if it returns one
	mu      sync.Mutex
	objects map[string]int64 // sizes
	parts   map[int]int64
	tags    map[int]string          // ETags of the parts
	etag    func(md5 string) string // returns the ETag for the MD5 of a part; nil = the MD5
	open    bool                    // a multipart upload is open; only one at a time can be
	begun   time.Time
	calls   []string // in the order of their coming
	hosts   []string
	headers []http.Header
	bodies  []string // of calls that have XML
	copies  sync.Map // keys, as a listing shows them
}

func newFake(t *testing.T) *fake {
	return &fake{t: t, objects: make(map[string]int64), parts: make(map[int]int64), tags: make(map[int]string)}
}

// fs returns an FS in a bucket of the fake. Failed uploads are aborted, unless o.Resume is set.
func (s *fake) fs(o Options) *FS {
	o.Bucket, o.Resume = "b", cmp.Or(o.Resume, -1)
	return NewFS(dial(s.t, Config{Endpoint: "http://fake", Credentials: keys("a", "s"), HTTPClient: s, MaxBackoff: time.Millisecond}), o)
}

func (s *fake) Do(r *http.Request) (*http.Response, error) {
	call := name(r)
	var body []byte
	size := r.ContentLength
	if r.Body != nil {
		var err error
		if body, err = io.ReadAll(r.Body); err != nil {
			return nil, err
		}
		if int64(len(body)) != size {
			s.t.Errorf("%s: %d bytes of %d", call, len(body), size)
		}
	}
	s.mu.Lock()
	s.calls = append(s.calls, call)
	s.hosts = append(s.hosts, r.URL.Host)
	s.headers = append(s.headers, r.Header.Clone())
	s.bodies = append(s.bodies, "")
	if strings.HasPrefix(string(body), "<") {
		s.bodies[len(s.bodies)-1] = string(body)
	}
	s.mu.Unlock()
	if s.fault != nil {
		if resp, err := s.fault(r, call); resp != nil || err != nil {
			return withLength(resp, call), err
		}
	}
	if sum := r.Header.Get("x-amz-checksum-crc32c"); sum != "" && call != "Complete" && sum != crcText(body) {
		return refusal(400, "BadDigest", "checksum of the body"), nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.answer(r, call, body), nil
}

func (s *fake) answer(r *http.Request, call string, body []byte) *http.Response {
	object, size := r.URL.Path, int64(len(body))
	switch call {
	case "Put":
		s.objects[object] = size
		return tagged("x")
	case "Create":
		s.open, s.begun = true, time.Now()
		clear(s.parts)
		return response(200, "<R><UploadId>id</UploadId></R>")
	case "Complete":
		if !s.open {
			return refusal(404, "NoSuchUpload", "")
		}
		s.open = false
		s.objects[object] = 0
		for i, n := range s.parts {
			if strings.Contains(string(body), fmt.Sprintf("<PartNumber>%d<", i)) {
				s.objects[object] += n
			}
		}
		return response(200, "<R><ETag>x</ETag></R>")
	case "DeleteMany":
		return response(200, s.deletedXML())
	case "Delete":
		return response(204, "")
	case "Abort":
		s.open = false
		return response(204, "")
	case "List":
		return response(200, "<ListBucketResult></ListBucketResult>")
	case "ListUploads":
		return response(200, s.uploadsXML())
	case "ListParts":
		if !s.open {
			return refusal(404, "NoSuchUpload", "")
		}
		return response(200, s.partsXML())
	case "Head":
		size, ok := s.objects[object]
		if !ok {
			return response(404, "")
		}
		resp := response(200, "")
		resp.Header.Set("Content-Length", strconv.FormatInt(size, 10))
		resp.Header.Set("ETag", `"9f2b2cd5e2f6d4b1f4a5d6a1b1cfe5d0-2"`)
		return resp
	default: // a part
		if !s.open {
			return refusal(404, "NoSuchUpload", "")
		}
		n, _ := strconv.Atoi(strings.TrimPrefix(call, "Part "))
		s.parts[n] = size
		s.tags[n] = fmt.Sprintf("%032x", md5.Sum(body))
		if s.etag != nil {
			s.tags[n] = s.etag(s.tags[n])
		}
		return tagged(s.tags[n])
	}
}

// deletedXML returns the answer to the last DeleteObjects, with all its keys deleted.
func (s *fake) deletedXML() string {
	keys := strings.ReplaceAll(s.bodies[len(s.bodies)-1], "<Object>", "<Deleted>")
	_, keys, _ = strings.Cut(strings.ReplaceAll(keys, "</Object>", "</Deleted>"), ">")
	return "<DeleteResult>" + strings.Replace(keys, "</Delete>", "</DeleteResult>", 1)
}

func (s *fake) uploadsXML() string {
	if !s.open {
		return "<R><IsTruncated>false</IsTruncated></R>"
	}
	return fmt.Sprintf("<R><Upload><Key>f</Key><UploadId>id</UploadId><Initiated>%s</Initiated></Upload></R>", s.begun.UTC().Format(time.RFC3339))
}

func (s *fake) partsXML() string {
	var b strings.Builder
	for _, n := range slices.Sorted(maps.Keys(s.parts)) {
		fmt.Fprintf(&b, "<Part><PartNumber>%d</PartNumber><Size>%d</Size><ETag>&quot;%s&quot;</ETag></Part>", n, s.parts[n], s.tags[n])
	}
	return "<R><UploadId>id</UploadId>" + b.String() + "</R>"
}

// shortNames are the names of operations in tests.
var shortNames = map[string]string{
	"ListObjectsV2":           "List",
	"ListMultipartUploads":    "ListUploads",
	"GetObject":               "Get",
	"HeadObject":              "Head",
	"PutObject":               "Put",
	"CopyObject":              "Copy",
	"DeleteObject":            "Delete",
	"DeleteObjects":           "DeleteMany",
	"CreateMultipartUpload":   "Create",
	"CompleteMultipartUpload": "Complete",
	"AbortMultipartUpload":    "Abort",
}

// name returns the short name of a request's operation, for a part with its number.
func name(r *http.Request) string {
	op := real.Operation(r)
	switch number := r.URL.Query().Get("partNumber"); op {
	case "UploadPart":
		return "Part " + number
	case "UploadPartCopy":
		return "PartCopy " + number
	}
	return cmp.Or(shortNames[op], op)
}

func response(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
}

// dated returns an answer of a service without ETags to a GET request.
func dated(body string) *http.Response {
	resp := response(200, body)
	resp.Header.Set("Last-Modified", "Sun, 13 Sep 2020 12:26:40 GMT")
	return resp
}

// withLength adds the object's length to an answer to HEAD, as S3 always does. lengthless returns one without it.
func withLength(resp *http.Response, call string) *http.Response {
	const header = "Content-Length"
	if resp == nil || call != "Head" || resp.StatusCode != http.StatusOK || resp.ContentLength < 0 || resp.Header.Get(header) != "" {
		return resp
	}
	full := *resp // a test may give one answer to several requests
	full.Header = resp.Header.Clone()
	full.Header.Set(header, strconv.FormatInt(resp.ContentLength, 10))
	return &full
}

// tagged returns an answer with an ETag, which is required as a confirmation.
func tagged(etag string) *http.Response {
	resp := response(200, "")
	resp.Header.Set("ETag", `"`+etag+`"`)
	return resp
}

func refusal(status int, code, message string) *http.Response {
	var text bytes.Buffer
	xml.EscapeText(&text, []byte(message))
	return response(status, fmt.Sprintf("<Error><Code>%s</Code><Message>%s</Message><RequestId>R1</RequestId></Error>", code, text.String()))
}

func crcText(b []byte) string {
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc32.Checksum(b, castagnoli)))
}

// silentFrom makes the service send no more answers, from the first call of that name.
func (s *fake) silentFrom(first string) {
	var silent atomic.Bool
	s.fault = func(_ *http.Request, call string) (*http.Response, error) {
		if call == first {
			silent.Store(true)
		}
		if silent.Load() {
			return nil, errors.New("connection reset by peer")
		}
		return nil, nil
	}
}

// checkCalls checks the calls so far, in any order. A call may have a count, as in "Part 1 x3".
func (s *fake) checkCalls(want ...string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	count := make(map[string]int)
	for _, c := range s.calls {
		count[c]++
	}
	var got []string
	for c, n := range count {
		if n > 1 {
			c = fmt.Sprintf("%s x%d", c, n)
		}
		got = append(got, c)
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		s.t.Errorf("requests %q, want %q", got, want)
	}
}

// header returns a header of the call of that name, which must be the only one.
func (s *fake) header(call, header string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i := slices.Index(s.calls, call); i >= 0 {
		return s.headers[i].Get(header)
	}
	return "no such call"
}

// count returns the number of requests of a name so far. A clean-up in the background may send more meanwhile.
func (s *fake) count(call string) (n int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.calls {
		if c == call {
			n++
		}
	}
	return n
}

// requests returns the names of the requests so far, in order. A clean-up in the background may send more meanwhile.
func (s *fake) requests() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// forget resets requests and count.
func (s *fake) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = nil
}

// sentHeaders returns the headers of the requests so far.
func (s *fake) sentHeaders() []http.Header {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.headers)
}

// requestHosts returns the hosts of the requests so far.
func (s *fake) requestHosts() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.hosts)
}

// sent returns the XML documents of the requests so far, "" for requests without one.
func (s *fake) sent() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.bodies)
}

func (s *fake) lastSent() string {
	sent := s.sent()
	return sent[len(sent)-1]
}

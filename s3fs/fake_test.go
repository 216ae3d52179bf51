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
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// fake is as much of an S3 service as an upload needs, in memory and without sockets.
type fake struct {
	t       *testing.T
	fault   func(r *http.Request, call string) (*http.Response, error) // instead of an answer, if it returns one
	mu      sync.Mutex
	objects map[string]int64 // sizes
	parts   map[int]int64
	tags    map[int]string // ETags of the parts
	open    bool           // the upload, of which there is one at a time
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

// fs returns an FS in a bucket of the fake's. Broken uploads are ended, unless it is said otherwise.
func (s *fake) fs(o Options) *FS {
	o.Bucket, o.Resume = "b", cmp.Or(o.Resume, -1)
	return New(dial(s.t, Service{Endpoint: "http://fake", Credentials: keys("a", "s"), HTTPClient: s}), o)
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
			return resp, err
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
		return response(200, "<R></R>")
	case "Abort":
		s.open = false
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
		return tagged(s.tags[n])
	}
	return response(200, "")
}

func (s *fake) uploadsXML() string {
	if !s.open {
		return "<R></R>"
	}
	return fmt.Sprintf("<R><Upload><Key>f</Key><UploadId>id</UploadId><Initiated>%s</Initiated></Upload></R>", s.begun.UTC().Format(time.RFC3339))
}

func (s *fake) partsXML() string {
	var b strings.Builder
	for _, n := range slices.Sorted(maps.Keys(s.parts)) {
		fmt.Fprintf(&b, "<Part><PartNumber>%d</PartNumber><Size>%d</Size><ETag>&quot;%s&quot;</ETag></Part>", n, s.parts[n], s.tags[n])
	}
	return "<R>" + b.String() + "</R>"
}

// shortNames are those of operations.
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

// name returns what a request asks for, in a word; a part has its number behind it.
func name(r *http.Request) string {
	op := real.Operation(r)
	if strings.HasPrefix(op, "UploadPart") {
		return "Part " + r.URL.Query().Get("partNumber")
	}
	return cmp.Or(shortNames[op], op)
}

func response(status int, body string) *http.Response {
	return &http.Response{StatusCode: status, Header: http.Header{}, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body))}
}

// tagged is an answer with an ETag, without which nothing is confirmed.
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

// silentFrom makes the service answer nothing any more, from the first call of that name on.
func (s *fake) silentFrom(first string) {
	silent := false
	s.fault = func(_ *http.Request, call string) (*http.Response, error) {
		if silent = silent || call == first; silent {
			return nil, errors.New("connection reset by peer")
		}
		return nil, nil
	}
}

// made checks which calls were made, in any order; a call can be counted, as in "Part 101 x3".
func (s *fake) made(want ...string) {
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

// header returns a header of the only call of that name.
func (s *fake) header(call, header string) string {
	if i := slices.Index(s.calls, call); i >= 0 {
		return s.headers[i].Get(header)
	}
	return "no such call"
}

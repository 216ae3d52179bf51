package bench

import (
	"encoding/xml"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// A nullS3 is an S3 server without authentication that stores only the sizes of objects. An object whose name ends in a
// hyphen and a number, such as "file-1024", always exists, with that many bytes. A prefix that ends in a hyphen, a number
// and a slash, such as "list-10000/", has that many objects. Other prefixes have the objects that clients have put.
type nullS3 struct {
	mu      sync.Mutex
	sizes   map[string]int64 // of objects, by path
	uploads map[string]int64 // bytes of open multipart uploads, by ID
	buffers sync.Pool        // of *[]byte, for bodies
}

func newNullS3() *nullS3 {
	return &nullS3{sizes: make(map[string]int64), uploads: make(map[string]int64), buffers: sync.Pool{New: func() any {
		b := make([]byte, 512<<10)
		return &b
	}}}
}

// etag is the ETag of all objects and parts. It is not an MD5, so that clients do not compare it with one.
const etag = `"null"`

// ServeHTTP implements http.Handler.
func (s *nullS3) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	q := r.URL.Query()
	w.Header().Set("Server", "null")
	switch {
	case r.Method == http.MethodPut:
		s.put(w, r, q.Get("uploadId"))
	case r.Method == http.MethodPost && q.Has("uploads"):
		s.create(w)
	case r.Method == http.MethodPost:
		s.complete(w, r, q.Get("uploadId"))
	case r.Method == http.MethodDelete:
		s.delete(w, r.URL.Path)
	case q.Has("uploads"):
		respond(w, "ListMultipartUploadsResult", "<IsTruncated>false</IsTruncated>")
	case q.Get("list-type") == "2":
		s.list(w, r.URL.Path, q)
	default:
		s.get(w, r)
	}
}

func respond(w http.ResponseWriter, element, content string) {
	w.Header().Set("Content-Type", "application/xml")
	text := xml.Header + "<" + element + ">" + content + "</" + element + ">"
	w.Header().Set("Content-Length", strconv.Itoa(len(text)))
	io.WriteString(w, text)
}

// put reads the content of an object or of a part.
func (s *nullS3) put(w http.ResponseWriter, r *http.Request, upload string) {
	buffer := s.buffers.Get().(*[]byte)
	n, err := io.CopyBuffer(struct{ io.Writer }{io.Discard}, r.Body, *buffer) // io.Discard alone reads 8 KiB at a time
	s.buffers.Put(buffer)
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if upload != "" {
		s.uploads[upload] += n
	} else {
		s.sizes[r.URL.Path] = n
	}
	w.Header().Set("ETag", etag)
}

func (s *nullS3) create(w http.ResponseWriter) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := fmt.Sprint("upload-", len(s.uploads))
	s.uploads[id] = 0
	respond(w, "InitiateMultipartUploadResult", "<UploadId>"+id+"</UploadId>")
}

func (s *nullS3) complete(w http.ResponseWriter, r *http.Request, upload string) {
	io.Copy(io.Discard, r.Body)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sizes[r.URL.Path] = s.uploads[upload]
	respond(w, "CompleteMultipartUploadResult", "<ETag>&quot;null-1&quot;</ETag>")
}

func (s *nullS3) delete(w http.ResponseWriter, path string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sizes, path)
	w.WriteHeader(http.StatusNoContent)
}

// size returns the size of an object.
func (s *nullS3) size(path string) (int64, bool) {
	if n, err := strconv.ParseInt(path[strings.LastIndexByte(path, '-')+1:], 10, 64); err == nil {
		return n, true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.sizes[path]
	return n, ok
}

// get sends an object of zeros, or its header.
func (s *nullS3) get(w http.ResponseWriter, r *http.Request) {
	size, ok := s.size(r.URL.Path)
	if !ok {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	w.Header().Set("ETag", etag)
	w.Header().Set("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
	var first, last int64
	switch n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &first, &last); {
	case n == 0:
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
	default:
		if n == 1 || last >= size {
			last = size - 1
		}
		w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", first, last, size))
		size = last - first + 1
		w.Header().Set("Content-Length", strconv.FormatInt(size, 10))
		w.WriteHeader(http.StatusPartialContent)
	}
	if r.Method == http.MethodHead {
		return
	}
	for size > 0 {
		n, err := w.Write(zeros[:min(size, int64(len(zeros)))])
		if err != nil {
			return
		}
		size -= int64(n)
	}
}

var zeros = make([]byte, 512<<10)

// pageSize is the number of keys in a page of a listing, as in S3.
const pageSize = 1000

// list sends a page of a listing. The continuation token is the number of its first entry.
func (s *nullS3) list(w http.ResponseWriter, bucket string, q url.Values) {
	prefix := q.Get("prefix")
	total, entry := made(prefix)
	if total < 0 {
		entries := s.entries(strings.TrimSuffix(bucket, "/")+"/", prefix, q.Get("delimiter"))
		total, entry = len(entries), func(i int) string { return entries[i] }
	}
	first, _ := strconv.Atoi(q.Get("continuation-token"))
	end := min(first+pageSize, total)
	var b strings.Builder
	for i := first; i < end; i++ {
		b.WriteString(entry(i))
	}
	if end < total {
		fmt.Fprintf(&b, "<IsTruncated>true</IsTruncated><NextContinuationToken>%d</NextContinuationToken>", end)
	} else {
		b.WriteString("<IsTruncated>false</IsTruncated>")
	}
	respond(w, "ListBucketResult", b.String())
}

// made returns the number of objects that a prefix such as "list-10000/" always has, and their entries; -1 for other prefixes.
func made(prefix string) (int, func(int) string) {
	name, isDir := strings.CutSuffix(prefix, "/")
	hyphen := strings.LastIndexByte(name, '-')
	total, err := strconv.Atoi(name[hyphen+1:])
	if !isDir || hyphen < 0 || err != nil {
		return -1, nil
	}
	return total, func(i int) string { return contents(fmt.Sprintf("%sfile-%07d", prefix, i), 1) }
}

// entries returns the entries of the stored objects with a prefix, sorted. Keys with the delimiter after the prefix are grouped.
func (s *nullS3) entries(bucket, prefix, delimiter string) (entries []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	group := ""
	for _, path := range slices.Sorted(maps.Keys(s.sizes)) {
		key, inBucket := strings.CutPrefix(path, bucket)
		rest, found := strings.CutPrefix(key, prefix)
		if !inBucket || !found {
			continue
		}
		if before, _, grouped := strings.Cut(rest, delimiter); delimiter == "" || !grouped {
			entries = append(entries, contents(key, s.sizes[path]))
		} else if dir := prefix + before + delimiter; dir != group {
			group = dir
			entries = append(entries, "<CommonPrefixes><Prefix>"+dir+"</Prefix></CommonPrefixes>")
		}
	}
	return entries
}

// contents returns the entry of an object. The names of the benchmarks need no escaping.
func contents(key string, size int64) string {
	return fmt.Sprintf("<Contents><Key>%s</Key><LastModified>%s</LastModified><ETag>&quot;null&quot;</ETag><Size>%d</Size>"+
		"<StorageClass>STANDARD</StorageClass></Contents>", key, modified, size)
}

var modified = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).Format(time.RFC3339)

package ack

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/s3ftpd/s3ftpd/test/faults"
	"github.com/s3ftpd/s3ftpd/test/real"
)

// An arm is a fault that is armed for a request of s3ftpd to S3.
type arm struct {
	op    string // of S3
	key   string // of the object, or the source of a copy; a directory's name stands for all below it
	kind  kind
	times int
	part  int           // of an upload, 0 = any
	gate  gate          // of kinds that delay something
	limit time.Duration // of the gate, 0 = holdLimit
	hit   *event        // a request has triggered the fault
	over  *event        // the fault is over

	hits int
}

// A kind of fault between the bridge and S3.
type kind string

const (
	cutBefore   kind = "reset before the request"
	cutIn       kind = "reset in the request"
	lostAnswer  kind = "reset instead of the answer"
	busy        kind = "503"
	failed      kind = "500"
	failedAfter kind = "500 after it was done"
	denied      kind = "403"
	empty       kind = "empty 200"
	emptyAfter  kind = "empty 200 after it was done"
	html        kind = "200 with HTML"
	errorIn200  kind = "200 with an error"
	deniedIn200 kind = "200 with a final error"
	silent      kind = "silence"
	silentAfter kind = "silence after it was done"
	hold        kind = "held before it is done"
	holdAnswer  kind = "held after it was done"
	slowCopy    kind = "copied slowly"
	broken      kind = "content broken off"
)

// hides reports whether the answer hides from s3ftpd that the request was executed.
func (k kind) hides() bool {
	return slices.Contains([]kind{lostAnswer, failedAfter, emptyAfter, silentAfter}, k)
}

// holds reports whether the kind only delays requests.
func (k kind) holds() bool { return k == hold || k == holdAnswer || k == slowCopy }

// holdLimit is the maximum delay of a request. It is less than s3ftpd's --s3-timeout.
const holdLimit = 700 * time.Millisecond

// A hit is a fault that has happened.
type hit struct {
	at   int64
	key  string
	kind kind
}

// A faultInjector is a proxy between s3ftpd and S3 that injects faults.
type faultInjector struct {
	proxy *faults.Proxy
	clock func() int64

	mu      sync.Mutex
	armed   []*arm
	hits    []hit
	running int
	idle    chan struct{} // closed while no request is under way
}

func (m *faultInjector) arm(all []*arm) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.armed = append(m.armed, all...)
}

func (m *faultInjector) disarm(all []*arm) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.armed = slices.DeleteFunc(m.armed, func(a *arm) bool { return slices.Contains(all, a) })
}

// enter counts requests; the returned function ends one.
func (m *faultInjector) enter() func() {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running++; m.running == 1 {
		m.idle = make(chan struct{})
	}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.running--; m.running == 0 {
			close(m.idle)
		}
	}
}

// quiet returns a channel that is closed once no request is in progress.
func (m *faultInjector) quiet() <-chan struct{} {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.running == 0 {
		done := make(chan struct{})
		close(done)
		return done
	}
	return m.idle
}

// match returns the fault for a request, or nil.
func (m *faultInjector) match(r *http.Request) faults.Fault {
	_, key, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	operation := real.Operation(r)
	source, _ := url.PathUnescape(r.Header.Get("X-Amz-Copy-Source"))
	_, source, _ = strings.Cut(strings.TrimPrefix(source, "/"), "/")
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, a := range m.armed {
		part := a.part == 0 || r.URL.Query().Get("partNumber") == strconv.Itoa(a.part)
		if a.op == operation && part && a.hits < a.times && (a.isAbout(key) || source != "" && a.isAbout(source)) {
			a.hits++
			m.hits = append(m.hits, hit{m.clock(), cmp.Or(key, a.key), a.kind})
			a.hit.happen()
			do := a.fault()
			return func(p *faults.Proxy, w http.ResponseWriter, r *http.Request) {
				defer a.over.happen()
				do(p, w, r)
			}
		}
	}
	return nil
}

// isAbout reports whether the fault is for a key, "" = the bucket. A fault without a key is for the names that STOU picks.
func (a *arm) isAbout(key string) bool {
	switch {
	case a.key == "":
		return strings.HasPrefix(key, "stou-")
	case directory(a.key):
		return key == "" || strings.HasPrefix(key, a.key+"/")
	}
	return a.key == key
}

// happened returns the faults about an operation while it ran.
func (m *faultInjector) happened(o *op) (found []hit) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, h := range m.hits {
		if h.at > o.call && (o.ret == 0 || h.at < o.ret) && (o.touches(h.key) || directory(h.key) && strings.HasPrefix(o.name+"/", h.key)) {
			found = append(found, h)
		}
	}
	return found
}

func (a *arm) fault() faults.Fault {
	switch a.kind {
	case cutBefore:
		return faults.Reset
	case cutIn:
		return faults.ResetAfter(1000)
	case lostAnswer:
		return faults.Lost
	case busy:
		return faults.Refuse(503, "SlowDown")
	case failed:
		return faults.Refuse(500, "InternalError")
	case failedAfter:
		return faults.FailAfter(500, "InternalError")
	case denied:
		return faults.Refuse(403, "AccessDenied")
	case empty:
		return say("", "")
	case emptyAfter:
		return after(say("", ""))
	case html:
		return say("text/html", "<html><head><title>Welcome</title></head><body>Please log in.</body></html>")
	case errorIn200:
		return say("application/xml", fmt.Sprintf(errorXML, "InternalError"))
	case deniedIn200:
		return say("application/xml", fmt.Sprintf(errorXML, "AccessDenied"))
	case silent:
		return silence
	case silentAfter:
		return after(silence)
	case hold:
		return func(p *faults.Proxy, w http.ResponseWriter, r *http.Request) {
			a.gate.wait(cmp.Or(a.limit, holdLimit))
			p.Forward.ServeHTTP(w, r)
		}
	case holdAnswer:
		return a.holdAnswer
	case slowCopy:
		return a.slowCopy
	case broken:
		return faults.After(1000, faults.Ends)
	}
	panic("no such fault: " + a.kind)
}

const errorXML = `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>found late</Message></Error>`

// say answers every request with 200.
func say(contentType, body string) faults.Fault {
	return func(_ *faults.Proxy, w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if contentType != "" {
			w.Header().Set("Content-Type", contentType)
		}
		io.WriteString(w, body)
	}
}

// after forwards the request, and calls a function instead of answering.
func after(then faults.Fault) faults.Fault {
	return func(p *faults.Proxy, w http.ResponseWriter, r *http.Request) {
		p.Forward.ServeHTTP(httptest.NewRecorder(), r)
		then(p, w, r)
	}
}

// silence takes a request and never answers.
func silence(p *faults.Proxy, _ http.ResponseWriter, r *http.Request) {
	io.Copy(io.Discard, r.Body)
	select {
	case <-r.Context().Done():
	case <-p.Done:
	}
	panic(http.ErrAbortHandler)
}

func (a *arm) holdAnswer(p *faults.Proxy, w http.ResponseWriter, r *http.Request) {
	answer := httptest.NewRecorder()
	p.Forward.ServeHTTP(answer, r)
	a.gate.wait(cmp.Or(a.limit, holdLimit))
	replay(w, answer)
}

func replay(w http.ResponseWriter, answer *httptest.ResponseRecorder) {
	for name, values := range answer.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(answer.Code)
	w.Write(answer.Body.Bytes())
}

// slowCopy copies as S3 copies a large object: the source is read at once and written when the gate opens, and the conditions on
// the target are checked at that time. The store must accept unsigned requests.
func (a *arm) slowCopy(p *faults.Proxy, w http.ResponseWriter, r *http.Request) {
	source, _ := url.PathUnescape(r.Header.Get("X-Amz-Copy-Source"))
	get := httptest.NewRequestWithContext(r.Context(), "GET", "/", nil)
	get.URL.Path = "/" + strings.TrimPrefix(source, "/")
	for _, name := range []string{"If-Match", "If-None-Match"} {
		if value := r.Header.Get("X-Amz-Copy-Source-" + name); value != "" {
			get.Header.Set(name, value)
		}
	}
	read := httptest.NewRecorder()
	p.Forward.ServeHTTP(read, get)
	if read.Code != http.StatusOK {
		p.Forward.ServeHTTP(w, r) // which returns the proper error
		return
	}
	a.gate.wait(cmp.Or(a.limit, holdLimit))
	put := httptest.NewRequestWithContext(r.Context(), "PUT", "/", bytes.NewReader(read.Body.Bytes()))
	put.URL.Path, put.ContentLength = r.URL.Path, int64(read.Body.Len())
	from := read.Header()
	if r.Header.Get("X-Amz-Metadata-Directive") == "REPLACE" {
		from = r.Header
	}
	for name, values := range from {
		if name == "Content-Type" || strings.HasPrefix(name, "X-Amz-Meta-") {
			put.Header[name] = values
		}
	}
	for _, name := range []string{"If-Match", "If-None-Match"} {
		if value := r.Header.Get(name); value != "" {
			put.Header.Set(name, value)
		}
	}
	written := httptest.NewRecorder()
	p.Forward.ServeHTTP(written, put)
	if written.Code != http.StatusOK {
		replay(w, written)
		return
	}
	w.Header().Set("Content-Type", "application/xml")
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><CopyObjectResult><LastModified>%s</LastModified><ETag>%s</ETag></CopyObjectResult>`,
		time.Now().UTC().Format("2006-01-02T15:04:05.000Z"), strings.ReplaceAll(written.Header().Get("ETag"), `"`, "&quot;"))
}

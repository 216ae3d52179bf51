package main

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/s3ftpd/s3ftpd/config"
	"github.com/s3ftpd/s3ftpd/proxy/observe"
	"github.com/s3ftpd/s3ftpd/s3fs"
)

// data returns n bytes that depend on name.
func data(name string, n int) string {
	var seed [32]byte
	copy(seed[:], name)
	b := make([]byte, n)
	rand.NewChaCha8(seed).Read(b)
	return string(b)
}

// A behind accesses the objects below a prefix directly in the store, without the quirks.
type behind struct {
	http.Handler
	prefix string
}

func (b behind) do(method, target, body string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, target, strings.NewReader(body))
	r.Header.Set("Content-Length", strconv.Itoa(len(body)))
	b.ServeHTTP(w, r)
	return w
}

func (b behind) path(name string) string {
	return (&url.URL{Path: "/files/" + b.prefix + "/" + name}).EscapedPath()
}

// put stores a file, or a directory marker if the name ends in a slash.
func (b behind) put(t *testing.T, name, content string) {
	t.Helper()
	if w := b.do("PUT", b.path(name), content); w.Code != http.StatusOK {
		t.Fatalf("PUT %s: %d", name, w.Code)
	}
}

// contents returns the content of all objects, by name.
func (b behind) contents(t *testing.T) map[string]string {
	t.Helper()
	var list struct {
		Contents []struct{ Key string }
	}
	w := b.do("GET", "/files?list-type=2&prefix="+url.QueryEscape(b.prefix+"/"), "")
	if err := xml.Unmarshal(w.Body.Bytes(), &list); err != nil || w.Code != http.StatusOK {
		t.Fatalf("listing the bucket: %d, %v", w.Code, err)
	}
	all := make(map[string]string)
	for _, o := range list.Contents {
		name := strings.TrimPrefix(o.Key, b.prefix+"/")
		all[name] = b.do("GET", b.path(name), "").Body.String()
	}
	return all
}

// differs describes the differences between two contents of a bucket. It returns "" if they are equal.
func differs(got, want map[string]string) string {
	var text strings.Builder
	for name, content := range got {
		if w, ok := want[name]; !ok {
			fmt.Fprintf(&text, "%s (%d bytes) should not be there; ", name, len(content))
		} else if w != content {
			fmt.Fprintf(&text, "%s has %d bytes, want %d others; ", name, len(content), len(w))
		}
	}
	for name, content := range want {
		if _, ok := got[name]; !ok {
			fmt.Fprintf(&text, "%s (%d bytes) is missing; ", name, len(content))
		}
	}
	return text.String()
}

// A refusal is a reply with another code than expected.
type refusal struct {
	command string
	code    int
	text    string
}

// An ftpClient is a client that is logged in. After the first refusal its methods do nothing.
type ftpClient struct {
	*testing.T
	*textproto.Conn
	meter   *meter   // meter of the service
	other   *s3fs.FS // accesses the same files as another program would
	refused *refusal
}

func dialFTP(t *testing.T, address string, m *meter, other *s3fs.FS) *ftpClient {
	t.Helper()
	c := &ftpClient{T: t, Conn: dial(t, address), meter: m, other: other}
	c.say("USER alice", 331)
	c.say("PASS wonderland", 230)
	c.say("TYPE I", 200)
	if c.refused != nil {
		t.Fatal(c.refused)
	}
	return c
}

// say sends a command and returns the reply. A reply with another code than expected becomes c.refused.
func (c *ftpClient) say(command string, code int) string {
	if c.refused != nil {
		return ""
	}
	if command != "" {
		if err := c.PrintfLine("%s", command); err != nil {
			c.Fatal(err)
		}
	}
	got, text, err := c.ReadResponse(0)
	if err != nil {
		c.Fatalf("%s: %v", command, err)
	}
	if got != code {
		c.refused = &refusal{command, got, text}
		return ""
	}
	return text
}

// open begins a transfer. It returns nil if the server refuses.
func (c *ftpClient) open(command string) (conn net.Conn, reply string) {
	text := c.say("EPSV", 229)
	if c.refused != nil {
		return nil, ""
	}
	data, err := net.Dial("tcp", "127.0.0.1:"+strings.Split(text, "|")[3])
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { data.Close() })
	if reply = c.say(command, 150); c.refused != nil {
		return nil, ""
	}
	return data, reply
}

// send uploads content. It returns the text of the first reply.
func (c *ftpClient) send(command, content string) string {
	conn, reply := c.open(command)
	if conn == nil {
		return ""
	}
	io.WriteString(conn, content) // the reply reports an error
	conn.Close()
	c.say("", 226)
	return reply
}

// breakOff begins an upload and aborts it after S3 has received a part.
func (c *ftpClient) breakOff(command, content string) {
	c.midway(command, content, 426, func(net.Conn) {
		if err := c.PrintfLine("ABOR"); err != nil {
			c.Fatal(err)
		}
	})
	c.say("", 226) // reply to ABOR
}

// overtaken begins an upload, calls do after S3 has received a part, and then completes the upload.
func (c *ftpClient) overtaken(command, content string, do func()) {
	c.midway(command, content, 226, func(conn net.Conn) {
		do()
		conn.Close()
	})
}

// midway uploads content, calls do after S3 has received a part, and expects the upload to end with a reply of that code.
func (c *ftpClient) midway(command, content string, code int, do func(net.Conn)) {
	c.meter.take()
	conn, _ := c.open(command)
	if conn == nil {
		return
	}
	io.WriteString(conn, content)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.say("", code)
	}()
	if c.meter.sees("UploadPart", ended) {
		do(conn)
	}
	<-ended
	conn.Close()
}

// sees waits for a request of an operation. It returns false if ended is closed first.
func (m *meter) sees(operation string, ended <-chan struct{}) bool {
	for {
		m.mu.Lock()
		n, more := m.counts[operation], m.more
		m.mu.Unlock()
		if n > 0 {
			return true
		}
		select {
		case <-more:
		case <-ended:
			return false
		}
	}
}

// fetch runs a download or a listing, and returns the data that arrived.
func (c *ftpClient) fetch(command string) string {
	conn, _ := c.open(command)
	if conn == nil {
		return ""
	}
	text, _ := io.ReadAll(conn)
	conn.Close()
	c.say("", 226)
	return string(text)
}

// retrieve downloads a file and compares it with want. If the download fails, the data must be a prefix of want.
func (c *ftpClient) retrieve(command, want string) {
	conn, _ := c.open(command)
	if conn == nil {
		return
	}
	got, _ := io.ReadAll(conn)
	conn.Close()
	c.say("", 226)
	if !strings.HasPrefix(want, string(got)) || c.refused == nil && len(got) != len(want) {
		c.Errorf("%s: %d bytes came that are not the %d that are there, refused: %v", command, len(got), len(want), c.refused)
	}
}

// lists checks the names in the listing of a command, in any order.
func (c *ftpClient) lists(command string, name func(line string) string, want ...string) {
	text := c.fetch(command)
	if c.refused != nil {
		return
	}
	var got []string
	for line := range strings.Lines(text) {
		got = append(got, name(strings.TrimRight(line, "\r\n")))
	}
	slices.Sort(got)
	if !slices.Equal(got, want) {
		c.Errorf("%s: got %q, want %q", command, got, want)
	}
}

// says sends a command and checks that the reply contains a text.
func (c *ftpClient) says(command string, code int, want string) {
	if text := c.say(command, code); c.refused == nil && !strings.Contains(text, want) {
		c.Errorf("%s: got %q, want %q in it", command, text, want)
	}
}

// A logbook collects the log of a server.
type logbook struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// Write implements io.Writer.
func (l *logbook) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *logbook) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// logger returns a logger that explains errors, like that of serve.
func (l *logbook) logger(c *config.Config) *slog.Logger {
	return slog.New(observe.Handler(slog.NewTextHandler(l, nil), explainer(c)))
}

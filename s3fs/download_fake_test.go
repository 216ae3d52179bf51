package s3fs

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
)

// pattern is repeated in the objects of these tests. Its length does not divide that of a buffer.
var pattern = func() []byte {
	b := make([]byte, 1<<20-17)
	rand.NewChaCha8([32]byte{'p'}).Read(b)
	return b
}()

// copyPattern fills p with the content from offset at.
func copyPattern(p []byte, at int64) {
	for len(p) > 0 {
		n := copy(p, pattern[at%int64(len(pattern)):])
		p, at = p[n:], at+int64(n)
	}
}

// An objectFake is a fake with one object, and with a given speed of each body.
type objectFake struct {
	*fake
	size   int64
	header http.Header      // of its answers, beyond the usual
	pause  time.Duration    // before each quarter of a MiB of a body
	shared bool             // of all bodies together
	on     func(g *getFake) // changes the answer to a request, or is nil
	mu     sync.Mutex
	gets   []*getFake
	active int
	most   int // bodies that were being read at one time
}

// A getFake is a request and its answer.
type getFake struct {
	s       *objectFake
	ctx     context.Context
	n       int // which request, from 0
	first   int64
	end     int64
	ifMatch string
	resp    *http.Response
	err     error
	cut     int64 // where the body breaks, with cutErr
	cutErr  error
	damage  int64         // where a bit is flipped
	delay   time.Duration // before the first byte
	at      int64
	open    bool
}

func newObjectFake(t *testing.T, size int64) *objectFake {
	s := &objectFake{fake: newFake(t), size: size, header: http.Header{"Etag": {`"v1"`}}}
	s.fault = func(r *http.Request, call string) (*http.Response, error) {
		if call != "Get" {
			return nil, nil
		}
		return s.get(r)
	}
	return s
}

func (s *objectFake) get(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	g := &getFake{s: s, ctx: r.Context(), n: len(s.gets), end: s.size, ifMatch: r.Header.Get("If-Match"), cut: -1, damage: -1}
	s.gets = append(s.gets, g)
	s.mu.Unlock()
	status := 200
	if text := r.Header.Get("Range"); text != "" {
		var last int64
		if n, _ := fmt.Sscanf(text, "bytes=%d-%d", &g.first, &last); n == 2 {
			g.end = last + 1
		}
		status = 206
	}
	g.at = g.first
	g.resp = &http.Response{StatusCode: status, Header: s.header.Clone(), ContentLength: g.end - g.first, Body: g}
	g.resp.Header.Set("Content-Length", strconv.FormatInt(g.end-g.first, 10))
	if status == 206 {
		g.resp.Header.Set("Content-Range", byteRange{g.first, g.end - 1, s.size}.String())
	}
	if s.on != nil {
		s.on(g)
	}
	return g.resp, g.err
}

// refuse makes the answer an error.
func (g *getFake) refuse(status int, code string) { g.resp = refusal(status, code, "") }

// breaks makes the body fail with err at byte at.
func (g *getFake) breaks(at int64, err error) { g.cut, g.cutErr = at, err }

// Read implements io.Reader.
func (g *getFake) Read(p []byte) (int, error) {
	if err := g.wait(); err != nil {
		return 0, err
	}
	if g.cut >= 0 && g.at >= g.cut {
		return 0, g.cutErr
	}
	end := g.end
	if g.cut >= 0 {
		end = min(end, g.cut)
	}
	if g.at == end {
		return 0, io.EOF
	}
	n := int(min(int64(len(p)), budget.BufferSize, end-g.at))
	copyPattern(p[:n], g.at)
	if i := g.damage - g.at; i >= 0 && i < int64(n) {
		p[i] ^= 0x10
	}
	g.at += int64(n)
	return n, nil
}

func (g *getFake) wait() error {
	g.s.mu.Lock()
	if !g.open {
		g.open = true
		g.s.active++
		g.s.most = max(g.s.most, g.s.active)
	}
	pause := g.s.pause + g.delay
	g.delay = 0
	if g.s.shared {
		pause *= time.Duration(g.s.active)
	}
	g.s.mu.Unlock()
	select {
	case <-time.After(pause):
		return nil
	case <-g.ctx.Done():
		return g.ctx.Err()
	}
}

// Close implements io.Closer.
func (g *getFake) Close() error {
	g.s.mu.Lock()
	defer g.s.mu.Unlock()
	if g.open {
		g.open = false
		g.s.active--
	}
	return nil
}

// checkPinned checks that all requests after the first are for a range of the same version.
func (s *objectFake) checkPinned() {
	s.t.Helper()
	for _, g := range s.gets[1:] {
		if g.ifMatch != `"v1"` {
			s.t.Errorf("request %d for bytes %d to %d has If-Match %q", g.n, g.first, g.end, g.ifMatch)
		}
	}
}

var errWrongByte = errors.New("a byte is not the object's")

// A taker is a client that checks the content that it reads.
type taker struct {
	at    int64
	pause func(at int64) time.Duration // before each chunk is taken, or nil
}

func (w *taker) Write(p []byte) (int, error) {
	if w.pause != nil {
		<-time.After(w.pause(w.at))
	}
	want := make([]byte, len(p))
	copyPattern(want, w.at)
	if !bytes.Equal(p, want) {
		return 0, fmt.Errorf("%w: between %d and %d", errWrongByte, w.at, w.at+int64(len(p)))
	}
	w.at += int64(len(p))
	return len(p), nil
}

// take reads a file to its end with WriteTo, closes it, and checks that all buffers are returned.
func (w *taker) take(t *testing.T, f *FS) error {
	t.Helper()
	r, err := f.Open(t.Context(), "/f", proxy.Range{Offset: w.at})
	if err != nil {
		t.Fatal(err)
	}
	_, err = r.(io.WriterTo).WriteTo(w)
	r.Close()
	allFree(t, f.budget)
	if errors.Is(err, errWrongByte) {
		t.Error(err)
	}
	return err
}

func allFree(t *testing.T, b *budget.Budget) {
	t.Helper()
	if now := b.Stats(); now != (budget.Stats{Size: now.Size}) {
		t.Errorf("the budget is still in use: %+v", now)
	}
}

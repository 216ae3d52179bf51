package grant

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A Rate limits the bytes a second of a user's uploads, and those of the downloads. All transfers of the stores that Limit returns
// share it, in equal parts if they can use them. It counts the bytes of files, and not those that a protocol or the storage makes of
// them, for example by compression. Bytes that the storage copies are free. The zero value has no limits.
type Rate struct{ up, down pace }

// Set sets the limits in bytes a second; 0 = no limit. Running transfers follow, but for those that had no limit when they began.
func (r *Rate) Set(up, down int64) {
	r.up.set(up)
	r.down.set(down)
}

// Limit returns a store whose uploads and downloads move at the rate. Without limits it returns below.
func (r *Rate) Limit(below proxy.Store) proxy.Store {
	if r.up.chunk() == 0 && r.down.chunk() == 0 {
		return below
	}
	return rated{below, r}
}

type rated struct {
	proxy.Store
	rate *Rate
}

// Put implements proxy.Store.
func (r rated) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (proxy.Stored, error) {
	if r.rate.up.chunk() > 0 {
		src = ratedSource{src, ctx, &r.rate.up}
	}
	return r.Store.Put(ctx, name, src, w)
}

// A ratedSource reads new bytes at a pace.
type ratedSource struct {
	proxy.Source
	ctx  context.Context
	pace *pace
}

// Next implements proxy.Source.
func (s ratedSource) Next(ctx context.Context) (proxy.Run, error) {
	run, err := s.Source.Next(ctx)
	if run.New != nil {
		run.New = &ratedReader{r: run.New, ctx: s.ctx, pace: s.pace}
	}
	return run, err
}

// Open implements proxy.Store.
func (r rated) Open(ctx context.Context, name string, at proxy.Range) (proxy.Reader, error) {
	below, err := r.Store.Open(ctx, name, at)
	if err != nil || r.rate.down.chunk() == 0 {
		return below, err
	}
	d := ratedDownload{below, &ratedReader{r: below, ctx: ctx, pace: &r.rate.down}}
	if w, ok := below.(io.WriterTo); ok {
		return ratedWriterTo{d, w}, nil
	}
	return d, nil
}

// A ratedDownload is read at a pace.
type ratedDownload struct {
	proxy.Reader
	rated *ratedReader
}

// Read implements proxy.Reader.
func (d ratedDownload) Read(p []byte) (int, error) { return d.rated.Read(p) }

// A ratedWriterTo is a ratedDownload that implements io.WriterTo.
type ratedWriterTo struct {
	ratedDownload
	below io.WriterTo
}

// WriteTo implements io.WriterTo.
func (d ratedWriterTo) WriteTo(w io.Writer) (int64, error) {
	return d.below.WriteTo(ratedWriter{w, d.rated.ctx, d.rated.pace})
}

// A ratedReader reads at a pace. Bytes that it has read wait until their time has come.
type ratedReader struct {
	r    io.Reader
	ctx  context.Context
	pace *pace
	owed int // bytes that have not been waited for, less than a chunk: so small reads have the same share as large ones
}

func (r *ratedReader) Read(p []byte) (int, error) {
	chunk := r.pace.chunk()
	if chunk > 0 && len(p) > chunk {
		p = p[:chunk]
	}
	n, err := r.r.Read(p)
	r.owed += n
	if err != nil && err != io.EOF || err == nil && r.owed < chunk {
		return n, err
	}
	owed := r.owed
	r.owed = 0
	if err := r.pace.wait(r.ctx, owed); err != nil {
		return n, err
	}
	return n, err
}

// A ratedWriter writes at a pace.
type ratedWriter struct {
	w    io.Writer
	ctx  context.Context
	pace *pace
}

func (w ratedWriter) Write(p []byte) (n int, err error) {
	for n < len(p) && err == nil {
		next := p[n:]
		if chunk := w.pace.chunk(); chunk > 0 && len(next) > chunk {
			next = next[:chunk]
		}
		if err := w.pace.wait(w.ctx, len(next)); err != nil {
			return n, err
		}
		var m int
		m, err = w.w.Write(next)
		n += m
	}
	return n, err
}

// A pace is a token bucket of bytes. Its waits are short, because they are of small chunks, in the order in which they began: so
// transfers get equal shares, and none is silent for so long that its connection seems to have stalled.
type pace struct {
	mu   sync.Mutex
	rate int64     // bytes a second; 0 = no limit
	due  time.Time // when the time of all bytes so far is over
}

const (
	burst        = 250 * time.Millisecond // of the rate; what a late timer or an idle client did not use
	chunksPerSec = 32
	maxChunk     = 16 << 10             // bytes; a record of TLS
	minWait      = 2 * time.Millisecond // shorter ones are not worth a timer
)

func (p *pace) set(rate int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rate = rate
}

// chunk returns how many bytes may move at once; 0 = no limit.
func (p *pace) chunk() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rate == 0 {
		return 0
	}
	return int(min(max(p.rate/chunksPerSec, 1), maxChunk))
}

// wait waits until n bytes more may have moved. If ctx ends before, they do not count.
func (p *pace) wait(ctx context.Context, n int) error {
	wait, took := p.take(n)
	if wait < minWait {
		return context.Cause(ctx)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		p.giveBack(took)
		return context.Cause(ctx)
	}
}

// take counts n bytes. It returns how long to wait for them, and how much time they take.
func (p *pace) take(n int) (wait, took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.rate == 0 {
		return 0, 0
	}
	now := time.Now()
	if earliest := now.Add(-burst); p.due.Before(earliest) {
		p.due = earliest
	}
	took = time.Duration(float64(n) / float64(p.rate) * float64(time.Second))
	p.due = p.due.Add(took)
	return p.due.Sub(now), took
}

func (p *pace) giveBack(took time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.due = p.due.Add(-took)
}

package reassembly

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"syscall"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// MaxZeros is how many bytes between the writes of a handle may be missing, and are zero.
const MaxZeros = 64 << 20

// maxSpans limits how many separate ranges wait in memory, because each takes memory too.
const maxSpans = 8192

// A ReadError is an error of the reader of a WRITE request. The channel is broken.
type ReadError struct{ Err error }

func (e *ReadError) Error() string { return "reading the data of a WRITE request: " + e.Err.Error() }

// Unwrap returns the error of the reader.
func (e *ReadError) Unwrap() error { return e.Err }

// patience is how long a Write waits for the store although memory is short and mayWait forbids to wait for it: the store may only
// be busy.
const patience = 5 * time.Second

// A request is a WRITE in progress.
type request struct {
	r       io.Reader
	offset  int64 // of the next byte
	n       int   // bytes still to read from r
	mayWait func() bool
	patient bool      // the last result of mayWait
	since   time.Time // it waits for the store; zero = it does not wait
}

// Write takes n bytes of the content from r, for an offset. It always reads n bytes from r, even if it fails. If r fails, the error
// is a [ReadError].
//
// While the store takes no bytes, Write waits. If memory is short and mayWait reports false, it waits for a few seconds only, and
// fails with syscall.ENOBUFS: the memory may be held by an upload whose bytes come behind this request. Bytes that overtake others
// never wait for memory.
//
// If the first Write is neither at the beginning nor within or at the end of the file, the error is a proxy.OffsetError with its
// size. If it is within a resumable upload, the error has the size of that. If it goes back behind what the store has taken, the
// error is errors.ErrUnsupported. If the Put has failed, Write returns its error. After any error, the upload cannot be published.
func (u *Upload) Write(ctx context.Context, offset int64, n int, r io.Reader, mayWait func() bool) error {
	q := &request{r: r, offset: offset, n: n, mayWait: mayWait, patient: mayWait()}
	err := u.write(ctx, q)
	if _, broken := errors.AsType[*ReadError](err); broken || q.n == 0 {
		return err
	}
	if _, discarding := io.CopyN(io.Discard, r, int64(q.n)); discarding != nil {
		return &ReadError{discarding}
	}
	return err
}

func (u *Upload) write(ctx context.Context, q *request) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.acquire()
	defer u.release()
	if u.err != nil || u.closed {
		return u.closedError()
	}
	if q.n == 0 {
		return nil
	}
	if err := u.place(q); err != nil {
		return u.fail(err)
	}
	defer func() {
		if q.n > 0 {
			u.fail(errPanic)
		}
	}()
	for q.n > 0 {
		space, err := u.space(q)
		switch {
		case err == errWait:
			err = u.awaitStore(ctx, q)
		case err == nil && space != nil:
			err = u.readToPage(q, space)
		case err == nil:
			err = u.readToStore(q)
		}
		if broken, ok := errors.AsType[*ReadError](err); ok {
			u.fail(broken.Err)
			return err
		}
		if err != nil {
			return u.fail(err)
		}
	}
	return u.err // the upload may have failed meanwhile
}

// place determines the offset of a request, and what the upload does if it is the first one.
func (u *Upload) place(q *request) error {
	if u.config.Append {
		q.offset = u.size()
	}
	if q.offset < 0 || q.offset > math.MaxInt64-int64(q.n) {
		return errSize
	}
	if err := u.beginOnce(q.offset); err != nil {
		return err
	}
	if q.offset < u.final {
		return ErrBack
	}
	u.pages.remove(span{q.offset, q.offset + int64(q.n)})
	return nil
}

// beginOnce calls begin if new bytes at an offset are the first ones.
func (u *Upload) beginOnce(offset int64) error {
	if !u.written {
		if err := u.begin(offset); err != nil {
			return err
		}
		u.written = true
	}
	return nil
}

// begin determines by the offset of the first WRITE what the upload does.
func (u *Upload) begin(offset int64) error {
	size := u.base.Size
	switch {
	case !u.base.Resumable && offset > u.baseEnd && !u.resized:
		return wrongOffset(u.baseEnd)
	case !u.base.Resumable:
		u.appends = u.appends || offset == size && u.baseEnd == size && size > 0
	case offset == 0:
		u.dropBase()
	case offset != size:
		return wrongOffset(size)
	case u.resized && u.required < size:
		return ErrShrink
	default:
		u.appends, u.final = true, size
	}
	return nil
}

// dropBase declares that no byte of the base is part of the content.
func (u *Upload) dropBase() { u.base, u.baseEnd = proxy.Entry{}, 0 }

func wrongOffset(size int64) error {
	return &proxy.OffsetError{Offset: size, Err: fmt.Errorf("a write must not begin beyond the end, which is %d: %w", size, syscall.ESPIPE)}
}

// errWait means that a request must wait for the store.
var errWait = errors.New("wait for the store")

// space returns memory for the next bytes of a request; nil = that of the store, which waits for them.
func (u *Upload) space(q *request) ([]byte, error) {
	for u.err == nil && (u.put.space == nil || q.offset != u.position) {
		find := u.spaceToKeep
		if u.put.started {
			find = u.spaceInWindow
		}
		if space, err := find(q); space != nil || err != nil {
			return space, err
		}
	}
	return nil, u.err
}

// spaceToKeep returns memory before the Put has begun. If there is not enough, it begins the Put and returns nil: bytes in order need
// no more memory then.
func (u *Upload) spaceToKeep(q *request) ([]byte, error) {
	hasRoom := u.pages.at(q.offset) != nil || u.pages.lent() <= u.config.Keep
	if hasRoom && u.pages.inMemory()+int64(q.n) <= u.config.Keep {
		if space := u.pages.lend(q.offset); space != nil {
			return space, nil
		}
	}
	if err := u.finalize(u.pages.gapAt(u.final, q.offset).to); err != nil {
		return nil, err
	}
	u.start()
	return nil, nil
}

// spaceInWindow returns memory while the content streams. It returns nil if the caller must try again.
func (u *Upload) spaceInWindow(q *request) ([]byte, error) {
	end := u.pages.endOf(u.final) // of the bytes that the store can have now
	inOrder := q.offset == end
	if inOrder && q.patient {
		return nil, errWait
	}
	isFull := u.pages.lent() >= u.config.Window && u.pages.at(q.offset) == nil
	if !isFull {
		if space := u.pages.lend(q.offset); space != nil {
			return space, nil
		}
	}
	switch {
	case isFull && !inOrder && end == u.position: // the bytes that are missing there do not come
		return nil, u.finalize(u.pages.gapAt(end, q.offset).to)
	case !isFull && !inOrder, !q.patient && q.isLate() && !u.pages.mayLend():
		return nil, errMemory
	}
	return nil, errWait
}

// finalize makes the content before an offset final: bytes that were not written are those of the base or, behind it, zero.
func (u *Upload) finalize(to int64) error {
	if u.final < to {
		u.changed.Broadcast() // the store may wait for bytes that are known now
	}
	for u.final < to {
		gap := u.pages.gapAt(u.final, to)
		zeros := max(0, gap.to-max(gap.from, u.baseEnd))
		if zeros > MaxZeros-u.zeros {
			return u.fail(ErrZeros)
		}
		u.zeros += zeros
		u.final = min(to, u.pages.endOf(gap.to))
	}
	return nil
}

// isLate reports whether the request has waited for too long for the store.
func (q *request) isLate() bool { return !q.since.IsZero() && time.Since(q.since) >= patience }

// awaitStore waits for any change, but not for longer than patience.
func (u *Upload) awaitStore(ctx context.Context, q *request) error {
	if q.since.IsZero() {
		q.since = time.Now()
	}
	defer context.AfterFunc(ctx, u.wake)()
	defer time.AfterFunc(patience, u.wake).Stop()
	u.changed.Wait()
	u.unlocked(func() { q.patient = q.mayWait() }) // it may ask other uploads, whose requests ask this one
	return context.Cause(ctx)
}

// unlocked calls f without the lock.
func (u *Upload) unlocked(f func()) {
	u.mu.Unlock()
	defer u.mu.Lock()
	f()
}

// wake makes waiting methods look again.
func (u *Upload) wake() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.changed.Broadcast()
}

// readToPage reads bytes of a request into memory.
func (u *Upload) readToPage(q *request, space []byte) error {
	from := q.offset
	err := u.readTo(space, q)
	if from < q.offset {
		u.pages.add(span{from, q.offset})
		u.changed.Broadcast()
	}
	if err == nil && len(u.pages.written) > maxSpans {
		err = ErrSpans
	}
	return err
}

// readToStore reads bytes of a request into the memory of the store, which waits for them.
func (u *Upload) readToStore(q *request) error {
	space, from := u.put.space, q.offset
	u.put.space, u.put.filling = nil, true
	defer func() {
		u.put.filling, u.put.filled = false, int(q.offset-from)
		u.advanceSent(q.offset - from)
	}()
	return u.readTo(space, q)
}

// readTo reads bytes of a request, as many as fit.
func (u *Upload) readTo(space []byte, q *request) error {
	var n int
	var err error
	u.unlocked(func() { n, err = io.ReadFull(q.r, space[:min(q.n, len(space))]) })
	q.offset += int64(n)
	q.n -= n
	q.since = time.Time{}
	u.received += int64(n)
	if err != nil {
		return &ReadError{err}
	}
	return nil
}

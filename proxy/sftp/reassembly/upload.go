package reassembly

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"sync"
	"syscall"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A Memory lends buffers for bytes that wait for their client. A budget.Share is one.
type Memory interface {
	// Lend returns a buffer of at least n bytes, or nil if no memory is free. It does not wait.
	Lend(n int) []byte
	// ReturnPrefetched takes back buffers that Lend returned.
	ReturnPrefetched(buffers ...[]byte)
}

// A Config describes an upload.
type Config struct {
	// Base is the file or the resumable upload with the name, as it was when the handle was opened. Bytes that the handle does not
	// write are copied from the file. The zero value means that there is none, or that all of it is overwritten (TRUNC).
	Base     proxy.Entry
	Append   bool // all bytes are written at the end, whatever the offsets of the client are
	Truncate bool // an append does not keep a file that has got the name since the handle was opened
	New      bool // no file may have the name when the upload is published (EXCL)

	Keep   int64 // bytes that stay in memory before the Put begins; they can be overwritten in any order
	Window int64 // bytes of memory, in steps of 32 KiB, for requests that overtake others after that
	Memory Memory

	// Put calls the Put of the store. It is called at most once, in a goroutine of its own; it must not panic. Its context
	// may end only after Break was called.
	Put func(src proxy.Source, w proxy.Write) (proxy.Stored, error)
}

// Errors of an upload. They wrap the error that tells their kind.
var (
	ErrBack   = fmt.Errorf("the upload has streamed beyond this offset and cannot go back: %w", errors.ErrUnsupported)
	ErrShrink = fmt.Errorf("an upload that appends or resumes cannot be made shorter: %w", errors.ErrUnsupported)
	ErrZeros  = fmt.Errorf("more than %d MiB between the writes are missing: %w", MaxZeros>>20, errors.ErrUnsupported)
	ErrSpans  = fmt.Errorf("more than %d separate ranges are written: %w", maxSpans, errors.ErrUnsupported)
	ErrRead   = fmt.Errorf("the bytes were written by the handle that reads them: %w", errors.ErrUnsupported)
	ErrShort  = fmt.Errorf("fewer bytes have come than announced: %w", io.ErrUnexpectedEOF)

	errSize   = fmt.Errorf("the size or offset is too large: %w", syscall.EFBIG)
	errPanic  = errors.New("a write was not completed")
	errMemory = fmt.Errorf("no memory for a write that must not wait: %w", syscall.ENOBUFS)
)

// An Upload is the content that one handle writes. Its methods may be called from many goroutines at once; Write, SetSize and Close
// wait for each other.
type Upload struct {
	config Config

	mu      sync.Mutex
	changed sync.Cond // of mu; broadcast after each change that a method may wait for
	busy    bool      // Write, SetSize or Close runs

	base     proxy.Entry // Config.Base, while bytes of it may be part of the content
	baseEnd  int64       // how many of its first bytes may
	pages    pages       // the written bytes that the store has not read
	sent     []span      // the bytes that the store has read, sorted, without those of the base
	position int64       // bytes of the content that the store has read or copied
	final    int64       // nothing can be written before this offset any more
	zeros    int64       // bytes before final that are zero, because they were not written
	received int64       // bytes

	written  bool  // a WRITE came
	appends  bool  // to a file, or to the resumable upload
	copies   bool  // bytes of other files, so it cannot be resumed
	resized  bool  // by SetSize
	required int64 // the bytes that the content must have at least, as announced
	mtime    time.Time

	closed bool
	err    error // why the upload is not published
	put    putState
}

// putState is the state of the Put of an upload.
type putState struct {
	started, committed, ended bool
	follows                   bool // the source has copied what an append must follow, see appendsToFree

	stored      proxy.Stored
	space       []byte // where the store waits for bytes; otherwise nil
	filling     bool   // a Write puts bytes there
	filled      int    // the bytes that it has put there
	failsCommit bool   // the source ends with io.EOF, and Commit returns the error of the upload
}

// New returns an upload that has no content yet.
func New(c Config) *Upload {
	u := &Upload{config: c, base: c.Base, baseEnd: c.Base.Size, appends: c.Append, pages: pages{memory: c.Memory}}
	u.changed.L = &u.mu
	return u
}

// Announce tells the size in bytes that the client has announced when it opened the file. Close fails if the content is shorter.
// After SetSize, it has no effect.
func (u *Upload) Announce(n int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.resized {
		u.required = n
	}
}

// SetSize sets the size of the content as FSETSTAT does; it takes effect at Close. It removes all bytes from n on, of the file and
// of the writes. If the content is shorter, the missing bytes must be written: otherwise Close fails. Zeros are only before a
// later write that leaves a gap.
//
// If n is less than what the store has read, or than the size of an upload that appends or resumes, SetSize and Close fail.
func (u *Upload) SetSize(n int64) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.acquire()
	defer u.release()
	undecided := u.base.Resumable && !u.written // it may be resumed or replaced
	switch {
	case u.err != nil || u.closed:
		return u.closedError()
	case n < 0:
		return u.fail(errSize)
	case u.appends && n < u.size():
		return u.fail(ErrShrink)
	case n < u.final:
		return u.fail(ErrBack)
	case undecided && n == 0:
		u.dropBase()
	case !undecided:
		u.baseEnd = min(u.baseEnd, n)
		u.pages.remove(span{n, math.MaxInt64})
	}
	u.resized, u.required = true, n
	return nil
}

// SetTime sets the modification time of the file as FSETSTAT does; it takes effect at Close.
func (u *Upload) SetTime(t time.Time) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mtime = t
}

// Time returns the time of the last SetTime, or zero.
func (u *Upload) Time() time.Time {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.mtime
}

// Size returns the size in bytes that the file would have now.
func (u *Upload) Size() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.size()
}

func (u *Upload) size() int64 {
	end := max(u.position, u.baseEnd)
	if n := len(u.pages.written); n > 0 {
		end = max(end, u.pages.written[n-1].to)
	}
	return end
}

// Unchanged returns how many of n bytes from an offset can be read: fewer only at the end of the content, and none beyond it, which
// is io.EOF. All of them are still bytes of the file Config.Base. Otherwise the error is ErrRead.
func (u *Upload) Unchanged(offset, n int64) (int64, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	size := u.size()
	if offset < 0 || offset >= size {
		return 0, io.EOF
	}
	s := span{offset, offset + min(n, size-offset)}
	isSent := slices.ContainsFunc(u.sent, func(o span) bool { return o.from < s.to && s.from < o.to })
	if u.base.Resumable || s.to > u.baseEnd || isSent || u.pages.gapAt(s.from, s.to) != s {
		return 0, ErrRead
	}
	return s.to - s.from, nil
}

// Written returns how many bytes the client has written.
func (u *Upload) Written() int64 {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.received
}

// Err returns why the upload cannot be published any more, or nil.
func (u *Upload) Err() error {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.err
}

// Unsent reports whether the store waits for bytes of the client, and holds memory meanwhile. Another upload must not wait for that
// memory if the bytes come behind its own.
func (u *Upload) Unsent() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.put.space != nil
}

// Close publishes the content, and returns when the store has done so. changed is false if there was nothing to publish, because no
// bytes, size or time of an existing file were set. If an earlier Write or SetSize has failed, or if the content is shorter than
// announced, Close fails and nothing is published; what is needed to resume is kept. The end of ctx cancels the upload, until the
// store begins to publish it. After Close, the other methods fail with fs.ErrClosed.
func (u *Upload) Close(ctx context.Context) (stored proxy.Stored, changed bool, err error) {
	defer context.AfterFunc(ctx, func() { u.cancel(context.Cause(ctx)) })()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.acquire()
	if u.closed {
		u.release()
		return proxy.Stored{}, false, u.closedError()
	}
	if u.err == nil {
		u.complete()
	}
	u.release()
	u.awaitPut()
	if u.err != nil {
		return proxy.Stored{Bucket: u.put.stored.Bucket, Key: u.put.stored.Key}, false, u.err
	}
	return u.put.stored, u.put.started, nil
}

// complete ends the content, if it may be published.
func (u *Upload) complete() {
	size := u.size()
	switch {
	case size < u.required:
		u.fail(fmt.Errorf("%w: %d of %d", ErrShort, size, u.required))
	case u.base.Resumable && !u.written && u.resized && u.required < size:
		u.fail(ErrShrink)
	case !u.changes():
		u.closed = true
	case u.finalize(size) == nil:
		u.closed = true
		u.start()
	}
}

// changes reports whether Close must publish something.
func (u *Upload) changes() bool {
	switch {
	case u.written || u.base == (proxy.Entry{}) || u.baseEnd < u.base.Size:
		return true
	case u.base.Resumable:
		return false
	}
	return !u.mtime.IsZero()
}

// Break ends the upload without publishing it, because of err: the channel has ended, or the client has sent nothing for too long.
// What is needed to resume is kept. Break returns when the store is done; it waits for a Write that reads from its reader, which the
// caller must make fail before. After the store has begun to publish, Break only waits.
func (u *Upload) Break(err error) {
	u.cancel(err)
	u.mu.Lock()
	defer u.mu.Unlock()
	u.awaitPut()
}

func (u *Upload) cancel(err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.fail(err)
}

// fail makes sure that the upload is not published, because of err, unless it is too late. It returns the error of the upload.
//
// The store gets what it needs to resume, but never the whole content without an error of Commit: a resumable upload must be
// shorter than the file, because clients compare sizes to see whether a file is stored.
func (u *Upload) fail(err error) error {
	if u.err != nil || u.put.committed {
		return u.err
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	u.err = err
	isResumable := !errors.Is(err, proxy.ErrDiscard) && !u.copies && (u.baseEnd == 0 || u.base.Resumable)
	switch end := u.pages.endOf(u.final) - 1; {
	case u.put.started:
		u.put.failsCommit = isResumable
	case isResumable && end > u.final:
		u.pages.remove(span{end, math.MaxInt64})
		u.start()
	}
	u.freePages()
	u.changed.Broadcast()
	return err
}

// closedError returns why the upload takes no requests.
func (u *Upload) closedError() error {
	if u.err != nil {
		return u.err
	}
	return fs.ErrClosed
}

// awaitPut waits for the end of the Put, if it was started.
func (u *Upload) awaitPut() {
	for u.put.started && !u.put.ended {
		u.changed.Wait()
	}
}

// acquire waits until no other method uses the pages. The caller must call release.
func (u *Upload) acquire() {
	for u.busy {
		u.changed.Wait()
	}
	u.busy = true
}

func (u *Upload) release() {
	u.busy = false
	u.freePages()
	u.changed.Broadcast()
}

// freePages returns the memory of the pages that no method uses and the store does not need.
func (u *Upload) freePages() {
	u.pages.freeBefore(u.position)
	if !u.busy && (len(u.pages.written) == 0 || u.put.ended || u.err != nil && !u.put.started) {
		u.pages.free(0, len(u.pages.list))
	}
}

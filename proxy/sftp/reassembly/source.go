package reassembly

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A source is an Upload as the proxy.Source of its Put. It is also the reader of all its runs of new bytes.
type source struct{ *Upload }

// start begins the Put, unless it has begun.
func (u *Upload) start() {
	if u.put.started {
		return
	}
	if u.written && u.pages.endOf(0) >= u.baseEnd && !u.appends {
		u.dropBase() // all of it is overwritten
	}
	w := proxy.Write{New: u.config.New, Base: u.base.ETag}
	switch {
	case u.closed:
		w.Size = u.pages.inMemory()
	case u.baseEnd <= u.final && !u.copies: // all that follows is new
		w.Size = max(0, u.required-u.final)
	}
	u.put.started = true
	go func() { u.endPut(u.config.Put(source{u}, w)) }()
}

// endPut notes the result of the Put.
func (u *Upload) endPut(stored proxy.Stored, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if err == nil && !u.put.committed {
		err = errors.New("the store did not wait for the end of the upload")
	}
	switch {
	case u.err == nil:
		u.err = err
	case err != nil && !errors.Is(err, u.err):
		u.err = fmt.Errorf("%w: %w", u.err, err)
	}
	u.put.ended, u.put.stored = true, stored
	u.freePages()
	u.changed.Broadcast()
}

// maxSent limits how many separate ranges of sent bytes are remembered. Beyond it, the bytes between two of them count as sent.
const maxSent = 1024

// advanceSent declares that the store has the next n bytes of the content, which are not those of the base.
func (u *Upload) advanceSent(n int64) {
	from, last := u.position, len(u.sent)-1
	switch {
	case n == 0:
		return
	case last >= 0 && (u.sent[last].to == from || len(u.sent) == maxSent):
		u.sent[last].to = from + n
	default:
		u.sent = append(u.sent, span{from, from + n})
	}
	u.advance(n)
}

// advance declares that the store has the next n bytes of the content.
func (u *Upload) advance(n int64) {
	u.position += n
	u.final = max(u.final, u.position)
	u.freePages()
	u.changed.Broadcast()
}

// coming returns the next bytes of the content that were not written, up to the next that were: first those of the base, then
// zeros. With an error, the source ends.
func (u *Upload) coming() (ofBase, zeros int64, err error) {
	gap := u.pages.gapAt(u.position, u.final)
	ofBase = max(0, min(gap.to, u.baseEnd)-gap.from)
	zeros = gap.to - gap.from - ofBase
	resumes := ofBase > 0 && u.base.Resumable
	switch hasBytes := resumes || u.pages.has(u.position); {
	case u.err != nil && (!hasBytes || u.copies || errors.Is(u.err, proxy.ErrDiscard)):
		err = u.err
		if u.put.failsCommit {
			err = io.EOF
		}
	case u.closed && !hasBytes && u.position == u.final:
		err = io.EOF
	}
	return ofBase, zeros, err
}

// appendsToFree reports whether the upload appends to a name that had no file when the handle was opened. It follows a file that has got
// the name since: another client's append, which was acknowledged, must not be lost.
func (u *Upload) appendsToFree() bool {
	return u.config.Append && !u.config.Truncate && !u.config.New && u.config.Base == (proxy.Entry{})
}

// Next implements proxy.Source.
func (s source) Next(context.Context) (proxy.Run, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ofBase, _, err := s.coming()
	switch {
	case err != nil:
		return proxy.Run{}, err
	case s.appendsToFree() && !s.put.follows:
		s.put.follows = true
		return proxy.Run{Copy: &proxy.Copy{Length: -1}}, nil
	}
	if c, ok := s.pages.copyAt(s.position); ok {
		s.pages.remove(c.span)
		s.advanceSent(c.source.Length)
		return proxy.Run{Copy: &c.source}, nil
	}
	if ofBase == 0 {
		return proxy.Run{New: s}, nil
	}
	defer s.advance(ofBase)
	kept := &proxy.Copy{Offset: s.position, Length: ofBase}
	if !s.appends { // to patch a file is not to resume an upload
		kept.ETag = s.base.ETag
	}
	return proxy.Run{Copy: kept}, nil
}

// Read implements io.Reader. It returns io.EOF at the end and before a copy.
func (s source) Read(p []byte) (n int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n == 0 && len(p) > 0 {
		ofBase, zeros, err := s.coming()
		switch {
		case err != nil:
			return 0, err
		case ofBase > 0:
			return 0, io.EOF
		case zeros > 0:
			n = int(min(int64(len(p)), zeros))
			clear(p[:n])
			s.advanceSent(int64(n))
		case s.isCopied():
			return 0, io.EOF
		case s.pages.has(s.position):
			n = s.pages.move(p, s.position)
			s.advanceSent(int64(n))
		default:
			n = s.awaitBytes(p)
		}
	}
	return n, nil
}

// isCopied reports whether the next bytes are those of another file.
func (s source) isCopied() bool {
	_, ok := s.pages.copyAt(s.position)
	return ok
}

// awaitBytes waits until a Write fills p, or until anything else changes. It returns how many bytes p has got.
func (s source) awaitBytes(p []byte) int {
	s.put.space, s.put.filled = p, 0
	s.changed.Broadcast()
	s.changed.Wait()
	for s.put.filling {
		s.changed.Wait()
	}
	s.put.space = nil
	return s.put.filled
}

// Attributes implements proxy.Source.
func (s source) Attributes() proxy.Attributes {
	s.mu.Lock()
	defer s.mu.Unlock()
	return proxy.Attributes{ModTime: s.mtime}
}

// Commit implements proxy.Source.
func (s source) Commit() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.err != nil:
		return s.err
	case !s.closed || s.position != s.final || s.pages.bytes > 0:
		return s.fail(errors.New("the store has not read the whole content"))
	}
	s.put.committed = true
	return nil
}

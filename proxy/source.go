package proxy

import (
	"context"
	"io"
	"time"
)

// A Source is an upload as a [Store] sees it: runs of new bytes and runs copied from stored files, in the order of the
// content. A store that refuses an upload must do so before it reads the first new byte: a client may wait for the answer
// before it sends.
type Source interface {
	// Next returns the next run of the content, and io.EOF after the last one. The store must first read the New of the
	// previous run to its io.EOF.
	Next(ctx context.Context) (Run, error)

	// Attributes returns the attributes to set with the content. They are final once Next has returned io.EOF.
	Attributes() Attributes

	// Commit must be called after Next has returned io.EOF. It blocks until the upload is known to be complete, and
	// returns nil, or the reason why it is not. Further calls return the same. Meanwhile the store may prepare
	// the file, but must not publish it before Commit returns nil.
	Commit() error
}

// Attributes are set together with the content of a file. The zero value sets none.
type Attributes struct {
	// ModTime is the modification time, see [Store.SetTime]; zero = the time of the upload. A store that cannot set it
	// together with the content sets it after the commit. If that fails, it logs a warning, and the upload succeeds.
	ModTime time.Time
}

// A Run is a sequence of bytes of the content. Exactly one of its fields is set.
type Run struct {
	Copy *Copy     // stored bytes
	New  io.Reader // new bytes, to the reader's io.EOF; any other error fails the upload
}

// A Copy is a range of a file or of a resumable upload, which the store copies on its side.
type Copy struct {
	From   string // the name; "" = the name that is written
	ETag   string // of the version of From, any other version is [ErrStale]; "" = the version at the first copy from it
	Offset int64  // of the first byte
	Length int64  // in bytes; negative = to the end
}

// Write has the conditions of a Put, and the announced size.
type Write struct {
	New bool // the name must be free, otherwise the error is fs.ErrExist

	// Early, with New, refuses an existing file also before the store calls Source.Next. That costs a request.
	Early bool

	// Started is called with the ID of each upload that the Put begins and that may be resumed if the Put fails: it is then
	// the ETag of the Entry. nil = nothing is called.
	Started func(upload string)

	// Found is called with the file that the Put replaces and of which it copies bytes, before the store reads the first new byte.
	// nil = nothing is called.
	Found func(Entry)

	// Base is the ETag, from an [Entry], of the file or resumable upload at the name that is written, for uploads that
	// copy bytes of it. Its effect depends on the first run.
	//
	// If the first run copies the beginning of that name, the Put resumes an upload or keeps the beginning of the file:
	//
	//   - A copy of n bytes is of Base. If the name has another version, or a resumable upload that is newer than the
	//     file, the error is an [OffsetError]. Without Base, the copy is of a resumable upload if that is newer
	//     than the file, and must then be all of it; otherwise it is of the file.
	//   - A copy to the end is of the file, whatever its version; without a file it is empty. With Base, a resumable
	//     upload that is newer than the file is an [OffsetError], because the caller may mean to resume that one.
	//   - A copy with an ETag is of the file in that version, and Base must be the same or empty. Another version is [ErrStale].
	//     Resumable uploads do not matter.
	//
	// With any other first run, Base is the version of the file that the Put replaces, and another version is [ErrStale].
	// Without Base, that is the current version if the first run copies from it. If it does not, later copies from the
	// name that is written are errors.ErrUnsupported.
	Base string

	Size int64 // of the new bytes, as announced; 0 = unknown
}

package proxy

import (
	"context"
	"io"
	"time"
)

// A Source is an upload as a [Store] sees it: runs of new bytes, and of bytes that are there already, as many as it takes, in the
// order of the content. A store that
// refuses an upload does so before it reads the first new byte, for which a client may be waiting.
type Source interface {
	// Next returns the next run of the content, and io.EOF after the last one. The store must have read the New of
	// the run before to its io.EOF.
	Next(ctx context.Context) (Run, error)

	// Attributes returns what the file is to have besides its content. They are complete once Next has returned io.EOF.
	Attributes() Attributes

	// Commit blocks until the upload is known to be whole, or returns why it is not; it returns the same when it is
	// called again. A store may prepare everything meanwhile, but nothing may be visible before Commit returns nil.
	// It must be called after Next has returned io.EOF.
	Commit() error
}

// Attributes are set with the content of a file. The zero value sets none.
type Attributes struct {
	// ModTime is the modification time, see [Store.SetTime]; zero = that of the upload. A store that cannot set it
	// together with the content sets it after the commit, and logs a warning if that fails: the upload has succeeded.
	ModTime time.Time
}

// A Run is a stretch of the content: either of the two.
type Run struct {
	Copy *Copy     // bytes that are there already
	New  io.Reader // new ones, to the reader's io.EOF; any other error breaks the upload
}

// A Copy is a range of a file, or of an upload that can be resumed, which the store copies by itself.
type Copy struct {
	From   string // the name; "" = that of the upload itself
	ETag   string // of the version of From, which else is [ErrStale]; "" = the one that is there when a Put first copies from it
	Offset int64  // of the first byte
	Length int64  // in bytes; below 0 = to the end
}

// Write says on what conditions a Put stores a file, and how much comes.
type Write struct {
	New bool // the name must be free, else fs.ErrExist

	// Base is the ETag, as an [Entry] had it, of the file or of the resumable upload whose bytes are copied from the
	// upload's own name. What is there otherwise depends on the first run:
	//
	// If that copies the beginning of the upload's own name, it resumes an upload or keeps the beginning of the file. If
	// another one than Base is there, the Put fails with an [OffsetError]. "" = the store decides: a resumable upload that
	// is newer than the file comes first, and must be resumed where it stands. A copy to the end is of the file that is
	// there, of any version, or of none. With a Base, a resumable upload that is newer than the file is an [OffsetError]:
	// the caller may mean to go on with that one.
	//
	// In all other cases Base is of the file that the upload replaces, and another version of it is [ErrStale]. "" = the
	// version that is there, if the first run copies from it; and else copies from the upload's own name are
	// errors.ErrUnsupported.
	Base string

	Size int64 // of the new bytes, as announced; 0 = unknown
}

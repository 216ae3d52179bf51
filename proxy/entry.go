package proxy

import (
	"errors"
	"io"
	"time"
)

// An Entry describes a file, a directory, or an upload that broke and can be resumed.
type Entry struct {
	Name      string    // the last element of the path; "/" for the root
	Size      int64     // bytes; of a resumable upload, those that are safe; 0 for a directory
	ModTime   time.Time // zero = unknown; the years of others have four digits
	Dir       bool
	Resumable bool // there is no file of this name, but an upload to it that can be resumed
	// ETag changes whenever the content does; "" = unknown, as that of a directory. Of a resumable upload it is the upload ID.
	ETag string
	// Denied is what the account may not do with it. 0 = nothing is denied.
	Denied Permissions
}

// Permissions is a set of what an account may do.
type Permissions uint8

// The permissions of an account.
const (
	PermList      Permissions = 1 << iota // list a directory
	PermRead                              // read a file, or copy from it
	PermWrite                             // store files under new names, and resume uploads to them
	PermOverwrite                         // replace, append to or change files
	PermDelete                            // remove files and directories
	PermRename
	PermMkdir
)

// A Range is a part of one version of a file. The zero value is all of the present one.
type Range struct {
	ETag   string // of the version; "" = the present one
	Offset int64  // of the first byte
	Length int64  // in bytes; 0 = to the end
}

// A Reader reads a range of one version of a file. io.EOF means that the content is complete. A store may let it implement
// io.WriterTo, which io.Copy uses, where that is cheaper.
type Reader interface {
	io.ReadCloser
	// Entry describes the version that is read, all of it.
	Entry() Entry
}

// An OffsetError says that the offset of a [Write] does not fit, and which one does.
type OffsetError struct {
	Offset int64 // bytes that are safe, of a resumable upload or of the file
	Err    error // why; wraps syscall.ESPIPE
}

func (e *OffsetError) Error() string { return e.Err.Error() }
func (e *OffsetError) Unwrap() error { return e.Err }

// FittingOffset returns the offset that an error tells, see [OffsetError].
func FittingOffset(err error) (offset int64, ok bool) {
	if e, ok := errors.AsType[*OffsetError](err); ok {
		return e.Offset, true
	}
	return 0, false
}

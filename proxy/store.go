package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"time"
)

// A Store is a tree of files and directories. The protocols use nothing else of a storage.
//
// Names are absolute, slash-separated and clean: "/", "/a", "/a/b". Unlike a disk, a store may have a file and a directory of
// the same name; the method determines which one is used. Methods may be called from many goroutines at once.
//
// Errors are tested with errors.Is:
//
//   - fs.ErrNotExist, fs.ErrExist: as in io/fs;
//   - fs.ErrPermission: the storage refused; ErrDenied: a rule of the account did, before the storage was asked;
//   - fs.ErrInvalid: the store cannot have such a name;
//   - syscall.EISDIR: the name is a directory, not a file; ENOTDIR: a file, not a directory; ENOTEMPTY: the directory is not empty;
//   - syscall.ESPIPE: the offset does not fit;
//   - syscall.E2BIG: too much metadata for one file;
//   - syscall.EFBIG: the file is too large, or the operation would change too many files;
//   - syscall.ENOSPC: the storage is full; ENOBUFS: no buffer became free in time;
//   - ErrStale: the requested version of a file does not exist any more;
//   - syscall.EBUSY: another session is changing the same name: retry; an upload can be resumed;
//   - errors.ErrUnsupported: the store can never do this.
//
// Any other error means that the storage failed; a later retry may succeed.
type Store interface {
	// Stat describes the file with this name or, if it does not exist, the directory. A name with a slash at its end means
	// the directory only.
	//
	// If neither exists, but a failed upload to the name can be resumed, the entry is Resumable. Its Size is less than
	// the size of the complete file, even if all data had arrived: clients compare sizes to see whether a file is stored.
	Stat(ctx context.Context, name string) (Entry, error)

	// List yields the entries of dir whose names begin with prefix, as they arrive, sorted by the bytes of their names. A
	// directory may be sorted as if its name ended in a slash. If dir does not exist and prefix is empty, List yields
	// fs.ErrNotExist; "/" always exists. An error is the last value that it yields.
	List(ctx context.Context, dir, prefix string) iter.Seq2[Entry, error]

	// Open reads a range of a file. All bytes are of one version: if the file is replaced or deleted meanwhile and the rest
	// cannot be read, the reader fails with ErrStale. Open fails with ErrStale if at.ETag is not the current version.
	// A range from the end of the file is empty; an offset beyond it is syscall.ESPIPE. A range that is longer than the
	// file ends with the file.
	Open(ctx context.Context, name string, at Range) (Reader, error)

	// Put stores the runs of src as the file name. It publishes the file only if src.Next has returned io.EOF and then
	// src.Commit nil, and returns nil when the file is complete and durable. If src fails, Put returns its error, wrapped or
	// not, and name stays as it was. The upload can then be resumed, unless the error is ErrDiscard.
	//
	// After Commit, ctx ends only if the server must stop. Put then returns within a minute. Its error wraps
	// context.Canceled if it is unknown whether the file was published.
	//
	// If the first run copies the beginning of name itself, Put resumes a failed upload at the offset that Stat reported,
	// or keeps the beginning of the file, see [Write]. If the offset does not fit, the error is syscall.ESPIPE and an
	// [OffsetError]. Any further copy in a resumed upload is errors.ErrUnsupported.
	//
	// All copies from a file are of one version of it. A range beyond its end is an [OffsetError] with its size. If the file
	// that is replaced changes before the Put publishes, the error is syscall.EBUSY if bytes of it were copied. If another
	// file changes before it is copied, the error is ErrStale. A store that cannot copy returns ErrNoCopy.
	Put(ctx context.Context, name string, src Source, w Write) (Stored, error)

	// Rename moves a file, or a directory with all its entries. If to is a file and replace is true, a file replaces it;
	// otherwise an existing file or directory at to is fs.ErrExist.
	Rename(ctx context.Context, from, to string, replace bool) (Stored, error)

	// Remove deletes a file, or a resumable upload. A directory is syscall.EISDIR.
	Remove(ctx context.Context, name string) (Stored, error)

	// Mkdir creates an empty directory; its parent need not exist. An existing directory or file is fs.ErrExist.
	Mkdir(ctx context.Context, dir string) (Stored, error)

	// Rmdir deletes an empty directory. A file is syscall.ENOTDIR, a directory with entries syscall.ENOTEMPTY.
	Rmdir(ctx context.Context, dir string) (Stored, error)

	// SetTime sets the modification time that Stat reports. A directory is syscall.EISDIR.
	SetTime(ctx context.Context, name string, mtime time.Time) (Stored, error)

	// Sum returns a checksum of length bytes of a file from offset; a negative length means to the end. The algorithm is
	// one of [Algorithms]. etag is the version of the file, and any other version is ErrStale; "" = the current one.
	Sum(ctx context.Context, name, etag, algorithm string, offset, length int64) ([]byte, error)

	// Usage returns the total size in bytes and the number of the files in dir and all directories below it. Resumable
	// uploads do not count. A missing directory counts as empty.
	Usage(ctx context.Context, dir string) (bytes, files int64, err error)
}

// ErrStale means that a version of a file does not exist any more: the file was replaced or deleted.
var ErrStale = errors.New("the file was changed or removed")

// ErrNoCopy means that the storage cannot copy a range of a file that is too long to be read instead.
var ErrNoCopy = fmt.Errorf("the storage cannot copy ranges of files: %w", errors.ErrUnsupported)

// ErrDenied means that a rule of the account forbids an operation; the storage was not asked. It wraps fs.ErrPermission,
// which by itself is a refusal by the storage.
var ErrDenied = fmt.Errorf("forbidden for this account: %w", fs.ErrPermission)

// ErrDiscard means that an upload must not be resumed, because its data is corrupt or exceeds a limit. Errors of a
// [Source] wrap it.
var ErrDiscard = errors.New("upload is discarded")

// ErrNotCounted means that an upload was refused because it is not known yet how much of a quota is used.
var ErrNotCounted = errors.New("it is not known yet how much of the quota is used")

// A LimitError means that an upload exceeds a limit of the account. It is ErrDiscard.
type LimitError struct {
	Text string // a sentence for the client, in ASCII
}

func (e *LimitError) Error() string        { return e.Text }
func (e *LimitError) Is(target error) bool { return target == ErrDiscard }

// Stored describes a change that a [Store] has made, or a file that a [Reader] reads, for logs, audits and events. Fields that the
// store did not learn from the change or the reading itself are empty: it sends no request for them. With an error, Bucket and Key
// may be set.
type Stored struct {
	Bucket   string // "" = the store has no buckets
	Key      string // of the written, removed or read file or directory, as the storage names it; a directory's ends in a slash
	From     string // the old key of a rename
	Size     int64  // bytes of a written, renamed or read file
	ETag     string // of a written, renamed or read file
	OldETag  string // of the replaced or removed file
	OldSize  int64  // bytes of the removed file; OldETag is then not empty
	Version  string // the version ID of a written or read file
	Checksum string // of a written file, as S3 stores it: algorithm, colon, value, e.g. "CRC32C:yZRlqg=="
}

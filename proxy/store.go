package proxy

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"time"
)

// A Store is all that a front-end asks of a storage.
//
// Names are absolute, slash-separated and clean: "/", "/a", "/a/b". A store has files and directories, and,
// unlike a disk, may hold a file and a directory of one name; the method called says which is meant.
// A method may be called from many goroutines at once.
//
// Errors are judged with errors.Is, in the standard library's words:
//
//   - fs.ErrNotExist, fs.ErrExist, fs.ErrPermission: as in io/fs; ErrDenied where a rule forbids it, and not the storage;
//   - fs.ErrInvalid: the store cannot hold such a name;
//   - syscall.EISDIR, ENOTDIR, ENOTEMPTY: a directory where a file is wanted, the reverse, a full directory;
//   - syscall.ESPIPE: the offset does not fit;
//   - syscall.E2BIG: the store cannot hold that much metadata of a file;
//   - syscall.EFBIG: more than the store takes in one file or in one step;
//   - syscall.ENOSPC: the storage is full; ENOBUFS: no buffer came free in time;
//   - ErrStale: the version of a file that was asked for, or that is being read, is no longer there;
//   - syscall.EBUSY: another session changes the same name, and trying again is sensible; an upload can be resumed;
//   - errors.ErrUnsupported: the store cannot do this at all.
//
// Any other error means that the storage failed, and that trying again later is sensible.
type Store interface {
	// Stat describes the file of that name or, when there is none, the directory.
	// A name that ends in a slash asks for the directory alone.
	//
	// Where there is neither, but an upload to the file broke and can be resumed, the entry is Resumable. If the data had
	// ended by then, its Size is at least one byte less than all: clients compare the size with that of their own file and
	// take it for stored where both are the same.
	Stat(ctx context.Context, name string) (Entry, error)

	// List yields the entries of dir whose names begin with prefix, as they arrive, in the order of their bytes;
	// a directory's name may count with a slash at its end for that.
	// With an empty prefix a directory that does not exist yields fs.ErrNotExist; "/" always exists.
	// After an error nothing more is yielded.
	List(ctx context.Context, dir, prefix string) iter.Seq2[Entry, error]

	// Open reads a range of a file. All bytes are of one version of the file: where another has taken its place, or it
	// was deleted, and the rest cannot be had, the reader fails with ErrStale; so does Open if the range's version
	// is not the present one. An offset equal to the size reads nothing; beyond it, the error is syscall.ESPIPE. A range
	// that is longer than the file ends with it.
	Open(ctx context.Context, name string, at Range) (Reader, error)

	// Put makes the runs of src the content of name, and returns nil when that is complete and durable. It publishes
	// when src has ended with io.EOF and its Commit has returned nil, and in no other case: any other error leaves name as
	// it was and is returned, wrapped or not. After one that is ErrDiscard, nothing of the upload is kept for resuming.
	//
	// After Commit ctx ends only when the server must: then Put returns within a minute, and its error wraps
	// context.Canceled if it is not known whether the content was published.
	//
	// A first copy from the beginning of the name itself resumes an upload that broke, at the offset that Stat told, or keeps
	// so much of the file that is there, see [Write]. What does not fit is syscall.ESPIPE, and an [OffsetError] tells what
	// does. A copy to the end where nothing is there is empty. Behind what was resumed, copies are errors.ErrUnsupported.
	//
	// Copies are of one version of each file: a range that goes beyond its end is an [OffsetError] with its size. If the file
	// of which something is kept changes before the new content is published, the Put fails with syscall.EBUSY; if another
	// source does before it is copied, with ErrStale. A store that cannot copy, or
	// could have done so only if it had known of it before the first new byte, answers errors.ErrUnsupported.
	Put(ctx context.Context, name string, src Source, w Write) (Stored, error)

	// Rename moves a file, or a directory with all below it. A file at the new name is replaced by a file if replace is
	// true, and is fs.ErrExist if not; a directory there is fs.ErrExist.
	Rename(ctx context.Context, from, to string, replace bool) (Stored, error)

	// Remove deletes a file. A directory is syscall.EISDIR.
	Remove(ctx context.Context, name string) (Stored, error)

	// Mkdir makes an empty directory; those above it need not exist.
	// A directory or file of that name is fs.ErrExist.
	Mkdir(ctx context.Context, dir string) (Stored, error)

	// Rmdir deletes an empty directory. A file is syscall.ENOTDIR, a full one syscall.ENOTEMPTY.
	Rmdir(ctx context.Context, dir string) (Stored, error)

	// SetTime changes the modification time that Stat reports.
	SetTime(ctx context.Context, name string, mtime time.Time) (Stored, error)

	// Sum returns a checksum of length bytes from offset on. The algorithm is one of CRC32, MD5, SHA-1,
	// SHA-256 and SHA-512; a length below 0 means to the end.
	Sum(ctx context.Context, name, algorithm string, offset, length int64) ([]byte, error)

	// Usage returns the total size of the files in dir and in all directories below it, in bytes, and their number.
	// Uploads that can be resumed do not count. An empty or missing directory has none.
	Usage(ctx context.Context, dir string) (bytes, files int64, err error)
}

// ErrStale says that a version of a file is no longer there: another has taken its place, or it was deleted.
var ErrStale = errors.New("the file has changed, or was removed")

// ErrDenied says that a rule forbids the account what it asks for, and that the storage was not asked. It wraps
// fs.ErrPermission, which by itself is the storage's refusal.
var ErrDenied = fmt.Errorf("the account may not do this: %w", fs.ErrPermission)

// ErrDiscard is the error of an upload of which nothing may be resumed: its data is corrupt, or it exceeds a limit.
// Errors of a [Source] wrap it.
var ErrDiscard = errors.New("nothing of the upload is kept")

// Stored describes a change that a [Store] has made, for logs, audits and events. A field that the change has not told
// the store is empty: no request is made for it.
type Stored struct {
	Bucket   string // "" = the store has none
	Key      string // of the file or directory that was written or removed, as the storage names it
	From     string // the key that a rename removed
	Size     int64  // bytes of a written file
	ETag     string // of a written file
	OldETag  string // of the file that was replaced or removed
	Version  string // the version ID of a written file
	Checksum string // of a written file, as S3 keeps it: the algorithm, a colon and the value, e.g. "CRC32C:yZRlqg=="
}

package proxy

import (
	"context"
	"io"
	"io/fs"
	"iter"
	"time"
)

// A Store is all that proxy asks of a storage.
//
// Names are absolute, slash-separated and clean: "/", "/a", "/a/b". A store has files and directories, and,
// unlike a disk, may hold a file and a directory of one name; the method called says which is meant.
// A method may be called from many goroutines at once.
//
// Errors are judged with errors.Is, in the standard library's words:
//
//   - fs.ErrNotExist, fs.ErrExist, fs.ErrPermission: as in io/fs;
//   - fs.ErrInvalid: the store cannot hold such a name;
//   - syscall.EISDIR, ENOTDIR, ENOTEMPTY: a directory where a file is wanted, the reverse, a full directory;
//   - syscall.ESPIPE: the offset does not fit;
//   - syscall.EFBIG: more than the store takes in one file or in one step;
//   - syscall.ENOSPC: the storage is full; ENOBUFS: no buffer came free in time;
//   - syscall.ESTALE: the file that is being read is no longer the one that was opened;
//   - errors.ErrUnsupported: the store cannot do this at all.
//
// Any other error means that the storage failed, and that trying again later is sensible.
type Store interface {
	// Stat describes the file of that name or, when there is none, the directory.
	// A name that ends in a slash asks for the directory alone.
	// A directory whose time is unknown has a zero ModTime; the years of others have four digits.
	//
	// Where there is neither, but an upload to the file broke and can be resumed, the error, fs.ErrNotExist, may have a
	// method Offset() int64, which tells how many bytes are safe. If the data had ended by then, that is at least one fewer
	// than all: clients compare the size with that of their own file and take it for stored where both are the same.
	Stat(ctx context.Context, name string) (fs.FileInfo, error)

	// List yields the entries of dir whose names begin with prefix, as they arrive, in the order of their bytes;
	// a directory's name may count with a slash at its end for that.
	// With an empty prefix a directory that does not exist yields fs.ErrNotExist; "/" always exists.
	// After an error nothing more is yielded.
	List(ctx context.Context, dir, prefix string) iter.Seq2[fs.FileInfo, error]

	// Open reads a file from offset on. What it returns may also be an io.WriterTo and may have the Stat
	// method of fs.File. All bytes are of one version of the file: where another has taken its place, or it
	// was deleted, and the rest cannot be had, the reader fails with syscall.ESTALE. io.EOF from it means that
	// the content is complete. An offset equal to the size reads nothing; beyond it, the error is syscall.ESPIPE.
	Open(ctx context.Context, name string, offset int64) (io.ReadCloser, error)

	// Put makes r, read to io.EOF, the content of name from w.Offset on. io.EOF from r is the order to
	// publish; any other error leaves name as it was and is returned, wrapped or not. After one that is
	// syscall.EBADMSG, what was read is wrong, and nothing of it may be resumed.
	// When Put returns nil the content is complete and durable.
	//
	// With an offset, Put goes on where an earlier one broke, at the offset that Stat told, or keeps so much of the file
	// that is there. If there are both and the file is the older, the offset has to be that of the broken one. What does
	// not fit is syscall.ESPIPE, and the error has a method Offset() int64 for what does.
	//
	// With both Append and Offset, the caller takes the file's end to be there. Then a newer upload that broke is
	// syscall.ESPIPE, as the caller may mean to go on with that one.
	//
	// r may have a method Hold() (order func() error), by which a store can get ready while the order is still
	// waited for: if it is called before the first Read, io.EOF means no more than that the data has ended, and
	// the order to publish is that order returns nil; its error is r's. A store that does not call it
	// need not know of it.
	Put(ctx context.Context, name string, r io.Reader, w Write) error

	// Rename moves a file, or a directory with all below it. A file at the new name is replaced;
	// a directory there is fs.ErrExist.
	Rename(ctx context.Context, from, to string) error

	// Remove deletes a file. A directory is syscall.EISDIR.
	Remove(ctx context.Context, name string) error

	// Mkdir makes an empty directory; those above it need not exist.
	// A directory or file of that name is fs.ErrExist.
	Mkdir(ctx context.Context, dir string) error

	// Rmdir deletes an empty directory. A file is syscall.ENOTDIR, a full one syscall.ENOTEMPTY.
	Rmdir(ctx context.Context, dir string) error

	// SetTime changes the modification time that Stat reports.
	SetTime(ctx context.Context, name string, mtime time.Time) error

	// Sum returns a checksum of length bytes from offset on. The algorithm is one of CRC32, MD5, SHA-1,
	// SHA-256 and SHA-512; a length below 0 means to the end.
	Sum(ctx context.Context, name, algorithm string, offset, length int64) ([]byte, error)
}

// Write says how a Put begins. The zero value replaces what is there, with a content of unknown length.
//
// It is an alias, so that a package can implement Store without importing this one.
type Write = struct {
	Offset int64 // where the first byte goes; the bytes before it are kept
	Broken bool  // the bytes before Offset are those of an upload that broke, and of nothing else
	Append bool  // begin at the end, wherever that is
	New    bool  // the name must be free, else fs.ErrExist
	Size   int64 // bytes to come, as announced; 0 = unknown
}

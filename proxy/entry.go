package proxy

import (
	"io"
	"strings"
	"time"
)

// An Entry describes a file, a directory, or a failed upload that can be resumed.
type Entry struct {
	Name      string    // the last element of the path; "/" for the root
	Size      int64     // bytes; of a resumable upload, those that are stored; 0 for a directory
	ModTime   time.Time // in the years 1 to 9999; zero = unknown
	Dir       bool
	Fixed     bool // a directory that cannot be removed or renamed
	Resumable bool // no file has this name, but a failed upload to it can be resumed
	// ETag changes with the content; "" = unknown, or a directory. Of a resumable upload it is the upload ID.
	ETag string
	// Denied are the permissions that the account lacks for this entry.
	Denied Permissions
}

// ListTime returns the modification time as ls -l does, in UTC: with hour and minute if it is within the six months before now, else
// with the year. An unknown one is now.
func (e Entry) ListTime(now time.Time) string {
	now = now.UTC()
	t := e.ModTime.UTC()
	if e.ModTime.IsZero() {
		t = now
	}
	if t.Before(now.AddDate(0, -6, 0)) || t.After(now.Add(24*time.Hour)) {
		return t.Format("Jan _2  2006")
	}
	return t.Format("Jan _2 15:04")
}

// Permissions is a set of operations that an account may use.
type Permissions uint8

// The permissions of an account.
const (
	PermList      Permissions = 1 << iota // list a directory
	PermRead                              // read or copy a file
	PermWrite                             // store a new file, or resume an upload to one
	PermOverwrite                         // replace, append to or change a file
	PermDelete                            // remove files and directories
	PermRename
	PermMkdir

	PermAll = PermList | PermRead | PermWrite | PermOverwrite | PermDelete | PermRename | PermMkdir
)

// permissionNames are the names of the permissions in the configuration.
var permissionNames = [...]string{"list", "read", "write", "overwrite", "delete", "rename", "mkdir"}

// String returns the names of the permissions, joined by commas; "none" = no permission.
func (p Permissions) String() string {
	var names []string
	for i, name := range permissionNames {
		if p&(1<<i) != 0 {
			names = append(names, name)
		}
	}
	if names == nil {
		return "none"
	}
	return strings.Join(names, ", ")
}

// A Range is a byte range of one version of a file. The zero value is all of the current version.
type Range struct {
	ETag   string // of the version; "" = the current one
	Offset int64  // of the first byte
	Length int64  // in bytes; 0 = to the end of the file
}

// A Reader reads a range of one version of a file. It returns io.EOF only after all bytes of the range. It may implement
// io.WriterTo, which io.Copy then uses.
type Reader interface {
	io.ReadCloser
	// Entry describes the version that is read; its Size is that of the whole file.
	Entry() Entry
	// Stored describes the version that is read as the storage names it.
	Stored() Stored
}

// An OffsetError reports that the offset of an upload or of a copy does not fit, and contains the one that does.
type OffsetError struct {
	Offset int64 // stored bytes of the resumable upload, or the size of the file
	Err    error // wraps syscall.ESPIPE
}

func (e *OffsetError) Error() string { return e.Err.Error() }
func (e *OffsetError) Unwrap() error { return e.Err }

package ftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/s3ftpd/s3ftpd/proxy/ftp/names"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A reportedEntry is what a client has heard of a file, or of a resumable upload: it may go on from there with APPE.
type reportedEntry struct {
	proxy.Entry
	name string
}

// stat describes what has a name. An upload that can be resumed is no file yet.
func stat(ctx context.Context, store proxy.Store, name string) (proxy.Entry, error) {
	e, err := store.Stat(ctx, name)
	if err == nil && e.Resumable {
		return proxy.Entry{}, fmt.Errorf("%q: %w, but an upload that can be resumed", name, fs.ErrNotExist)
	}
	return e, err
}

// look describes what has a name, and if there is nothing, the upload to it that can be resumed. Which size a client
// has heard, its APPE begins with.
func (s *session) statAndReport(ctx context.Context, name string) (proxy.Entry, error) {
	e, err := s.store.Stat(ctx, name)
	if err == nil && !e.Dir {
		s.reported = reportedEntry{e, name}
	}
	return e, err
}

// takeReported takes what the client has heard of a file, the zero value if that was of another one.
func (s *session) takeReported(arg string) proxy.Entry {
	told := take(&s.reported)
	if name, err := names.Resolve(s.dir, arg); err != nil || name != told.name {
		return proxy.Entry{}
	}
	return told.Entry
}

// atWrongOffset refuses an upload to an offset that does not fit, and says which one does.
func atWrongOffset(err error) (reply, bool) {
	e, ok := errors.AsType[*proxy.OffsetError](err)
	if !ok {
		return reply{}, false
	}
	n := e.Offset
	if n == 0 {
		return reply{554, "Invalid offset, nothing to resume: start at 0."}, true
	}
	return reply{554, fmt.Sprintf("Invalid offset, %d bytes stored: send REST %d.", n, n)}, true
}

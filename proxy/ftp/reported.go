package ftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/s3ftpd/s3ftpd/proxy/names"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A reportedEntry is a file or resumable upload as reported to the client. APPE may continue from its size.
type reportedEntry struct {
	proxy.Entry
	name string
}

// stat stats a name. A resumable upload is fs.ErrNotExist.
func stat(ctx context.Context, store proxy.Store, name string) (proxy.Entry, error) {
	e, err := store.Stat(ctx, name)
	if err == nil && e.Resumable {
		return proxy.Entry{}, fmt.Errorf("%q: %w, only a resumable upload", name, fs.ErrNotExist)
	}
	return e, err
}

// statAndReport stats a name, and returns a resumable upload if no file has it. It remembers the entry for a following APPE.
func (s *session) statAndReport(ctx context.Context, name string) (proxy.Entry, error) {
	e, err := s.store.Stat(ctx, name)
	if err == nil && !e.Dir {
		s.reported = reportedEntry{e, name}
	}
	return e, err
}

// takeReported returns the reported entry if it has that name, and clears it.
func (s *session) takeReported(arg string) proxy.Entry {
	told := take(&s.reported)
	if name, err := names.Resolve(s.dir, arg); err != nil || name != told.name {
		return proxy.Entry{}
	}
	return told.Entry
}

// atWrongOffset returns the reply to an upload at an invalid offset, with the valid one.
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

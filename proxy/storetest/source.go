package storetest

import (
	"context"
	"io"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A source is a [proxy.Source] for tests.
type source struct {
	runs       []proxy.Run
	commit     func() error
	attributes proxy.Attributes
}

// Source returns a source with copies, and then the bytes of r, to its io.EOF, as new ones. Its Commit returns nil.
func Source(r io.Reader, before ...proxy.Copy) proxy.Source { return Uncommitted(r, nil, before...) }

// Uncommitted is Source with a Commit that returns err.
func Uncommitted(r io.Reader, err error, before ...proxy.Copy) proxy.Source {
	return CommittedBy(r, func() error { return err }, before...)
}

// CommittedBy is Source with the given Commit.
func CommittedBy(r io.Reader, commit func() error, before ...proxy.Copy) proxy.Source {
	s := &source{commit: commit}
	for _, c := range before {
		s.runs = append(s.runs, proxy.Run{Copy: &c})
	}
	s.runs = append(s.runs, proxy.Run{New: r})
	return s
}

// WithModTime is Source with a modification time.
func WithModTime(r io.Reader, mtime time.Time) proxy.Source {
	return &source{runs: []proxy.Run{{New: r}}, commit: func() error { return nil }, attributes: proxy.Attributes{ModTime: mtime}}
}

// Runs returns a source with these runs. Its Commit returns nil.
func Runs(runs ...proxy.Run) proxy.Source {
	return &source{runs: runs, commit: func() error { return nil }}
}

// withCommitError returns src with a Commit that returns err. The src must be from this package.
func withCommitError(src proxy.Source, err error) proxy.Source {
	s := *src.(*source)
	s.commit = func() error { return err }
	return &s
}

// New returns a run of new bytes, to the io.EOF of r.
func New(r io.Reader) proxy.Run { return proxy.Run{New: r} }

// Kept returns a run that copies length bytes of the name that is written; a negative length = to its end.
func Kept(offset, length int64) proxy.Run { return CopyOf("", "", offset, length) }

// CopyOf returns a run that copies length bytes of a version of another file; a negative length = to its end.
func CopyOf(name, etag string, offset, length int64) proxy.Run {
	return proxy.Run{Copy: &proxy.Copy{From: name, ETag: etag, Offset: offset, Length: length}}
}

// First returns a copy of the first n bytes of the name that is written, to resume or overwrite after them.
func First(n int64) proxy.Copy { return proxy.Copy{Length: n} }

// All returns a copy of the whole file that is written, to append to it.
func All() proxy.Copy { return proxy.Copy{Length: -1} }

func (s *source) Next(context.Context) (proxy.Run, error) {
	if len(s.runs) == 0 {
		return proxy.Run{}, io.EOF
	}
	next := s.runs[0]
	s.runs = s.runs[1:]
	return next, nil
}

// A sourceFunc is a source of which Next is the function.
type sourceFunc func() (proxy.Run, error)

func (f sourceFunc) Next(context.Context) (proxy.Run, error) { return f() }
func (f sourceFunc) Attributes() proxy.Attributes            { return proxy.Attributes{} }
func (f sourceFunc) Commit() error                           { return nil }

func (s *source) Attributes() proxy.Attributes { return s.attributes }

func (s *source) Commit() error { return s.commit() }

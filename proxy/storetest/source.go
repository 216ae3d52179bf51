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

// Source returns a source with what r reads as its new bytes, to r's io.EOF, and with copies before them. Its Commit
// returns nil.
func Source(r io.Reader, before ...proxy.Copy) proxy.Source { return Uncommitted(r, nil, before...) }

// Uncommitted is Source with an error of Commit; nil = none.
func Uncommitted(r io.Reader, err error, before ...proxy.Copy) proxy.Source {
	return CommittedBy(r, func() error { return err }, before...)
}

// CommittedBy is Source with a Commit.
func CommittedBy(r io.Reader, commit func() error, before ...proxy.Copy) proxy.Source {
	s := &source{commit: commit}
	for _, c := range before {
		s.runs = append(s.runs, proxy.Run{Copy: &c})
	}
	s.runs = append(s.runs, proxy.Run{New: r})
	return s
}

// Timed is Source with a modification time.
func Timed(r io.Reader, mtime time.Time) proxy.Source {
	return &source{runs: []proxy.Run{{New: r}}, commit: func() error { return nil }, attributes: proxy.Attributes{ModTime: mtime}}
}

// Runs returns a source with these runs. Its Commit returns nil.
func Runs(runs ...proxy.Run) proxy.Source {
	return &source{runs: runs, commit: func() error { return nil }}
}

// Broken returns a source of runs that is whole, but is not committed because of err.
func Broken(src proxy.Source, err error) proxy.Source {
	s := *src.(*source)
	s.commit = func() error { return err }
	return &s
}

// New returns a run of the bytes that r reads, to its io.EOF.
func New(r io.Reader) proxy.Run { return proxy.Run{New: r} }

// Kept returns a run of length bytes of the name itself, below 0 = to its end.
func Kept(offset, length int64) proxy.Run { return Of("", "", offset, length) }

// Of returns a run of length bytes of a version of another file, below 0 = to its end.
func Of(name, etag string, offset, length int64) proxy.Run {
	return proxy.Run{Copy: &proxy.Copy{From: name, ETag: etag, Offset: offset, Length: length}}
}

// First returns the copy of the first n bytes of what is there, to go on behind them.
func First(n int64) proxy.Copy { return proxy.Copy{Length: n} }

// All returns the copy of all that is there, to append to it.
func All() proxy.Copy { return proxy.Copy{Length: -1} }

func (s *source) Next(context.Context) (proxy.Run, error) {
	if len(s.runs) == 0 {
		return proxy.Run{}, io.EOF
	}
	next := s.runs[0]
	s.runs = s.runs[1:]
	return next, nil
}

func (s *source) Attributes() proxy.Attributes { return s.attributes }

func (s *source) Commit() error { return s.commit() }

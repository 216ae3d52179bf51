package sftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/access"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/names"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
)

// opens are the forms of OPEN, by their flags. With WRITE, neither READ nor APPEND makes a difference. APPEND or CREAT alone imply it.
var opens = map[string]access.Needs{
	"READ":              access.Reads,
	"WRITE":             access.EditsFile,
	"WRITE TRUNC":       access.EditsFile,
	"WRITE CREAT":       access.Edits,
	"WRITE CREAT TRUNC": access.Stores,
	"WRITE CREAT EXCL":  access.Creates,
}

// open answers OPEN.
func (s *subsystem) open(a proxy.Account, q packet.Request) error {
	name, err := resolve(a, q.Path)
	write := q.Flags&(packet.FlagWrite|packet.FlagAppend) != 0 || q.Flags&packet.FlagRead == 0 && q.Flags&packet.FlagCreate != 0 // paramiko's mode x
	switch {
	case err != nil:
	case names.IsDirectoryPath(q.Path): // a file may have the directory's name
		err = syscall.EISDIR
	case !write && q.Flags&packet.FlagRead == 0:
		err = failure("OPEN needs READ or WRITE.")
	default:
		err = s.reserve()
	}
	if err != nil {
		s.answer(q, nil, err)
		return nil
	}
	s.observe(s.ctx, event.Command{Command: "OPEN", Name: q.Path})
	return s.start(q, write, []string{name}, func(ctx context.Context) (answer reply, err error) {
		var h handle
		defer func() { // also after a panic
			answer = s.add(h)
		}()
		if write {
			u, err := s.openToWrite(ctx, a, name, q)
			if err == nil {
				h = u
			}
			return nil, err
		}
		d, err := s.openToRead(a, name)
		if err == nil {
			h = d
		}
		return nil, err
	})
}

// openToWrite returns a handle for an upload, and asks the store no more than it must: a file that is replaced need not be looked at.
func (s *subsystem) openToWrite(ctx context.Context, a proxy.Account, name string, q packet.Request) (*upload, error) {
	var base proxy.Entry
	hidden := false
	create, excl := q.Flags&packet.FlagCreate != 0, q.Flags&packet.FlagExcl != 0 && q.Flags&packet.FlagCreate != 0
	if trunc := q.Flags&packet.FlagTrunc != 0; !excl && !(create && trunc) {
		e, err := a.Store.Stat(ctx, name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && create:
			hidden = errors.Is(err, proxy.ErrDenied)
		case err != nil:
			return nil, err
		case e.Dir:
			return nil, fmt.Errorf("open %s: %w", name, syscall.EISDIR)
		case e.Resumable && q.Flags&packet.FlagAppend != 0 && !s.reported.has(name, e.ETag):
			// The client means to append to a file; for it there is none.
		case !trunc:
			base = e
		}
	}
	if s.isKnownDir(ctx, a, name) {
		return nil, fmt.Errorf("open %s: %w", name, syscall.EISDIR)
	}
	found, err := mayPut(ctx, a.Store, name, excl, hidden, max(0, int64(q.Attributes.Size)))
	if err != nil {
		return nil, err
	}
	if hidden { // an account may write to files that it may not see
		base = found
	}
	return s.newUpload(a, name, base, q), nil
}

// errAsked ends a Put that only asks whether the store would accept it.
var errAsked = errors.New("only asked")

// mayPut returns the error of a store that refuses an upload before its first new byte. It is a Put that ends there. With keep, the
// upload keeps the file with the name, which mayPut returns; the zero Entry means that there is none. size is that of the new bytes, as
// announced; 0 = unknown.
func mayPut(ctx context.Context, store proxy.Store, name string, isNew, keep bool, size int64) (file proxy.Entry, err error) {
	_, err = store.Put(ctx, name, &question{keep}, proxy.Write{New: isNew, Early: isNew, Size: size, Found: func(e proxy.Entry) { file = e }})
	if errors.Is(err, errAsked) {
		err = nil
	}
	return file, err
}

// A question is the source of mayPut.
type question struct{ keep bool }

// Next implements proxy.Source.
func (q *question) Next(context.Context) (proxy.Run, error) {
	if q.keep {
		q.keep = false
		return proxy.Run{Copy: &proxy.Copy{Length: -1}}, nil
	}
	return proxy.Run{}, errAsked
}

// Attributes implements proxy.Source.
func (*question) Attributes() proxy.Attributes { return proxy.Attributes{} }

// Commit implements proxy.Source.
func (*question) Commit() error { return errAsked }

package sftp

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/names"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/scp"
)

// A sender serves scp -f: the client receives files.
type sender struct{ *scpSession }

// errNotRegular: a directory cannot be sent without -r.
var errNotRegular = dueTo{status{packet.Failure, "Not a regular file."}, syscall.EISDIR}

// send serves scp -f.
func (s *scpSession) send() error {
	if err := s.peer.Answer(); err != nil { // the client begins
		return s.refused("", err)
	}
	for _, p := range s.command.Paths {
		if err := (sender{s}).path(p); err != nil {
			return err
		}
	}
	return nil
}

// path sends what a path of the command means. An error ends the session.
func (s sender) path(p scp.Path) error {
	a, err := s.next()
	if err != nil {
		return err
	}
	name, err := s.resolve(a, p)
	if err != nil {
		return s.refuse("", err)
	}
	if p.Pattern != "" {
		return s.matching(a, name, names.NewPattern(p.Pattern), names.IsDirectoryPath(p.Text))
	}
	return s.entry(a, name, names.IsDirectoryPath(p.Text))
}

// matching sends the entries that match a pattern in the last element of a name.
func (s sender) matching(a proxy.Account, name string, p names.Pattern, directories bool) error {
	d, err := s.list(a, path.Dir(name), p.Prefix())
	if err != nil {
		return s.refuse(name, err)
	}
	found := false
	err = s.each(d, path.Dir(name), func(e proxy.Entry) error {
		if !p.Match(e.Name) || directories && !e.Dir {
			return nil
		}
		found = true
		return s.entry(a, path.Join(path.Dir(name), e.Name), e.Dir)
	})
	if err == nil && !found && d.err == io.EOF {
		err = s.refuse(name, fs.ErrNotExist)
	}
	return err
}

// list begins to list entries whose names begin with a prefix.
func (s sender) list(a proxy.Account, dir, prefix string) (*directory, error) {
	defer s.wait()()
	if err := s.mayBegin(); err != nil {
		return nil, err
	}
	s.observe(s.ctx, event.Command{Command: s.name, Name: dir})
	return s.newDirectory(s.ctx, a, s.name, dir, prefix)
}

// each calls f for the entries of a listing, and ends it. An error of f ends the session.
func (s sender) each(d *directory, dir string, f func(proxy.Entry) error) (err error) {
	s.connection.handles.Add(1)
	defer s.connection.handles.Add(-1)
	defer func() { d.end(err) }()
	for {
		done := s.wait()
		e, ok := d.nextEntry()
		done()
		if !ok {
			break
		}
		if err := f(e); err != nil {
			return err
		}
	}
	if d.err != io.EOF {
		return s.refuse(dir, observedError{d.err})
	}
	return nil
}

// entry sends a file, or a directory.
func (s sender) entry(a proxy.Account, name string, isDirectory bool) error {
	elem := path.Base(name)
	if name == "/" {
		elem = "."
	} else if !s.codec.CanEncode(elem) {
		return s.refuse(name, names.ErrCharset)
	}
	if !isDirectory {
		r, err := s.openFile(a, name)
		switch {
		case err == nil:
			return s.file(r, name, elem)
		case errors.Is(err, fs.ErrNotExist) && s.isDirectory(a, name): // a bucket need not have an object for it
		case !errors.Is(err, syscall.EISDIR):
			return s.refuse(name, err)
		}
	}
	if !s.command.Recursive {
		return s.refuse(name, errNotRegular)
	}
	return s.directory(a, name, elem)
}

// isDirectory reports whether a directory has the name, or had it before its last file was removed.
func (s sender) isDirectory(a proxy.Account, name string) bool {
	defer s.wait()()
	return s.isHomeOrAbove(a, name) || s.known.has(name) || isDir(s.ctx, a, name)
}

// directory sends a directory with all that is in it.
func (s sender) directory(a proxy.Account, name, elem string) error {
	d, err := s.list(a, name, "")
	if err != nil {
		return s.refuse(name, err)
	}
	if err := s.announce(scp.AppendDirectory(nil, s.codec.EncodeText(elem))); err != nil {
		d.end(err)
		return s.refused(name, err)
	}
	err = s.each(d, name, func(e proxy.Entry) error {
		a, err := s.next()
		if err != nil {
			return err
		}
		return s.entry(a, path.Join(name, e.Name), e.Dir)
	})
	if err != nil {
		return err
	}
	if err := s.announce(scp.AppendEnd(nil)); err != nil {
		return s.refused(name, err)
	}
	return nil
}

// announce sends a line, and returns the answer of the client.
func (s sender) announce(line []byte) error {
	if _, err := s.out.Write(line); err != nil {
		return err
	}
	return s.peer.Answer()
}

// openFile opens a file, unless no file may be begun.
func (s sender) openFile(a proxy.Account, name string) (proxy.Reader, error) {
	defer s.wait()()
	if err := s.mayBegin(); err != nil {
		return nil, err
	}
	s.observe(s.ctx, event.Command{Command: s.name, Name: name})
	return a.Store.Open(s.ctx, name, proxy.Range{})
}

// file sends a file, all of it in one version. An error ends the session: if the content ends early, there is no other way to tell the
// client.
func (s sender) file(r proxy.Reader, name, elem string) error {
	defer r.Close()
	s.connection.handles.Add(1)
	defer s.connection.handles.Add(-1)
	e := r.Entry()
	if s.command.Times {
		mtime := e.ModTime
		if mtime.IsZero() {
			mtime = time.Now()
		}
		if err := s.announce(scp.AppendTimes(nil, mtime)); err != nil {
			return s.refused(name, err)
		}
	}
	w := &scpData{w: s.out, size: e.Size}
	t, err := s.startTransfer(proxy.Download, s.name, name, 0, w.sent.Load)
	if err != nil {
		return s.refuse(name, err)
	}
	err = s.announce(scp.AppendFile(nil, e.Size, s.codec.EncodeText(elem)))
	if err == nil {
		err = s.data(w, r)
	}
	t.finish(cmp.Or(w.lost, err), w.sent.Load(), r.Stored())
	switch {
	case err == nil || w.lost != nil || errors.As(err, new(*scp.Refusal)):
		return s.refused(name, err)
	case w.sent.Load() == e.Size:
		if told := s.refuse(name, observedError{err}); told != nil {
			return told
		}
		return s.refused(name, s.peer.Answer())
	}
	s.stderr("scp: " + s.codec.EncodeText(name) + ": " + statusOf(err).text + "\r\n")
	return err
}

// data sends the data of a file, and returns the answer of the client to them.
func (s sender) data(w *scpData, r proxy.Reader) error {
	done := s.wait()
	n, err := io.Copy(w, r)
	done()
	if err == nil && n != w.size {
		err = fmt.Errorf("the storage has sent %d bytes of %d", n, w.size)
	}
	if err != nil {
		return err
	}
	return s.announce(scp.AppendOK(nil))
}

// scpData are the data of a file that are sent.
type scpData struct {
	w    io.Writer
	size int64
	sent atomic.Int64
	lost error // of w
}

// Write implements io.Writer.
func (d *scpData) Write(p []byte) (n int, err error) {
	if int64(len(p)) > d.size-d.sent.Load() {
		return 0, errors.New("the storage has sent more than was requested")
	}
	n, err = d.w.Write(p)
	d.sent.Add(int64(n))
	if err != nil {
		d.lost = fmt.Errorf("%w: %w", errChannelLost, err)
	}
	return n, err
}

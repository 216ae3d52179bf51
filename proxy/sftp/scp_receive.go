package sftp

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"syscall"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/names"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/scp"
)

// A receiver serves scp -t: the client sends files.
type receiver struct {
	*scpSession
	target      string // name of the path in the command
	isDirectory bool   // files go into the target
	noFile      bool   // the target cannot be a file
	used        bool   // the target was stored under its own name
	open        []string
	mtime       time.Time // of the next file; zero = now
}

// receive serves scp -t.
func (s *scpSession) receive() error {
	r := &receiver{scpSession: s}
	if err := r.begin(s.command.Paths[0]); err != nil {
		return err
	}
	for {
		m, err := s.peer.Next()
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return err
		}
		if err := r.take(m); err != nil {
			return err
		}
	}
}

// begin finds the target, and tells the client to begin.
func (r *receiver) begin(p scp.Path) error {
	defer r.wait()()
	a, err := r.next()
	if err != nil {
		return err
	}
	if r.target, err = r.resolve(a, p); err != nil {
		return r.fail("", err)
	}
	r.isDirectory, err = r.hasDirectory(a, r.target)
	r.noFile = names.IsDirectoryPath(p.Text)
	switch mustBe := r.command.Directory; {
	case mustBe && err != nil:
		return r.fail(r.target, err)
	case mustBe && !r.isDirectory:
		return r.fail(r.target, syscall.ENOTDIR)
	case r.noFile && !r.isDirectory && !r.command.Recursive:
		return r.fail(r.target, fs.ErrNotExist)
	}
	return r.ok()
}

// hasDirectory reports whether a directory, and no file, has the name. The error says why, or that nothing has it.
func (r *receiver) hasDirectory(a proxy.Account, name string) (bool, error) {
	if r.isHomeOrAbove(a, name) {
		return true, nil
	}
	if e, err := a.Store.Stat(r.ctx, name); err == nil && !e.Resumable {
		return e.Dir, nil
	}
	e, err := a.Store.Stat(r.ctx, name+"/") // all accounts see directories
	return err == nil && e.Dir, err
}

// take does what a message says. An error ends the session.
func (r *receiver) take(m scp.Message) error {
	switch m.Kind {
	case scp.Warning, scp.Fatal:
		return r.refused("", &scp.Refusal{Fatal: m.Kind == scp.Fatal, Text: m.Text})
	case scp.Times:
		r.mtime = m.ModTime
		return r.ok()
	case scp.End:
		if len(r.open) == 0 {
			return fmt.Errorf("%w: the end of no directory", scp.ErrProtocol)
		}
		r.open = r.open[:len(r.open)-1]
		return r.ok()
	case scp.Directory:
		if !r.command.Recursive {
			return fmt.Errorf("%w: received directory without -r", scp.ErrProtocol)
		}
	}
	mtime := r.mtime
	r.mtime = time.Time{}
	a, err := r.next()
	if err != nil {
		return err
	}
	name, err := r.place(m.Name, m.Kind)
	if err == nil {
		err = r.mayBegin()
	}
	if err != nil {
		return r.refuse(name, err)
	}
	r.observe(r.ctx, event.Command{Command: r.name, Name: name})
	if m.Kind == scp.Directory {
		return r.directory(a, name)
	}
	return r.file(a, name, m.Size, mtime)
}

// place returns where a file or directory with this name goes.
func (r *receiver) place(sent string, kind scp.Kind) (string, error) {
	elem, ok := r.codec.Decode(sent)
	switch {
	case !ok:
		return "", names.ErrCharset
	case !r.codec.CanEncode(elem):
		return "", fs.ErrInvalid
	case len(r.open) > 0:
		return path.Join(r.open[len(r.open)-1], elem), nil
	case r.isDirectory:
		return path.Join(r.target, elem), nil
	case r.used, r.noFile && kind == scp.File: // another file would replace the one that was confirmed, or that has no slash
		return r.target, syscall.ENOTDIR
	}
	r.used = true
	return r.target, nil
}

// directory makes a directory, unless it exists, and opens it.
func (r *receiver) directory(a proxy.Account, dir string) error {
	if err := r.makeDirectory(a, dir); err != nil {
		return r.refuse(dir, err)
	}
	r.open = append(r.open, dir)
	return r.ok()
}

func (r *receiver) makeDirectory(a proxy.Account, dir string) error {
	defer r.wait()()
	if r.isHomeOrAbove(a, dir) {
		return nil
	}
	_, err := r.mkdir(r.ctx, a, dir)
	if !errors.Is(err, fs.ErrExist) && !errors.Is(err, proxy.ErrDenied) {
		return err
	}
	if isDir(r.ctx, a, dir) {
		return nil
	}
	if errors.Is(err, fs.ErrExist) {
		return syscall.ENOTDIR
	}
	return err
}

// file receives a file. As in SFTP, nothing is published unless all has come, and the commit precedes the last answer.
func (r *receiver) file(a proxy.Account, name string, size int64, mtime time.Time) error {
	u, err := r.openFile(a, name, size)
	if err != nil {
		return r.refuse(name, err)
	}
	r.connection.handles.Add(1)
	defer r.connection.handles.Add(-1)
	ended := false
	defer func() {
		if !ended { // the connection was lost, or a panic
			u.end(cmp.Or(err, errInternal))
		}
	}()
	r.expects = true
	defer func() { r.expects = false }()
	u.content.SetTime(mtime)
	if err = r.takeData(u, size); err != nil {
		return lostBy(&err)
	}
	err = r.peer.Answer()
	if refusal, ok := errors.AsType[*scp.Refusal](err); ok {
		err = fmt.Errorf("%w: %s", errSenderFailed, refusal.Text)
		if told := r.refuse(name, observedError{err}); told != nil || !refusal.Fatal {
			return told
		}
		return err
	}
	if err != nil {
		return lostBy(&err)
	}
	ended = true
	if err := r.commit(u); err != nil {
		return r.refuse(name, observedError{err})
	}
	return r.ok()
}

// lostBy returns an error that ends the channel, and makes it that of the upload.
func lostBy(err *error) error {
	cause := *err
	*err = fmt.Errorf("%w: %w", errChannelLost, cause)
	return cause
}

// openFile begins an upload of a file, unless the store refuses it.
func (r *receiver) openFile(a proxy.Account, name string, size int64) (*upload, error) {
	defer r.wait()()
	u, err := r.openToWrite(r.ctx, a, name, packet.Request{
		Flags:      packet.FlagWrite | packet.FlagCreate | packet.FlagTrunc,
		Attributes: packet.Attributes{HasSize: true, Size: uint64(size)},
	})
	if err != nil {
		return nil, err
	}
	u.command = r.name
	if err := u.begin(0); err != nil {
		u.end(err)
		return nil, err
	}
	return u, nil
}

// takeData asks the client for the data of a file, and passes them to the upload. Its error is that of the connection: if the upload
// fails, the rest is read for nothing, since the client takes no answer before.
func (r *receiver) takeData(u *upload, size int64) error {
	if err := r.ok(); err != nil {
		return err
	}
	data := &io.LimitedReader{R: r.peer, N: size}
	u.data = data
	for data.N > 0 && u.write(packet.Request{Offset: uint64(size - data.N), Length: int(min(data.N, packet.MaxData))}) == nil {
		continue
	}
	_, err := io.Copy(io.Discard, data)
	if err == nil && data.N > 0 {
		err = io.ErrUnexpectedEOF
	}
	return err
}

// commit publishes an upload.
func (r *receiver) commit(u *upload) error {
	defer r.wait()()
	u.stall.Stop()
	r.uploads.close(u)
	return u.commit()
}

package sftp

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/access"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
)

// A starter begins to run a request that names no handle. An error ends the channel.
type starter func(s *subsystem, a proxy.Account, q packet.Request) error

// A request is a row of the table of requests that name no handle. The others need nothing but what opened the handle.
type request struct {
	run   starter
	needs access.Needs            // permissions of the account
	forms map[string]access.Needs // those of other forms of the request, by what these have more
}

// requests are the requests of version 3 that name no handle. The table is never changed.
var requests = map[packet.Type]request{
	packet.Open:     {run: (*subsystem).open, forms: opens},
	packet.OpenDir:  {run: onPath(false, (*subsystem).openDir), needs: access.Lists},
	packet.Stat:     {run: onPath(false, (*subsystem).stat), needs: access.Stats},
	packet.LStat:    {run: onPath(false, (*subsystem).stat), needs: access.Stats},
	packet.SetStat:  {run: setStat, needs: access.Stats, forms: withAttributes},
	packet.Remove:   {run: onPath(true, (*subsystem).remove), needs: access.Deletes},
	packet.Mkdir:    {run: onPath(true, (*subsystem).mkdir), needs: access.Makes},
	packet.Rmdir:    {run: onPath(true, (*subsystem).rmdir), needs: access.Deletes},
	packet.RealPath: {run: realPath},
	packet.Rename:   {run: rename, needs: access.Renames},
	packet.ReadLink: {run: refuse("No symbolic links on S3.")},
	packet.Symlink:  {run: refuse("No symbolic links on S3.")},
}

// withAttributes are the forms of SETSTAT that set a time or a size. The time of a directory has no effect, which needs nothing.
var withAttributes = map[string]access.Needs{"time": access.SetsFileTime, "size": access.EditsFile}

// refuse returns a starter for what S3 does not have.
func refuse(text string) starter {
	return func(s *subsystem, _ proxy.Account, q packet.Request) error {
		s.answer(q, nil, unsupported(text))
		return nil
	}
}

// onPath returns a starter for a request with one name.
func onPath(change bool, work func(s *subsystem, ctx context.Context, a proxy.Account, name string) (reply, error)) starter {
	return func(s *subsystem, a proxy.Account, q packet.Request) error {
		name, err := resolve(a, q.Path)
		if err != nil {
			s.answer(q, nil, err)
			return nil
		}
		s.observe(s.ctx, event.Command{Command: q.Type.String(), Name: q.Path})
		return s.start(q, change, []string{name}, func(ctx context.Context) (reply, error) { return work(s, ctx, a, name) })
	}
}

// stat answers STAT and LSTAT. While the connection writes a name that no file has, it sees how far the upload is.
func (s *subsystem) stat(ctx context.Context, a proxy.Account, name string) (reply, error) {
	e, err := a.Store.Stat(ctx, name)
	if err == nil && e.Resumable {
		s.reported.add(name, e.ETag)
	}
	if u := s.uploads.to(name); u != nil && (errors.Is(err, fs.ErrNotExist) || err == nil && e.Resumable) {
		e, err = u.entry(e.Denied), nil
	}
	if errors.Is(err, fs.ErrNotExist) && s.isHomeOrAbove(a, name) {
		e, err = proxy.Entry{Name: path.Base(name), Dir: true}, nil
	}
	if err != nil {
		return nil, err
	}
	if e.Dir {
		s.known.add(name)
	}
	return attributes(e), nil
}

// realPath answers REALPATH, which needs nothing to exist.
func realPath(s *subsystem, a proxy.Account, q packet.Request) error {
	name, err := resolve(a, q.Path)
	if err != nil {
		s.answer(q, nil, err)
		return nil
	}
	s.sendName(q, a, name)
	return nil
}

// sendName answers with a name.
func (s *subsystem) sendName(q packet.Request, a proxy.Account, name string) {
	shown := codec(a).EncodeText(name)
	s.answer(q, func(b []byte, id uint32) []byte {
		return packet.AppendNames(b, id, packet.Name{Name: shown, Long: shown})
	}, nil)
}

// setStat answers SETSTAT. For a name that the connection has open for writing, it is FSETSTAT of that handle.
func setStat(s *subsystem, a proxy.Account, q packet.Request) error {
	return s.setAttributes(a, q, q.Path, q.Attributes)
}

func (s *subsystem) setAttributes(a proxy.Account, q packet.Request, path string, attributes packet.Attributes) error {
	name, err := resolve(a, path)
	if err != nil {
		s.answer(q, nil, err)
		return nil
	}
	if open := s.uploads.to(name); open != nil {
		s.answer(q, nil, open.setAttributes(attributes))
		return nil
	}
	return s.start(q, true, []string{name}, func(ctx context.Context) (reply, error) {
		return nil, s.setTimeAndSize(ctx, a, name, attributes)
	})
}

// setTimeAndSize sets the time and the size of a file. Owner and permissions have no effect, nor has the time of a directory: clients
// would fail otherwise.
func (s *subsystem) setTimeAndSize(ctx context.Context, a proxy.Account, name string, attributes packet.Attributes) error {
	if attributes.HasSize || !attributes.HasTimes {
		e, err := a.Store.Stat(ctx, name)
		switch {
		case errors.Is(err, fs.ErrNotExist) && s.isHomeOrAbove(a, name):
			return nil
		case err != nil:
			return err
		case attributes.HasSize && e.Dir:
			return syscall.EISDIR
		case attributes.HasSize && uint64(e.Size) != attributes.Size:
			return s.resize(ctx, a, name, e, attributes)
		}
	}
	if !attributes.HasTimes {
		return nil
	}
	mtime := timeOf(attributes)
	stored, err := a.Store.SetTime(ctx, name, mtime)
	switch {
	case err == nil:
		s.observe(ctx, event.SetTime{Name: name, Time: mtime, Stored: stored})
	case errors.Is(err, syscall.EISDIR), errors.Is(err, fs.ErrNotExist) && s.isHomeOrAbove(a, name), errors.Is(err, proxy.ErrDenied) && isDir(ctx, a, name):
		return nil
	}
	return err
}

// isDir reports whether a directory has the name.
func isDir(ctx context.Context, a proxy.Account, name string) bool {
	e, err := a.Store.Stat(ctx, strings.TrimSuffix(name, "/")+"/")
	return err == nil && e.Dir
}

func (s *subsystem) remove(ctx context.Context, a proxy.Account, name string) (reply, error) {
	stored, err := a.Store.Remove(ctx, name)
	if err != nil {
		return nil, err
	}
	s.known.add(path.Dir(name)) // it may have vanished with its last file
	s.observe(ctx, event.FileDelete{Name: name, Stored: stored})
	return nil, nil
}

func (s *subsystem) mkdir(ctx context.Context, a proxy.Account, dir string) (reply, error) {
	stored, err := a.Store.Mkdir(ctx, dir)
	if a.Compat.LenientDirs && errors.Is(err, fs.ErrExist) && isDir(ctx, a, dir) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	s.known.add(dir)
	s.observe(ctx, event.Mkdir{Name: dir, Stored: stored})
	return nil, nil
}

func (s *subsystem) rmdir(ctx context.Context, a proxy.Account, dir string) (reply, error) {
	if dir == "/" {
		return nil, failure("Cannot remove the root directory.")
	}
	stored, err := a.Store.Rmdir(ctx, dir)
	if err != nil && !(errors.Is(err, fs.ErrNotExist) && (s.known.has(dir) || s.isHomeOrAbove(a, dir))) {
		return nil, err
	}
	s.known.forget(dir)
	s.known.add(path.Dir(dir)) // it may have vanished with its last file
	s.observe(ctx, event.Rmdir{Name: dir, Stored: stored})
	return nil, nil
}

// rename answers RENAME, which refuses an existing target (section 6.5).
func rename(s *subsystem, a proxy.Account, q packet.Request) error {
	return s.rename(a, q, q.Path, q.Target, false)
}

// rename answers RENAME, and posix-rename@openssh.com, which replaces an existing file.
func (s *subsystem) rename(a proxy.Account, q packet.Request, oldPath, newPath string, replace bool) error {
	from, err := resolve(a, oldPath)
	var to string
	if err == nil {
		to, err = resolve(a, newPath)
	}
	if err == nil && (from == "/" || to == "/") {
		err = failure("Cannot rename the root directory.")
	}
	if err != nil {
		s.answer(q, nil, err)
		return nil
	}
	s.observe(s.ctx, event.Command{Command: "RENAME", Name: oldPath})
	deletes := s.deletesOpen(from, to)
	return s.start(q, true, []string{from, to}, func(ctx context.Context) (reply, error) {
		if deletes {
			return s.deleteOpen(ctx, a, from)
		}
		stored, err := a.Store.Rename(ctx, from, to, replace)
		switch {
		case errors.Is(err, syscall.EFBIG):
			return nil, dueTo{status{packet.Failure, "Too many files in the directory to rename."}, err}
		case errors.Is(err, errors.ErrUnsupported):
			return nil, dueTo{status{packet.OpUnsupported, "Rename not supported for these names."}, err}
		case err != nil:
			return nil, err
		}
		s.known.move(from, to)
		if from != to {
			s.uploads.replaced(to)
		}
		s.observe(ctx, event.Rename{Name: from, To: to, Stored: stored})
		return nil, nil
	})
}

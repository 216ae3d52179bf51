package ftp

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/names"
)

func (s *session) cmdDele(ctx context.Context, arg string) error {
	s.lastStored = ""
	name, err := names.Resolve(s.dir, arg)
	var done proxy.Stored
	if err == nil {
		done, err = s.store.Remove(ctx, name)
	}
	if err != nil {
		return err
	}
	s.known.Add(path.Dir(name)) // it may have vanished with its last file
	s.observe(ctx, event.FileDelete{Name: name, Stored: done})
	return s.ok(250, "File deleted.")
}

func (s *session) cmdRnfr(ctx context.Context, arg string) error {
	name, err := names.Resolve(s.dir, arg)
	if err == nil && take(&s.lastStored) != name { // no request for the file just stored; if it is missing, RNTO fails
		_, err = stat(ctx, s.store, name)
	}
	if errors.Is(err, proxy.ErrDenied) { // the account may be allowed to rename it, but not to see it: RNTO will tell
		err = nil
	}
	if err != nil {
		return err
	}
	s.renameFrom = name
	return s.ok(350, "Ready for RNTO.")
}

func (s *session) cmdRnto(ctx context.Context, arg string) error {
	from := take(&s.renameFrom)
	if from == "" {
		return reply{503, "Send RNFR first."}
	}
	to, err := names.Resolve(s.dir, arg)
	if from == "/" || to == "/" {
		return reply{550, "Cannot rename the root directory."}
	}
	var done proxy.Stored
	if err == nil {
		done, err = s.store.Rename(ctx, from, to, true)
	}
	if errors.Is(err, syscall.EFBIG) { // RNTO must not reply 552 (RFC 959, section 5.4)
		err = fmt.Errorf("%w: %w", reply{553, "Too many files in the directory to rename."}, err)
	}
	if errors.Is(err, errors.ErrUnsupported) { // nor 504
		err = fmt.Errorf("%w: %w", reply{553, "Rename not supported for these names."}, err)
	}
	if err != nil {
		return err
	}
	s.known.Move(from, to)
	s.observe(ctx, event.Rename{Name: from, To: to, Stored: done})
	return s.ok(250, "Rename successful.")
}

// file stats a file. A directory is syscall.EISDIR.
func (s *session) file(ctx context.Context, arg string) (proxy.Entry, error) {
	name, err := names.Resolve(s.dir, arg)
	if err != nil {
		return proxy.Entry{}, err
	}
	e, err := stat(ctx, s.store, name)
	if err == nil && e.Dir {
		err = syscall.EISDIR
	}
	return e, err
}

// cmdSize replies with the size in TYPE I (RFC 3659, section 4), or the stored bytes of a resumable upload. Clients look for ASCII in
// a refusal, to distinguish it from a missing file.
func (s *session) cmdSize(ctx context.Context, arg string) error {
	if s.ascii {
		return reply{550, "SIZE not allowed in ASCII mode."}
	}
	name, err := names.Resolve(s.dir, arg)
	if err != nil {
		return err
	}
	e, err := s.statAndReport(ctx, name)
	switch {
	case err != nil:
		return err
	case e.Dir:
		return syscall.EISDIR
	}
	return s.ok(213, fmt.Sprint(e.Size))
}

// cmdMdtm replies with the modification time in UTC (RFC 3659, section 3). Old clients set it with MDTM time name: that is assumed
// if no file has the whole argument as its name.
func (s *session) cmdMdtm(ctx context.Context, arg string) error {
	e, err := s.file(ctx, arg)
	if mtime, path, ok := cutTime(arg); ok && isNoFile(err) {
		if _, err := s.setTime(ctx, path, mtime); err != nil {
			return err
		}
		return s.ok(213, "File modification time set.")
	}
	if err != nil {
		return err
	}
	return s.ok(213, e.ModTime.UTC().Format(factTime))
}

// isNoFile reports whether err may mean a missing file: without permission to list, a store returns fs.ErrPermission.
func isNoFile(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EISDIR)
}

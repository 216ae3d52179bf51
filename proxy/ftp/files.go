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
	"github.com/s3ftpd/s3ftpd/proxy/ftp/names"
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
	s.known.add(path.Dir(name)) // it may vanish now
	s.observe(ctx, event.FileDelete{Name: name, Stored: done})
	return s.ok(250, "File deleted.")
}

func (s *session) cmdRnfr(ctx context.Context, arg string) error {
	name, err := names.Resolve(s.dir, arg)
	if err == nil && take(&s.lastStored) != name { // should that have gone since, RNTO will say so
		_, err = stat(ctx, s.store, name)
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
	if errors.Is(err, syscall.EFBIG) { // 552 is no reply to RNTO (RFC 959, section 5.4)
		err = fmt.Errorf("%w: %w", reply{553, "Too many files in the directory to rename."}, err)
	}
	if err != nil {
		return err
	}
	s.known.move(from, to)
	s.observe(ctx, event.Rename{Name: from, To: to, Stored: done})
	return s.ok(250, "Rename successful.")
}

// file describes the file that a path means; a directory is syscall.EISDIR.
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

// cmdSize tells the bytes that a transfer in TYPE I would move (RFC 3659, section 4), or those that are safe of an
// upload that broke. Clients look for the word ASCII in a refusal, to tell it from a file that is not there.
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

// cmdMdtm tells the modification time in UTC (RFC 3659, section 3). Old clients set it with a time in front of the name; that
// is what it means where no file has the whole as its name.
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

// isNoFile says whether an error tells that no file has a name. A store that may not be listed denies access where there is nothing.
func isNoFile(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EISDIR)
}

package ftp

import (
	"context"
	"errors"
	"io/fs"
	"path"
	"strings"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/names"
)

func (s *session) cmdPwd(context.Context, string) error {
	return s.ok(257, names.Quote(s.dir)+" is the current directory.")
}

func (s *session) cmdCwd(ctx context.Context, arg string) error {
	dir, err := names.Resolve(s.dir, arg)
	if err == nil && !s.isKnown(dir) {
		err = s.checkDir(ctx, dir, s.compat.LenientDirs && arg != "~")
	}
	if arg == "~" && errors.Is(err, fs.ErrNotExist) { // home, as in a shell, unless a directory has that name
		dir, err = "/", nil
	}
	if err != nil {
		return err
	}
	s.known.Add(dir)
	s.dir = dir
	return s.ok(250, names.Quote(dir)+" is the current directory.")
}

// checkDir checks that dir exists. If lenient, a missing directory counts as an empty one unless a file has its name; nothing is
// stored.
func (s *session) checkDir(ctx context.Context, dir string, lenient bool) error {
	err := statDir(ctx, s.store, dir)
	if !lenient || !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	e, err := stat(ctx, s.store, dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && !e.Dir:
		return syscall.ENOTDIR
	}
	return err
}

// statDir stats a directory, even if a file has the same name.
func statDir(ctx context.Context, store proxy.Store, dir string) error {
	_, err := store.Stat(ctx, strings.TrimSuffix(dir, "/")+"/")
	return err
}

// isKnown reports whether dir is known to be a directory, without asking the store.
func (s *session) isKnown(dir string) bool { return dir == "/" || s.known[dir] }

// isCwdOrAbove reports whether dir is the current directory or a parent. For this session it exists, if only as an empty one. Other
// known directories may have vanished with their last file, or been removed or renamed by another session.
func (s *session) isCwdOrAbove(dir string) bool { return names.IsWithin(dir, s.dir) }

// stillExists reports whether a known directory exists, or may exist. If not, the session forgets it.
func (s *session) stillExists(ctx context.Context, dir string) bool {
	if errors.Is(statDir(ctx, s.store, dir), fs.ErrNotExist) {
		s.known.Forget(dir)
		return false
	}
	return true
}

func (s *session) cmdCdup(context.Context, string) error {
	s.dir = path.Dir(s.dir)
	return s.ok(250, names.Quote(s.dir)+" is the current directory.")
}

func (s *session) cmdMkd(ctx context.Context, arg string) error {
	dir, err := names.Resolve(s.dir, arg)
	if err == nil {
		err = s.makeDir(ctx, dir)
	}
	if err != nil {
		return err
	}
	s.known.Add(dir)
	return s.ok(257, names.Quote(dir)+" created.")
}

// makeDir creates a directory. With LenientDirs an existing one is no error, even if another session creates it meanwhile.
func (s *session) makeDir(ctx context.Context, dir string) error {
	err := fs.ErrNotExist
	if s.compat.LenientDirs {
		err = statDir(ctx, s.store, dir)
	}
	if errors.Is(err, fs.ErrNotExist) {
		var done proxy.Stored
		if done, err = s.store.Mkdir(ctx, dir); err == nil {
			s.observe(ctx, event.Mkdir{Name: dir, Stored: done})
		}
	}
	if !s.compat.LenientDirs {
		return err
	}
	if errors.Is(err, fs.ErrExist) && statDir(ctx, s.store, dir) == nil {
		return nil
	}
	return err
}

func (s *session) cmdRmd(ctx context.Context, arg string) error {
	dir, err := names.Resolve(s.dir, arg)
	if err != nil {
		return err
	}
	if dir == "/" {
		return reply{550, "Cannot remove the root directory."}
	}
	done, err := s.store.Rmdir(ctx, dir)
	if err != nil && !(errors.Is(err, fs.ErrNotExist) && s.known[dir]) {
		return err
	}
	s.known.Forget(dir)
	s.known.Add(path.Dir(dir)) // it may have vanished with its last file
	s.observe(ctx, event.Rmdir{Name: dir, Stored: done})
	return s.ok(250, "Directory removed.")
}

package ftp

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path"
	"strings"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/ftp/names"
)

// directories are those that a session has seen. In an object storage a directory without a marker vanishes
// with its last file; a client that has just emptied it still expects CWD and RMD to find it.
type directories map[string]bool

// maxKnownDirs bounds what a session remembers.
const maxKnownDirs = 4096

// add notes a directory, and with it those above.
func (d *directories) add(dir string) {
	for ; dir != "/" && !(*d)[dir]; dir = path.Dir(dir) {
		if *d == nil || len(*d) >= maxKnownDirs {
			*d = make(directories)
		}
		(*d)[dir] = true
	}
}

// forget drops dir and all below it.
func (d directories) forget(dir string) {
	maps.DeleteFunc(d, func(name string, _ bool) bool { return isWithin(dir, name) })
}

// move keeps up with a rename: of what has the new name, the session knows nothing yet.
func (d *directories) move(from, to string) {
	d.forget(from)
	d.add(path.Dir(from)) // it may vanish now
	d.add(path.Dir(to))
}

// isWithin says whether name is dir or below it.
func isWithin(dir, name string) bool {
	return name == dir || strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}

func (s *session) cmdPwd(context.Context, string) error {
	return s.ok(257, names.Quote(s.dir)+" is the current directory.")
}

func (s *session) cmdCwd(ctx context.Context, arg string) error {
	dir, err := names.Resolve(s.dir, arg)
	if err == nil && !s.isKnown(dir) {
		err = s.checkDir(ctx, dir, s.compat.LenientDirs && arg != "~")
	}
	if arg == "~" && errors.Is(err, fs.ErrNotExist) { // home, as a shell has it, unless there is one of that name
		dir, err = "/", nil
	}
	if err != nil {
		return err
	}
	s.known.add(dir)
	s.dir = dir
	return s.ok(250, names.Quote(dir)+" is the current directory.")
}

// enter says whether there is a directory. With lenient ones there is, as long as nothing else has the name: nothing is made,
// but from then on the session knows it as an empty one.
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

// statDir asks a store for the directory of that name, even where there is a file as well.
func statDir(ctx context.Context, store proxy.Store, dir string) error {
	_, err := store.Stat(ctx, strings.TrimSuffix(dir, "/")+"/")
	return err
}

// isKnown says whether dir is a directory without asking the store.
func (s *session) isKnown(dir string) bool { return dir == "/" || s.known[dir] }

// isCwdOrAbove says whether dir is the session's own directory or above it, and so is there to this session, if only as an
// empty one. What else it knows may have vanished with its last file, or somebody else may have removed or renamed it.
func (s *session) isCwdOrAbove(dir string) bool { return isWithin(dir, s.dir) }

// stillExists says whether the store has, or may have, a directory that the session knows; else the session forgets it.
func (s *session) stillExists(ctx context.Context, dir string) bool {
	if errors.Is(statDir(ctx, s.store, dir), fs.ErrNotExist) {
		s.known.forget(dir)
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
	s.known.add(dir)
	return s.ok(257, names.Quote(dir)+" created.")
}

// make makes a directory. With lenient ones, one that is there is as good, even if another session makes it at this moment.
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
	s.known.forget(dir)
	s.known.add(path.Dir(dir)) // it may vanish now
	s.observe(ctx, event.Rmdir{Name: dir, Stored: done})
	return s.ok(250, "Directory removed.")
}

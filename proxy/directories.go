package proxy

import (
	"context"
	"errors"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

// directories are those that a session has seen. In an object storage a directory without a marker vanishes
// with its last file; a client that has just emptied it still expects CWD and RMD to find it. Those that may have
// vanished so, because the session has taken something out of them, are true.
type directories map[string]bool

// mostKnown bounds what a session remembers.
const mostKnown = 4096

// add notes a directory, and with it those above.
func (d *directories) add(dir string) {
	for ; dir != "/" && !d.has(dir); dir = path.Dir(dir) {
		if *d == nil || len(*d) >= mostKnown {
			*d = make(directories)
		}
		(*d)[dir] = false
	}
}

func (d *directories) has(dir string) bool {
	_, known := (*d)[dir]
	return known
}

// took notes that something was taken out of a directory, and gave that something was put into it.
func (d *directories) took(dir string) { d.set(dir, true) }
func (d *directories) gave(dir string) { d.set(dir, false) }

func (d *directories) set(dir string, mayVanish bool) {
	for d.add(dir); dir != "/"; dir = path.Dir(dir) {
		if d.has(dir) {
			(*d)[dir] = mayVanish
		}
	}
}

// forget drops dir and all below it.
func (d directories) forget(dir string) {
	maps.DeleteFunc(d, func(name string, _ bool) bool { return isWithin(dir, name) })
}

// move keeps up with a rename.
func (d *directories) move(from, to string) {
	for _, name := range slices.Sorted(maps.Keys(*d)) {
		if isWithin(from, name) {
			delete(*d, name)
			d.add(to + strings.TrimPrefix(name, from))
		}
	}
	d.took(path.Dir(from))
	d.gave(path.Dir(to))
}

// isWithin says whether name is dir or below it.
func isWithin(dir, name string) bool {
	return name == dir || strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/")
}

func (s *session) cmdPwd(context.Context, string) (reply, error) {
	return reply{257, quote(s.dir) + " is the current directory."}, nil
}

func (s *session) cmdCwd(ctx context.Context, arg string) (reply, error) {
	dir, err := resolve(s.dir, arg)
	if err == nil && !s.isKnown(dir) {
		_, err = s.store.Stat(ctx, strings.TrimSuffix(dir, "/")+"/")
	}
	if err != nil {
		return reply{}, err
	}
	s.known.add(dir)
	s.dir = dir
	return reply{250, quote(dir) + " is the current directory."}, nil
}

// isKnown says whether dir is a directory without asking the store.
func (s *session) isKnown(dir string) bool { return dir == "/" || s.known.has(dir) }

// isLeftEmpty says whether dir, which the store does not have, is an empty directory to this session: it stands in it, or
// may have taken the last file out. Any other was removed or renamed by somebody else.
func (s *session) isLeftEmpty(dir string) bool { return isWithin(dir, s.dir) || s.known[dir] }

// stillThere says whether a directory that the session knows is one to the store, or may be. If it is none, somebody else
// has removed or renamed it, or it vanished with its last file, and the session forgets it.
func (s *session) stillThere(ctx context.Context, dir string) bool {
	if dir == "/" {
		return true
	}
	_, err := s.store.Stat(ctx, dir+"/")
	if errors.Is(err, fs.ErrNotExist) {
		s.known.forget(dir)
		return false
	}
	return true
}

func (s *session) cmdCdup(context.Context, string) (reply, error) {
	s.dir = path.Dir(s.dir)
	return reply{250, quote(s.dir) + " is the current directory."}, nil
}

func (s *session) cmdMkd(ctx context.Context, arg string) (reply, error) {
	dir, err := resolve(s.dir, arg)
	if err == nil {
		err = s.store.Mkdir(ctx, dir)
	}
	if err != nil {
		return reply{}, err
	}
	s.known.gave(dir)
	s.log.Info("mkdir", "user", s.user, "name", dir)
	return reply{257, quote(dir) + " made."}, nil
}

func (s *session) cmdRmd(ctx context.Context, arg string) (reply, error) {
	dir, err := resolve(s.dir, arg)
	if err != nil {
		return reply{}, err
	}
	if dir == "/" {
		return reply{550, "The root cannot be removed."}, nil
	}
	err = s.store.Rmdir(ctx, dir)
	if err != nil && !(errors.Is(err, fs.ErrNotExist) && s.isKnown(dir)) {
		return reply{}, err
	}
	s.known.forget(dir)
	s.known.took(path.Dir(dir))
	s.log.Info("rmdir", "user", s.user, "name", dir)
	return reply{250, "Removed."}, nil
}

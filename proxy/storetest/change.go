package storetest

import (
	"io/fs"
	"syscall"
)

var renames = map[string]func(*store){
	"a file is replaced only if it may be": func(s *store) {
		for _, size := range few(s, 10, 2*part+1) {
			s.put("/a", size)
			s.text("/b", "b")
			s.fails(s.Rename(s.ctx, "/a", "/b", false), fs.ErrExist)
			s.holds("/a", content(size), 0)
			s.says("/b", "b")
			s.ok(s.Rename(s.ctx, "/a", "/free", false))
			s.gone("/a")
			s.holds("/free", content(size), 0)
			s.ok(s.Rename(s.ctx, "/free", "/b", true))
			s.gone("/free")
			s.holds("/b", content(size), 0)
			s.ok(s.Remove(s.ctx, "/b"))
		}
	},
	"a file": func(s *store) {
		s.put("/a", part+1)
		s.ok(s.Rename(s.ctx, "/a", "/d/b", true))
		s.gone("/a")
		s.holds("/d/b", content(part+1), 0)
	},
	"over a file": func(s *store) {
		s.text("/a", "new")
		s.text("/b", "old")
		s.ok(s.Rename(s.ctx, "/a", "/b", true))
		s.gone("/a")
		s.says("/b", "new")
	},
	"onto itself": func(s *store) {
		s.text("/a", "x")
		s.text("/d/f", "y")
		s.ok(s.Rename(s.ctx, "/a", "/a", true))
		s.ok(s.Rename(s.ctx, "/d", "/d", true))
		s.says("/a", "x")
		s.says("/d/f", "y")
	},
	"what is missing": func(s *store) {
		s.text("/foobar/x", "x")
		s.text("/b", "old")
		for _, name := range []string{"/none", "/foo"} {
			s.fails(s.Rename(s.ctx, name, "/b", true), fs.ErrNotExist)
			s.fails(s.Rename(s.ctx, name, name, true), fs.ErrNotExist)
		}
		s.says("/b", "old")
	},
	"a directory with all below it": func(s *store) {
		s.text("/d/1", "1")
		s.text("/d/sub/2", "2")
		s.text("/d/sub/deep/3", "3")
		s.ok(s.Mkdir(s.ctx, "/d/empty"))
		s.text("/dd/stays", "4")
		s.ok(s.Rename(s.ctx, "/d", "/e/f", true))
		s.gone("/d")
		s.shows("/e/f", "1", "empty/", "sub/")
		s.says("/e/f/sub/deep/3", "3")
		s.says("/e/f/sub/2", "2")
		s.says("/dd/stays", "4")
	},
	"an empty directory": func(s *store) {
		s.ok(s.Mkdir(s.ctx, "/d"))
		s.ok(s.Rename(s.ctx, "/d", "/e", true))
		s.gone("/d")
		s.shows("/e")
	},
	"into itself": func(s *store) {
		s.text("/d/f", "x")
		s.fails(s.Rename(s.ctx, "/d", "/d/sub", true), fs.ErrInvalid)
		s.shows("/d", "f")
	},
	"onto a directory": func(s *store) {
		s.text("/f", "file")
		s.text("/d/1", "1")
		s.text("/e/2", "2")
		s.fails(s.Rename(s.ctx, "/f", "/d", true), fs.ErrExist)
		s.fails(s.Rename(s.ctx, "/d", "/e", true), fs.ErrExist)
		s.fails(s.Rename(s.ctx, "/d", "/f", true), fs.ErrExist)
		s.says("/f", "file")
		s.shows("/d", "1")
		s.shows("/e", "2")
	},
	"to a name that begins alike": func(s *store) {
		s.text("/d/f", "x")
		s.ok(s.Rename(s.ctx, "/d", "/dd", true))
		s.says("/dd/f", "x")
		if s.limits.LingeringDirs {
			return
		}
		s.ok(s.Rename(s.ctx, "/dd", "/d", true))
		s.says("/d/f", "x")
		s.shows("/", "d/")
	},
	"the root": func(s *store) {
		s.text("/f", "x")
		if s.Rename(s.ctx, "/", "/d", true) == nil || s.Rename(s.ctx, "/f", "/", true) == nil {
			s.Error("the root was renamed, or replaced")
		}
		s.says("/f", "x")
	},
	"of twins, the file": func(s *store) {
		s.text("/a", "file")
		s.text("/a/b", "below")
		s.ok(s.Rename(s.ctx, "/a", "/c", true))
		s.says("/c", "file")
		s.says("/a/b", "below")
	},
}

var directories = map[string]func(*store){
	"remove a file": func(s *store) {
		s.text("/d/a", "x")
		s.text("/d/b", "x")
		s.ok(s.Remove(s.ctx, "/d/a"))
		s.gone("/d/a")
		s.shows("/d", "b")
		s.fails(s.Remove(s.ctx, "/d/a"), fs.ErrNotExist)
	},
	"remove no directory": func(s *store) {
		s.text("/d/a", "x")
		s.ok(s.Mkdir(s.ctx, "/e"))
		for _, name := range []string{"/d", "/e", "/"} {
			s.fails(s.Remove(s.ctx, name), syscall.EISDIR)
		}
		s.fails(s.Remove(s.ctx, "/none"), fs.ErrNotExist)
		s.shows("/", "d/", "e/")
	},
	"of twins, remove the file": func(s *store) {
		s.text("/a", "file")
		s.text("/a/b", "below")
		s.ok(s.Remove(s.ctx, "/a"))
		s.says("/a/b", "below")
	},
	"make and remove": func(s *store) {
		s.ok(s.Mkdir(s.ctx, "/a"))
		s.ok(s.Mkdir(s.ctx, "/b/c/d"))
		s.shows("/", "a/", "b/")
		s.ok(s.Rmdir(s.ctx, "/a"))
		s.ok(s.Rmdir(s.ctx, "/b/c/d"))
		s.gone("/a")
		s.gone("/b/c/d")
		s.fails(s.Rmdir(s.ctx, "/a"), fs.ErrNotExist)
	},
	"make no second": func(s *store) {
		s.ok(s.Mkdir(s.ctx, "/made"))
		s.text("/by/f", "x")
		s.text("/file", "x")
		for _, name := range []string{"/made", "/by", "/file", "/"} {
			s.fails(s.Mkdir(s.ctx, name), fs.ErrExist)
		}
		s.says("/file", "x")
	},
	"remove none that is full": func(s *store) {
		s.text("/d/f", "x")
		s.ok(s.Mkdir(s.ctx, "/e"))
		s.ok(s.Mkdir(s.ctx, "/e/sub"))
		s.fails(s.Rmdir(s.ctx, "/d"), syscall.ENOTEMPTY)
		s.fails(s.Rmdir(s.ctx, "/e"), syscall.ENOTEMPTY)
		s.says("/d/f", "x")
		s.ok(s.Rmdir(s.ctx, "/e/sub"))
		s.ok(s.Rmdir(s.ctx, "/e"))
	},
	"remove none that is a file, missing, or the root": func(s *store) {
		s.text("/file", "x")
		s.fails(s.Rmdir(s.ctx, "/file"), syscall.ENOTDIR)
		s.fails(s.Rmdir(s.ctx, "/none"), fs.ErrNotExist)
		if s.Rmdir(s.ctx, "/") == nil {
			s.Error("the root was removed")
		}
		s.says("/file", "x")
	},
	"removing foo is not removing foobar": func(s *store) {
		s.ok(s.Mkdir(s.ctx, "/foobar"))
		s.text("/foobar/x", "x")
		s.text("/foo.txt", "x")
		s.fails(s.Rmdir(s.ctx, "/foo"), fs.ErrNotExist)
		s.ok(s.Mkdir(s.ctx, "/foo"))
		s.ok(s.Rmdir(s.ctx, "/foo"))
		s.says("/foobar/x", "x")
		s.says("/foo.txt", "x")
	},
}

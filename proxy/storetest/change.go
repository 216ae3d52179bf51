package storetest

import (
	"io/fs"
	"syscall"
)

var renames = map[string]func(*store){
	"a file is replaced only if replace is true": func(s *store) {
		for _, size := range few(s, 10, 2*s.part+1) {
			s.putContent("/a", size)
			s.putText("/b", "b")
			s.checkError(s.Rename(s.ctx, "/a", "/b", false), fs.ErrExist)
			s.checkContent("/a", content(size), 0)
			s.checkText("/b", "b")
			s.must(s.Rename(s.ctx, "/a", "/free", false))
			s.checkMissing("/a")
			s.checkContent("/free", content(size), 0)
			s.must(s.Rename(s.ctx, "/free", "/b", true))
			s.checkMissing("/free")
			s.checkContent("/b", content(size), 0)
			s.must(s.Remove(s.ctx, "/b"))
		}
	},
	"rename a file": func(s *store) {
		s.putContent("/a", s.part+1)
		s.must(s.Rename(s.ctx, "/a", "/d/b", true))
		s.checkMissing("/a")
		s.checkContent("/d/b", content(s.part+1), 0)
	},
	"replace a file": func(s *store) {
		s.putText("/a", "new")
		s.putText("/b", "old")
		s.must(s.Rename(s.ctx, "/a", "/b", true))
		s.checkMissing("/a")
		s.checkText("/b", "new")
	},
	"rename to the same name": func(s *store) {
		s.putText("/a", "x")
		s.putText("/d/f", "y")
		s.must(s.Rename(s.ctx, "/a", "/a", true))
		s.must(s.Rename(s.ctx, "/d", "/d", true))
		s.checkText("/a", "x")
		s.checkText("/d/f", "y")
	},
	"rename a missing file or directory": func(s *store) {
		s.putText("/foobar/x", "x")
		s.putText("/b", "old")
		for _, name := range []string{"/none", "/foo"} {
			s.checkError(s.Rename(s.ctx, name, "/b", true), fs.ErrNotExist)
			s.checkError(s.Rename(s.ctx, name, name, true), fs.ErrNotExist)
		}
		s.checkText("/b", "old")
	},
	"rename a directory with its entries": func(s *store) {
		s.putText("/d/1", "1")
		s.putText("/d/sub/2", "2")
		s.putText("/d/sub/deep/3", "3")
		s.must(s.Mkdir(s.ctx, "/d/empty"))
		s.putText("/dd/stays", "4")
		s.must(s.Rename(s.ctx, "/d", "/e/f", true))
		s.checkMissing("/d")
		s.checkList("/e/f", "1", "empty/", "sub/")
		s.checkText("/e/f/sub/deep/3", "3")
		s.checkText("/e/f/sub/2", "2")
		s.checkText("/dd/stays", "4")
	},
	"rename an empty directory": func(s *store) {
		s.must(s.Mkdir(s.ctx, "/d"))
		s.must(s.Rename(s.ctx, "/d", "/e", true))
		s.checkMissing("/d")
		s.checkList("/e")
	},
	"rename a directory into itself": func(s *store) {
		s.putText("/d/f", "x")
		s.checkError(s.Rename(s.ctx, "/d", "/d/sub", true), fs.ErrInvalid)
		s.checkList("/d", "f")
	},
	"rename over a directory": func(s *store) {
		s.putText("/f", "file")
		s.putText("/d/1", "1")
		s.putText("/e/2", "2")
		s.checkError(s.Rename(s.ctx, "/f", "/d", true), fs.ErrExist)
		s.checkError(s.Rename(s.ctx, "/d", "/e", true), fs.ErrExist)
		s.checkError(s.Rename(s.ctx, "/d", "/f", true), fs.ErrExist)
		s.checkText("/f", "file")
		s.checkList("/d", "1")
		s.checkList("/e", "2")
	},
	"rename a directory to a name with the same prefix": func(s *store) {
		s.putText("/d/f", "x")
		s.must(s.Rename(s.ctx, "/d", "/dd", true))
		s.checkText("/dd/f", "x")
		if s.limits.LingeringDirs {
			return
		}
		s.must(s.Rename(s.ctx, "/dd", "/d", true))
		s.checkText("/d/f", "x")
		s.checkList("/", "d/")
	},
	"rename the root": func(s *store) {
		s.putText("/f", "x")
		if s.Rename(s.ctx, "/", "/d", true) == nil || s.Rename(s.ctx, "/f", "/", true) == nil {
			s.Error("the root was renamed, or replaced")
		}
		s.checkText("/f", "x")
	},
	"of a file and a directory with the same name, the file is renamed": func(s *store) {
		s.putText("/a", "file")
		s.putText("/a/b", "below")
		s.must(s.Rename(s.ctx, "/a", "/c", true))
		s.checkText("/c", "file")
		s.checkText("/a/b", "below")
	},
}

var directories = map[string]func(*store){
	"remove a file": func(s *store) {
		s.putText("/d/a", "x")
		s.putText("/d/b", "x")
		s.must(s.Remove(s.ctx, "/d/a"))
		s.checkMissing("/d/a")
		s.checkList("/d", "b")
		s.checkError(s.Remove(s.ctx, "/d/a"), fs.ErrNotExist)
	},
	"Remove refuses directories": func(s *store) {
		s.putText("/d/a", "x")
		s.must(s.Mkdir(s.ctx, "/e"))
		for _, name := range []string{"/d", "/e", "/"} {
			s.checkError(s.Remove(s.ctx, name), syscall.EISDIR)
		}
		s.checkError(s.Remove(s.ctx, "/none"), fs.ErrNotExist)
		s.checkList("/", "d/", "e/")
	},
	"of a file and a directory with the same name, Remove deletes the file": func(s *store) {
		s.putText("/a", "file")
		s.putText("/a/b", "below")
		s.must(s.Remove(s.ctx, "/a"))
		s.checkText("/a/b", "below")
	},
	"create and remove": func(s *store) {
		s.must(s.Mkdir(s.ctx, "/a"))
		s.must(s.Mkdir(s.ctx, "/b/c/d"))
		s.checkList("/", "a/", "b/")
		s.must(s.Rmdir(s.ctx, "/a"))
		s.must(s.Rmdir(s.ctx, "/b/c/d"))
		s.checkMissing("/a")
		s.checkMissing("/b/c/d")
		s.checkError(s.Rmdir(s.ctx, "/a"), fs.ErrNotExist)
	},
	"create an existing directory or file": func(s *store) {
		s.must(s.Mkdir(s.ctx, "/made"))
		s.putText("/by/f", "x")
		s.putText("/file", "x")
		for _, name := range []string{"/made", "/by", "/file", "/"} {
			s.checkError(s.Mkdir(s.ctx, name), fs.ErrExist)
		}
		s.checkText("/file", "x")
	},
	"remove a directory with entries": func(s *store) {
		s.putText("/d/f", "x")
		s.must(s.Mkdir(s.ctx, "/e"))
		s.must(s.Mkdir(s.ctx, "/e/sub"))
		s.checkError(s.Rmdir(s.ctx, "/d"), syscall.ENOTEMPTY)
		s.checkError(s.Rmdir(s.ctx, "/e"), syscall.ENOTEMPTY)
		s.checkText("/d/f", "x")
		s.must(s.Rmdir(s.ctx, "/e/sub"))
		s.must(s.Rmdir(s.ctx, "/e"))
	},
	"Rmdir refuses files, missing directories and the root": func(s *store) {
		s.putText("/file", "x")
		s.checkError(s.Rmdir(s.ctx, "/file"), syscall.ENOTDIR)
		s.checkError(s.Rmdir(s.ctx, "/none"), fs.ErrNotExist)
		if s.Rmdir(s.ctx, "/") == nil {
			s.Error("the root was removed")
		}
		s.checkText("/file", "x")
	},
	"removing foo does not remove foobar": func(s *store) {
		s.must(s.Mkdir(s.ctx, "/foobar"))
		s.putText("/foobar/x", "x")
		s.putText("/foo.txt", "x")
		s.checkError(s.Rmdir(s.ctx, "/foo"), fs.ErrNotExist)
		s.must(s.Mkdir(s.ctx, "/foo"))
		s.must(s.Rmdir(s.ctx, "/foo"))
		s.checkText("/foobar/x", "x")
		s.checkText("/foo.txt", "x")
	},
}

package storetest

import (
	"io/fs"
	"syscall"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

var times = map[string]func(*store){
	"SetTime changes the time only": func(s *store) {
		for _, size := range few(s, 0, 10, s.part+1) {
			for _, t := range few(s,
				time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC),
				time.Date(1969, 12, 31, 23, 59, 58, 0, time.UTC),
				time.Date(2038, 1, 19, 3, 14, 8, 500e6, time.UTC),
				time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
				time.Date(2, 1, 1, 0, 0, 0, 0, time.UTC),
			) {
				s.putContent("/a b+c.txt", size)
				s.must(s.SetTime(s.ctx, "/a b+c.txt", t))
				i, err := s.Stat(s.ctx, "/a b+c.txt")
				s.must(err)
				if !i.ModTime.Equal(t) || i.Size != int64(size) {
					s.Errorf("size %d and time %v, want %d and %v", i.Size, i.ModTime, size, t)
				}
				s.checkContent("/a b+c.txt", content(size), 0)
			}
		}
	},
	"the time is kept by a rename and lost with a new content": func(s *store) {
		t := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
		s.putText("/a", "x")
		s.must(s.SetTime(s.ctx, "/a", t))
		s.must(s.Rename(s.ctx, "/a", "/b", true))
		i, err := s.Stat(s.ctx, "/b")
		s.must(err)
		if !i.ModTime.Equal(t) {
			s.Errorf("time %v after the rename, want %v", i.ModTime, t)
		}
		s.putText("/b", "y")
		if i, err = s.Stat(s.ctx, "/b"); err != nil || i.ModTime.Equal(t) != s.limits.KeepsTime {
			s.Errorf("time %v, %v after a new content; want that it is kept: %v", i.ModTime, err, s.limits.KeepsTime)
		}
	},
	"ModTime of Attributes is set": func(s *store) {
		at := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
		for _, size := range few(s, 0, 10, s.part, 2*s.part+1) {
			s.must(s.Put(s.ctx, "/f", WithModTime(content(size), at), proxy.Write{}))
			i, err := s.Stat(s.ctx, "/f")
			s.must(err)
			if !i.ModTime.Equal(at) {
				s.Errorf("the file of %d bytes has the time %v, want %v", size, i.ModTime, at)
			}
			s.checkContent("/f", content(size), 0)
		}
	},
	"SetTime refuses directories and missing files": func(s *store) {
		s.must(s.Mkdir(s.ctx, "/d"))
		s.checkError(s.SetTime(s.ctx, "/d", time.Unix(0, 0)), syscall.EISDIR)
		s.checkError(s.SetTime(s.ctx, "/none", time.Unix(0, 0)), fs.ErrNotExist)
	},
}

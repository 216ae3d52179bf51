package storetest

import (
	"io/fs"
	"syscall"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

var times = map[string]func(*store){
	"a time that is set is told, and nothing else changes": func(s *store) {
		for _, size := range few(s, 0, 10, part+1) {
			for _, t := range few(s,
				time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC),
				time.Date(1969, 12, 31, 23, 59, 58, 0, time.UTC),
				time.Date(2038, 1, 19, 3, 14, 8, 500e6, time.UTC),
				time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC),
				time.Date(2, 1, 1, 0, 0, 0, 0, time.UTC),
			) {
				s.put("/a b+c.txt", size)
				s.ok(s.SetTime(s.ctx, "/a b+c.txt", t))
				i, err := s.Stat(s.ctx, "/a b+c.txt")
				s.ok(err)
				if !i.ModTime.Equal(t) || i.Size != int64(size) {
					s.Errorf("%d bytes of %v, want %d of %v", i.Size, i.ModTime, size, t)
				}
				s.holds("/a b+c.txt", content(size), 0)
			}
		}
	},
	"a time that was set goes along with a rename, and ends with a new content": func(s *store) {
		t := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
		s.text("/a", "x")
		s.ok(s.SetTime(s.ctx, "/a", t))
		s.ok(s.Rename(s.ctx, "/a", "/b", true))
		i, err := s.Stat(s.ctx, "/b")
		s.ok(err)
		if !i.ModTime.Equal(t) {
			s.Errorf("time %v after the rename, want %v", i.ModTime, t)
		}
		s.text("/b", "y")
		if i, err = s.Stat(s.ctx, "/b"); err != nil || i.ModTime.Equal(t) != s.limits.KeepsTime {
			s.Errorf("time %v, %v after a new content", i.ModTime, err)
		}
	},
	"a time that comes with the content is set": func(s *store) {
		at := time.Date(2001, 2, 3, 4, 5, 6, 0, time.UTC)
		for _, size := range few(s, 0, 10, part, 2*part+1) {
			s.ok(s.Put(s.ctx, "/f", Timed(content(size), at), proxy.Write{}))
			i, err := s.Stat(s.ctx, "/f")
			s.ok(err)
			if !i.ModTime.Equal(at) {
				s.Errorf("%d bytes have the time %v, want %v", size, i.ModTime, at)
			}
			s.holds("/f", content(size), 0)
		}
	},
	"only files have times to set": func(s *store) {
		s.ok(s.Mkdir(s.ctx, "/d"))
		s.fails(s.SetTime(s.ctx, "/d", time.Unix(0, 0)), syscall.EISDIR)
		s.fails(s.SetTime(s.ctx, "/none", time.Unix(0, 0)), fs.ErrNotExist)
	},
}

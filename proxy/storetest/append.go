package storetest

import (
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// appends are about writes that keep some of the file that is there.
var appends = map[string]func(*store){
	"bytes are added at the end": func(s *store) {
		for _, size := range few(s, 0, part-1, 2*part+7, 1, part) {
			for _, more := range few(s, 0, 1, part+3) {
				s.run(fmt.Sprintf("%d to %d", more, size), func(s *store) {
					name := fmt.Sprintf("/%d+%d", size, more)
					s.put(name, size)
					if more > 0 && !s.append(name, size, Source(content(more), All())) {
						s.holds(name, content(size), 0)
						return
					}
					s.holds(name, of(size, more), 0)
				})
			}
		}
	},
	"bytes are added again and again": func(s *store) {
		want := ""
		for i := range 10 {
			line := fmt.Sprintf("line %d\n", i)
			s.ok(s.Put(s.ctx, "/log", Source(strings.NewReader(line), All()), proxy.Write{Size: int64(len(line))}))
			want += line
		}
		s.says("/log", want)
	},
	"bytes are added at the end, wherever the caller takes it to be": func(s *store) {
		s.text("/f", "12345")
		e, err := s.Stat(s.ctx, "/f")
		s.ok(err)
		for _, want := range []string{"1234567", "123456767"} {
			s.ok(s.Put(s.ctx, "/f", Source(strings.NewReader("67"), All()), proxy.Write{Base: e.ETag}))
			s.says("/f", want)
		}
		s.ok(s.Remove(s.ctx, "/f"))
		s.ok(s.Put(s.ctx, "/f", Source(strings.NewReader("67"), All()), proxy.Write{Base: e.ETag}))
		s.says("/f", "67")
	},
	"bytes are kept of the version that the caller was told of, and of no other": func(s *store) {
		s.text("/f", "12345")
		e, err := s.Stat(s.ctx, "/f")
		s.ok(err)
		s.ok(s.Put(s.ctx, "/f", Source(strings.NewReader("67"), First(5)), proxy.Write{Base: e.ETag}))
		s.says("/f", "1234567")
		err = s.Put(s.ctx, "/f", Source(strings.NewReader("67"), First(5)), proxy.Write{Base: e.ETag})
		s.fails(err, syscall.ESPIPE)
		if at := offset(err); at != 7 {
			s.Errorf("of another version: said %d", at)
		}
		s.says("/f", "1234567")
		s.ok(s.Remove(s.ctx, "/f"))
		err = s.Put(s.ctx, "/f", Source(strings.NewReader("67"), First(5)), proxy.Write{Base: e.ETag})
		s.fails(err, syscall.ESPIPE)
		s.gone("/f")
	},
	"what is added to nothing is a file": func(s *store) {
		s.ok(s.Put(s.ctx, "/f", Source(content(part+1), All()), proxy.Write{}))
		s.holds("/f", content(part+1), 0)
	},
	"a file is written again from an offset": func(s *store) {
		const size = 3*part + 9
		for _, at := range few(s, part-1, size, 1, part) {
			for _, more := range few(s, 0, 2*part, 10) {
				s.run(fmt.Sprintf("%d at %d", more, at), func(s *store) {
					s.put("/f", size)
					if !s.append("/f", at, Source(content(more), First(int64(at)))) {
						s.holds("/f", content(size), 0)
						return
					}
					s.holds("/f", io.MultiReader(io.LimitReader(content(size), int64(at)), content(more)), 0)
				})
			}
		}
	},
	"an offset beyond the end is refused": func(s *store) {
		s.put("/f", 10)
		err := s.Put(s.ctx, "/f", Source(content(1), First(11)), proxy.Write{})
		s.fails(err, syscall.ESPIPE)
		if n := offset(err); n != 10 {
			s.Errorf("%d said to be there, want 10", n)
		}
		s.holds("/f", content(10), 0)
	},
	"a broken append leaves the file, and can be done again": func(s *store) {
		for _, size := range []int{10, 2 * part} {
			if size > part && s.limits.NoLargeAppend {
				continue
			}
			for _, sent := range few(s, 0, 2*part+1, 10) {
				s.put("/f", size)
				s.fails(s.Put(s.ctx, "/f", Source(cut(sent), All()), proxy.Write{}), errCut)
				s.holds("/f", content(size), 0)
				s.fails(s.Put(s.ctx, "/f", Uncommitted(content(sent), errCut, First(int64(size))), proxy.Write{}), errCut)
				s.holds("/f", content(size), 0)
				s.ok(s.Put(s.ctx, "/f", Source(content(7), First(int64(size))), proxy.Write{}))
				s.holds("/f", of(size, 7), 0)
			}
		}
	},
	"the end of the data is not the order to append": func(s *store) {
		for _, size := range few(s, part, 10, 2*part) {
			s.put("/f", size)
			if s.append("/f", size, Source(content(7), All())) {
				s.holds("/f", of(size, 7), 0)
			}
		}
	},
	"a directory is not appended to": func(s *store) {
		s.fails(s.Put(s.ctx, "/", Source(content(1), All()), proxy.Write{}), syscall.EISDIR)
	},
}

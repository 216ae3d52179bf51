package storetest

import (
	"fmt"
	"io"
	"strings"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// appends are tests of uploads that keep the beginning of the file, or all of it.
var appends = map[string]func(*store){
	"bytes are appended": func(s *store) {
		for _, size := range few(s, 0, s.part-1, 2*s.part+7, 1, s.part) {
			for _, more := range few(s, 0, 1, s.part+3) {
				s.run(fmt.Sprintf("%d to %d", more, size), func(s *store) {
					name := fmt.Sprintf("/%d+%d", size, more)
					s.putContent(name, size)
					if more > 0 && !s.tryAppend(name, size, Source(content(more), All())) {
						s.checkContent(name, content(size), 0)
						return
					}
					s.checkContent(name, joined(size, more), 0)
				})
			}
		}
	},
	"repeated appends": func(s *store) {
		want := ""
		for i := range 10 {
			line := fmt.Sprintf("line %d\n", i)
			s.must(s.Put(s.ctx, "/log", Source(strings.NewReader(line), All()), proxy.Write{Size: int64(len(line))}))
			want += line
		}
		s.checkText("/log", want)
	},
	"Write.Found tells the file that is kept": func(s *store) {
		s.putText("/f", "12345")
		want, err := s.Stat(s.ctx, "/f")
		s.must(err)
		for name, kept := range map[string]proxy.Run{"all": Kept(0, -1), "the beginning": Kept(0, 2), "the end": Kept(3, -1)} {
			var found []proxy.Entry
			note := proxy.Write{Found: func(e proxy.Entry) { found = append(found, e) }}
			s.checkError(s.Put(s.ctx, "/f", Runs(kept, New(failingAfter(0))), note), errUpload)
			if len(found) != 1 || found[0].Size != want.Size || found[0].ETag != want.ETag {
				s.Errorf("%s of %+v is kept, and it is told %+v", name, want, found)
			}
			found = nil
			s.checkError(s.Put(s.ctx, "/none", Runs(Kept(0, -1), New(failingAfter(0))), note), errUpload)
			s.checkError(s.Put(s.ctx, "/f", Runs(New(failingAfter(0))), note), errUpload)
			if found != nil {
				s.Errorf("nothing is kept, and it is told %+v", found)
			}
		}
	},
	"an append ignores that Base is an older version": func(s *store) {
		s.putText("/f", "12345")
		e, err := s.Stat(s.ctx, "/f")
		s.must(err)
		for _, want := range []string{"1234567", "123456767"} {
			s.must(s.Put(s.ctx, "/f", Source(strings.NewReader("67"), All()), proxy.Write{Base: e.ETag}))
			s.checkText("/f", want)
		}
		s.must(s.Remove(s.ctx, "/f"))
		s.must(s.Put(s.ctx, "/f", Source(strings.NewReader("67"), All()), proxy.Write{Base: e.ETag}))
		s.checkText("/f", "67")
	},
	"bytes are kept of Base only": func(s *store) {
		s.putText("/f", "12345")
		e, err := s.Stat(s.ctx, "/f")
		s.must(err)
		s.must(s.Put(s.ctx, "/f", Source(strings.NewReader("67"), First(5)), proxy.Write{Base: e.ETag}))
		s.checkText("/f", "1234567")
		err = s.Put(s.ctx, "/f", Source(strings.NewReader("67"), First(5)), proxy.Write{Base: e.ETag})
		s.checkOffset(err, 7)
		s.checkText("/f", "1234567")
		s.must(s.Remove(s.ctx, "/f"))
		err = s.Put(s.ctx, "/f", Source(strings.NewReader("67"), First(5)), proxy.Write{Base: e.ETag})
		s.checkError(err, syscall.ESPIPE)
		s.checkMissing("/f")
	},
	"an append to a missing file creates it": func(s *store) {
		s.must(s.Put(s.ctx, "/f", Source(content(s.part+1), All()), proxy.Write{}))
		s.checkContent("/f", content(s.part+1), 0)
	},
	"a file is overwritten from an offset": func(s *store) {
		size := 3*s.part + 9
		for _, at := range few(s, s.part-1, size, 1, s.part) {
			for _, more := range few(s, 0, 2*s.part, 10) {
				s.run(fmt.Sprintf("%d at %d", more, at), func(s *store) {
					s.putContent("/f", size)
					if !s.tryAppend("/f", at, Source(content(more), First(int64(at)))) {
						s.checkContent("/f", content(size), 0)
						return
					}
					s.checkContent("/f", io.MultiReader(io.LimitReader(content(size), int64(at)), content(more)), 0)
				})
			}
		}
	},
	"an offset beyond the end is an error with the size": func(s *store) {
		s.putContent("/f", 10)
		err := s.Put(s.ctx, "/f", Source(content(1), First(11)), proxy.Write{})
		s.checkOffset(err, 10)
		s.checkContent("/f", content(10), 0)
	},
	"a failed append leaves the file unchanged and can be retried": func(s *store) {
		for _, size := range []int{10, 2 * s.part} {
			if size > s.part && s.limits.NoLargeAppend {
				continue
			}
			for _, sent := range few(s, 0, 2*s.part+1, 10) {
				s.putContent("/f", size)
				s.checkError(s.Put(s.ctx, "/f", Source(failingAfter(sent), All()), proxy.Write{}), errUpload)
				s.checkContent("/f", content(size), 0)
				s.checkError(s.Put(s.ctx, "/f", Uncommitted(content(sent), errUpload, First(int64(size))), proxy.Write{}), errUpload)
				s.checkContent("/f", content(size), 0)
				s.must(s.Put(s.ctx, "/f", Source(content(7), First(int64(size))), proxy.Write{}))
				s.checkContent("/f", joined(size, 7), 0)
			}
		}
	},
	"an append is published after Commit": func(s *store) {
		for _, size := range few(s, s.part, 10, 2*s.part) {
			s.putContent("/f", size)
			if s.tryAppend("/f", size, Source(content(7), All())) {
				s.checkContent("/f", joined(size, 7), 0)
			}
		}
	},
	"an append to a directory is refused": func(s *store) {
		s.checkError(s.Put(s.ctx, "/", Source(content(1), All()), proxy.Write{}), syscall.EISDIR)
	},
}

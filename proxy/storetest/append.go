package storetest

import (
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// appends are about writes that keep some of the file that is there.
var appends = map[string]func(*store){
	"bytes are added at the end": func(s *store) {
		for _, size := range []int{0, 1, part - 1, part, 2*part + 7} {
			for _, more := range []int{0, 1, part + 3} {
				s.Run(fmt.Sprintf("%d to %d", more, size), func(t *testing.T) {
					s := &store{s.Store, t, t.Context()}
					name := fmt.Sprintf("/%d+%d", size, more)
					s.put(name, size)
					s.ok(s.Put(s.ctx, name, content(more), proxy.Write{Append: true}))
					s.holds(name, of(size, more), 0)
				})
			}
		}
	},
	"bytes are added again and again": func(s *store) {
		want := ""
		for i := range 10 {
			line := fmt.Sprintf("line %d\n", i)
			s.ok(s.Put(s.ctx, "/log", strings.NewReader(line), proxy.Write{Append: true, Size: int64(len(line))}))
			want += line
		}
		s.says("/log", want)
	},
	"bytes are added at the end, wherever the caller takes it to be": func(s *store) {
		for _, at := range []int64{3, 5, 9} {
			s.text("/f", "12345")
			s.ok(s.Put(s.ctx, "/f", strings.NewReader("67"), proxy.Write{Append: true, Offset: at}))
			s.says("/f", "1234567")
		}
	},
	"what is added to nothing is a file": func(s *store) {
		s.ok(s.Put(s.ctx, "/f", content(part+1), proxy.Write{Append: true}))
		s.holds("/f", content(part+1), 0)
	},
	"a file is written again from an offset": func(s *store) {
		const size = 3*part + 9
		for _, at := range []int{1, part - 1, part, size} {
			for _, more := range []int{0, 10, 2 * part} {
				s.Run(fmt.Sprintf("%d at %d", more, at), func(t *testing.T) {
					s := &store{s.Store, t, t.Context()}
					s.put("/f", size)
					s.ok(s.Put(s.ctx, "/f", content(more), proxy.Write{Offset: int64(at)}))
					s.holds("/f", io.MultiReader(io.LimitReader(content(size), int64(at)), content(more)), 0)
				})
			}
		}
	},
	"an offset beyond the end is refused": func(s *store) {
		s.put("/f", 10)
		err := s.Put(s.ctx, "/f", content(1), proxy.Write{Offset: 11})
		s.fails(err, syscall.ESPIPE)
		if n := offset(err); n != 10 {
			s.Errorf("%d said to be there, want 10", n)
		}
		s.holds("/f", content(10), 0)
	},
	"a broken append leaves the file, and can be done again": func(s *store) {
		for _, size := range []int{10, 2 * part} {
			for _, sent := range []int{0, 10, 2*part + 1} {
				s.put("/f", size)
				s.fails(s.Put(s.ctx, "/f", cut(sent), proxy.Write{Append: true}), errCut)
				s.holds("/f", content(size), 0)
				s.fails(s.Put(s.ctx, "/f", &held{r: content(sent), order: errCut}, proxy.Write{Offset: int64(size)}), errCut)
				s.holds("/f", content(size), 0)
				s.ok(s.Put(s.ctx, "/f", content(7), proxy.Write{Offset: int64(size)}))
				s.holds("/f", of(size, 7), 0)
			}
		}
	},
	"the end of the data is not the order to append": func(s *store) {
		for _, size := range []int{10, part, 2 * part} {
			s.put("/f", size)
			s.ok(s.Put(s.ctx, "/f", &held{r: content(7)}, proxy.Write{Append: true}))
			s.holds("/f", of(size, 7), 0)
		}
	},
	"a directory is not appended to": func(s *store) {
		s.fails(s.Put(s.ctx, "/", content(1), proxy.Write{Append: true}), syscall.EISDIR)
	},
}

package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"testing/iotest"

	"github.com/s3ftpd/s3ftpd/proxy"
)

var errCut = errors.New("the data connection was cut")

// cut returns a reader that breaks after so many bytes.
func cut(size int) io.Reader { return io.MultiReader(content(size), iotest.ErrReader(errCut)) }

var puts = map[string]func(*store){
	"a file of any size comes back": func(s *store) {
		for _, size := range few(s, 0, part-1, part, part+1, 1, 3*part+7) {
			s.run(fmt.Sprint(size), func(s *store) {
				name := fmt.Sprintf("/of %d", size)
				s.put(name, size)
				s.holds(name, content(size), 0)
				i, err := s.Stat(s.ctx, name)
				s.ok(err)
				if i.Size != int64(size) {
					s.Errorf("size %d, want %d", i.Size, size)
				}
			})
		}
	},
	"nothing of a broken upload appears": func(s *store) {
		for _, size := range few(s, 0, part-1, part, 3*part+7, 1, part+1) {
			s.fails(s.Put(s.ctx, "/broken", Source(cut(size)), proxy.Write{}), errCut)
			s.gone("/broken")
			s.shows("/")
		}
	},
	"a broken upload leaves the old content": func(s *store) {
		for _, size := range few(s, 0, part, 1, 2*part+1) {
			s.text("/old", "as it was")
			s.fails(s.Put(s.ctx, "/old", Source(cut(size)), proxy.Write{}), errCut)
			s.says("/old", "as it was")
		}
	},
	"the end of the data is not the order to publish": func(s *store) {
		for _, size := range few(s, 0, 2, part, 2*part+1, 1, part+1) {
			s.text("/old", "as it was")
			s.fails(s.Put(s.ctx, "/old", Uncommitted(content(size), errCut), proxy.Write{}), errCut)
			s.says("/old", "as it was")
			s.ok(s.Put(s.ctx, "/new", Source(content(size)), proxy.Write{}))
			s.holds("/new", content(size), 0)
		}
	},
	"a stream cut like a short last part is no end": func(s *store) {
		r := io.MultiReader(content(100), iotest.ErrReader(io.ErrUnexpectedEOF))
		s.fails(s.Put(s.ctx, "/cut", Source(r), proxy.Write{}), io.ErrUnexpectedEOF)
		s.gone("/cut")
	},
	"the end may come with the last bytes": func(s *store) {
		for _, size := range few(s, 2*part, 1, part) {
			s.ok(s.Put(s.ctx, "/f", Source(iotest.DataErrReader(content(size))), proxy.Write{}))
			s.holds("/f", content(size), 0)
		}
	},
	"bytes may come one at a time": func(s *store) {
		s.ok(s.Put(s.ctx, "/f", Source(iotest.OneByteReader(content(1000))), proxy.Write{}))
		s.holds("/f", content(1000), 0)
	},
	"a new content replaces the old": func(s *store) {
		s.put("/f", 2*part)
		s.text("/f", "short")
		s.says("/f", "short")
		s.put("/f", part+1)
		s.holds("/f", content(part+1), 0)
	},
	"what must be new is": func(s *store) {
		for _, size := range []int{3, part + 1} {
			name := fmt.Sprintf("/%d", size)
			s.ok(s.Put(s.ctx, name, Source(content(size)), proxy.Write{New: true}))
			s.fails(s.Put(s.ctx, name, Source(strings.NewReader("other")), proxy.Write{New: true}), fs.ErrExist)
			if !s.limits.NoNewLarge {
				s.fails(s.Put(s.ctx, name, Source(content(2*part)), proxy.Write{New: true}), fs.ErrExist)
			}
			s.holds(name, content(size), 0)
		}
	},
	"a size may be announced": func(s *store) {
		for _, size := range few(s, 3*part+7, 1, part) {
			s.ok(s.Put(s.ctx, "/f", Source(content(size)), proxy.Write{Size: int64(size)}))
			s.holds("/f", content(size), 0)
		}
	},
	"the directory need not be there": func(s *store) {
		s.text("/a/b/c", "deep")
		s.says("/a/b/c", "deep")
		s.shows("/a", "b/")
	},
	"the root is no file": func(s *store) {
		s.fails(s.Put(s.ctx, "/", Source(strings.NewReader("x")), proxy.Write{}), syscall.EISDIR)
	},
	"a cancelled upload does not appear": func(s *store) {
		for _, size := range []int{10, 2 * part} {
			ctx, cancel := context.WithCancel(s.ctx)
			stop := readerFunc(func([]byte) (int, error) { cancel(); return 0, io.EOF })
			s.fails(s.Put(ctx, "/f", Source(io.MultiReader(content(size), stop)), proxy.Write{}), context.Canceled)
			s.gone("/f")
		}
	},
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

package storetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"

	"github.com/s3ftpd/s3ftpd/proxy"
)

var errCut = errors.New("the data connection was cut")

// cut returns a reader that breaks after so many bytes.
func cut(size int) io.Reader { return io.MultiReader(content(size), iotest.ErrReader(errCut)) }

var puts = map[string]func(*store){
	"a file of any size comes back": func(s *store) {
		for _, size := range []int{0, 1, part - 1, part, part + 1, 3*part + 7} {
			s.Run(fmt.Sprint(size), func(t *testing.T) {
				s := &store{s.Store, t, t.Context()}
				name := fmt.Sprintf("/of %d", size)
				s.put(name, size)
				s.holds(name, content(size), 0)
				i, err := s.Stat(s.ctx, name)
				s.ok(err)
				if i.Size() != int64(size) {
					s.Errorf("size %d, want %d", i.Size(), size)
				}
			})
		}
	},
	"nothing of a broken upload appears": func(s *store) {
		for _, size := range []int{0, 1, part - 1, part, part + 1, 3*part + 7} {
			s.fails(s.Put(s.ctx, "/broken", cut(size), proxy.Write{}), errCut)
			s.gone("/broken")
			s.shows("/")
		}
	},
	"a broken upload leaves the old content": func(s *store) {
		for _, size := range []int{0, 1, part, 2*part + 1} {
			s.text("/old", "as it was")
			s.fails(s.Put(s.ctx, "/old", cut(size), proxy.Write{}), errCut)
			s.says("/old", "as it was")
		}
	},
	"the end of the data is not the order to publish": func(s *store) {
		for _, size := range []int{0, 1, 2, part, part + 1, 2*part + 1} {
			s.text("/old", "as it was")
			s.fails(s.Put(s.ctx, "/old", &held{r: content(size), order: errCut}, proxy.Write{}), errCut)
			s.says("/old", "as it was")
			s.ok(s.Put(s.ctx, "/new", &held{r: content(size)}, proxy.Write{}))
			s.holds("/new", content(size), 0)
		}
	},
	"a stream cut like a short last part is no end": func(s *store) {
		r := io.MultiReader(content(100), iotest.ErrReader(io.ErrUnexpectedEOF))
		s.fails(s.Put(s.ctx, "/cut", r, proxy.Write{}), io.ErrUnexpectedEOF)
		s.gone("/cut")
	},
	"the end may come with the last bytes": func(s *store) {
		for _, size := range []int{1, part, 2 * part} {
			s.ok(s.Put(s.ctx, "/f", iotest.DataErrReader(content(size)), proxy.Write{}))
			s.holds("/f", content(size), 0)
		}
	},
	"bytes may come one at a time": func(s *store) {
		s.ok(s.Put(s.ctx, "/f", iotest.OneByteReader(content(1000)), proxy.Write{}))
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
			s.ok(s.Put(s.ctx, name, content(size), proxy.Write{New: true}))
			s.fails(s.Put(s.ctx, name, strings.NewReader("other"), proxy.Write{New: true}), fs.ErrExist)
			s.fails(s.Put(s.ctx, name, content(2*part), proxy.Write{New: true}), fs.ErrExist)
			s.holds(name, content(size), 0)
		}
	},
	"a size may be announced": func(s *store) {
		for _, size := range []int{1, part, 3*part + 7} {
			s.ok(s.Put(s.ctx, "/f", content(size), proxy.Write{Size: int64(size)}))
			s.holds("/f", content(size), 0)
		}
	},
	"the directory need not be there": func(s *store) {
		s.text("/a/b/c", "deep")
		s.says("/a/b/c", "deep")
		s.shows("/a", "b/")
	},
	"the root is no file": func(s *store) {
		s.fails(s.Put(s.ctx, "/", strings.NewReader("x"), proxy.Write{}), syscall.EISDIR)
	},
	"a cancelled upload does not appear": func(s *store) {
		for _, size := range []int{10, 2 * part} {
			ctx, cancel := context.WithCancel(s.ctx)
			stop := readerFunc(func([]byte) (int, error) { cancel(); return 0, io.EOF })
			s.fails(s.Put(ctx, "/f", io.MultiReader(content(size), stop), proxy.Write{}), context.Canceled)
			s.gone("/f")
		}
	},
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

// A held reader gives the order to publish after the end of its data, to a store that asks for it; to others, at
// the end.
type held struct {
	r     io.Reader
	order error // nil = publish
	asked bool
}

func (h *held) Read(p []byte) (int, error) {
	n, err := h.r.Read(p)
	if err == io.EOF && !h.asked && h.order != nil {
		err = h.order
	}
	return n, err
}

func (h *held) Hold() func() error {
	h.asked = true
	return func() error { return h.order }
}

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

// errUpload is the error of a source of which an upload fails.
var errUpload = errors.New("the data connection was lost")

// failingAfter returns a reader of content(size) that then fails with errUpload.
func failingAfter(size int) io.Reader {
	return io.MultiReader(content(size), iotest.ErrReader(errUpload))
}

var puts = map[string]func(*store){
	"files of all sizes": func(s *store) {
		for _, size := range few(s, 0, s.part-1, s.part, s.part+1, 1, 3*s.part+7) {
			s.run(fmt.Sprint(size), func(s *store) {
				name := fmt.Sprintf("/of %d", size)
				s.putContent(name, size)
				s.checkContent(name, content(size), 0)
				i, err := s.Stat(s.ctx, name)
				s.must(err)
				if i.Size != int64(size) {
					s.Errorf("size %d, want %d", i.Size, size)
				}
			})
		}
	},
	"a failed upload creates no file": func(s *store) {
		for _, size := range few(s, 0, s.part-1, s.part, 3*s.part+7, 1, s.part+1) {
			s.failUpload("/broken", size)
			s.checkMissing("/broken")
			s.checkList("/")
		}
	},
	"a failed upload leaves the old file unchanged": func(s *store) {
		for _, size := range few(s, 0, s.part, 1, 2*s.part+1) {
			s.putText("/old", "as it was")
			s.failUpload("/old", size)
			s.checkText("/old", "as it was")
		}
	},
	"an upload is published after Commit only": func(s *store) {
		for _, size := range few(s, 0, 2, s.part, 2*s.part+1, 1, s.part+1) {
			s.putText("/old", "as it was")
			s.checkError(s.Put(s.ctx, "/old", Uncommitted(content(size), errUpload), proxy.Write{}), errUpload)
			s.checkText("/old", "as it was")
			s.must(s.Put(s.ctx, "/new", Source(content(size)), proxy.Write{}))
			s.checkContent("/new", content(size), 0)
		}
	},
	"io.ErrUnexpectedEOF of the source fails the upload": func(s *store) {
		r := io.MultiReader(content(100), iotest.ErrReader(io.ErrUnexpectedEOF))
		s.checkError(s.Put(s.ctx, "/cut", Source(r), proxy.Write{}), io.ErrUnexpectedEOF)
		s.checkMissing("/cut")
	},
	"io.EOF may come with the last bytes": func(s *store) {
		for _, size := range few(s, 2*s.part, 1, s.part) {
			s.must(s.Put(s.ctx, "/f", Source(iotest.DataErrReader(content(size))), proxy.Write{}))
			s.checkContent("/f", content(size), 0)
		}
	},
	"bytes may arrive one at a time": func(s *store) {
		s.must(s.Put(s.ctx, "/f", Source(iotest.OneByteReader(content(1000))), proxy.Write{}))
		s.checkContent("/f", content(1000), 0)
	},
	"an upload replaces the old file": func(s *store) {
		s.putContent("/f", 2*s.part)
		s.putText("/f", "short")
		s.checkText("/f", "short")
		s.putContent("/f", s.part+1)
		s.checkContent("/f", content(s.part+1), 0)
	},
	"Write.New refuses an existing file": func(s *store) {
		for _, size := range []int{3, s.part + 1} {
			name := fmt.Sprintf("/%d", size)
			s.must(s.Put(s.ctx, name, Source(content(size)), proxy.Write{New: true}))
			s.checkError(s.Put(s.ctx, name, Source(strings.NewReader("other")), proxy.Write{New: true}), fs.ErrExist)
			if !s.limits.NoNewLarge {
				s.checkError(s.Put(s.ctx, name, Source(content(2*s.part)), proxy.Write{New: true}), fs.ErrExist)
			}
			s.checkContent(name, content(size), 0)
		}
	},
	"Write.Early refuses an existing file before the source is read": func(s *store) {
		s.putContent("/f", 10)
		unread := sourceFunc(func() (proxy.Run, error) { s.Error("the store reads the source"); return proxy.Run{}, io.EOF })
		s.checkError(s.Put(s.ctx, "/f", unread, proxy.Write{New: true, Early: true}), fs.ErrExist)
		s.checkContent("/f", content(10), 0)
		s.must(s.Put(s.ctx, "/d/f", Source(content(7)), proxy.Write{New: true, Early: true}))
		s.checkContent("/d/f", content(7), 0)
	},
	"the size may be announced": func(s *store) {
		for _, size := range few(s, 3*s.part+7, 1, s.part) {
			s.must(s.Put(s.ctx, "/f", Source(content(size)), proxy.Write{Size: int64(size)}))
			s.checkContent("/f", content(size), 0)
		}
	},
	"the directory need not exist": func(s *store) {
		s.putText("/a/b/c", "deep")
		s.checkText("/a/b/c", "deep")
		s.checkList("/a", "b/")
	},
	"the root is not a file": func(s *store) {
		s.checkError(s.Put(s.ctx, "/", Source(strings.NewReader("x")), proxy.Write{}), syscall.EISDIR)
	},
	"a cancelled upload creates no file": func(s *store) {
		for _, size := range []int{10, 2 * s.part} {
			ctx, cancel := context.WithCancel(s.ctx)
			stop := readerFunc(func([]byte) (int, error) { cancel(); return 0, io.EOF })
			s.checkError(s.Put(ctx, "/f", Source(io.MultiReader(content(size), stop)), proxy.Write{}), context.Canceled)
			s.checkMissing("/f")
		}
	},
}

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

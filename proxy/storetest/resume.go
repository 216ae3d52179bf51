package storetest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"path"
	"strings"
	"syscall"
	"testing/iotest"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// resumes are about uploads that broke. A store need not keep what is shorter than a part, and may keep nothing at all.
var resumes = map[string]func(*store){
	"a broken upload is resumed": func(s *store) {
		for _, size := range few(s, part, part+1, 2*part, 3*part+7, 2*part-1) {
			name := fmt.Sprintf("/cut at %d", size)
			s.fails(s.Put(s.ctx, name, Source(cut(size)), proxy.Write{}), errCut)
			if n := s.stands(name); n != int64(size) {
				s.Errorf("%d of %d bytes are safe", n, size)
			}
			more := few(s, 4*part, 1)[0]
			s.resume(name, size, more)
			s.holds(name, of(size, more), 0)
		}
	},
	"a resumed upload may end where it stands": func(s *store) {
		s.fails(s.Put(s.ctx, "/f", Source(cut(2*part+100)), proxy.Write{}), errCut)
		s.resume("/f", 2*part+100, 0)
		s.holds("/f", content(2*part+100), 0)
	},
	"an upload that breaks again and again gets there": func(s *store) {
		if s.limits.SlowResume {
			s.Skip("this store needs more time")
		}
		size := int64(few(s, 6*part+1000, 3*part+1000)[0])
		random := rand.New(rand.NewPCG(1, 2))
		for at, tries := int64(0), 0; ; at, tries = s.stands("/f"), tries+1 {
			if tries == 20 {
				s.Fatalf("no more than %d bytes are safe after %d tries", at, tries)
			}
			more := part + random.Int64N(2*part)
			if at+more >= size {
				s.ok(s.Put(s.ctx, "/f", Source(from(content(int(size)), at), First(at)), proxy.Write{}))
				break
			}
			s.fails(s.Put(s.ctx, "/f", Source(io.MultiReader(io.LimitReader(from(content(int(size)), at), more), failing{}), First(at)), proxy.Write{}), errCut)
			if now := s.stands("/f"); now < at {
				s.Fatalf("%d bytes are safe, where %d were", now, at)
			}
		}
		s.holds("/f", content(int(size)), 0)
	},
	"an upload that is not ordered to be published can be resumed": func(s *store) {
		for _, size := range few(s, part+2, 3*part+7, 2*part+1, 2*part-1) {
			name := fmt.Sprint("/", size)
			s.fails(s.Put(s.ctx, name, Uncommitted(content(size), errCut), proxy.Write{}), errCut)
			s.gone(name)
			at := s.stands(name)
			if at != int64(size)-1 {
				s.Errorf("%d of %d bytes are safe, want all but one, lest they be taken for the whole", at, size)
			}
			s.ok(s.Put(s.ctx, name, Source(from(content(size), at), First(at)), proxy.Write{}))
			s.holds(name, content(size), 0)
		}
	},
	"what is wrong is not resumed": func(s *store) {
		for _, size := range few(s, 2*part+1, part+5) {
			s.fails(s.Put(s.ctx, "/f", Source(cut(part)), proxy.Write{}), errCut)
			s.fails(s.Put(s.ctx, "/f", Source(io.MultiReader(content(size), iotest.ErrReader(proxy.ErrDiscard)), First(s.stands("/f"))), proxy.Write{}), proxy.ErrDiscard)
			if at := s.stands("/f"); at != 0 {
				s.Errorf("%d of %d bytes are kept, and more that went before", at, size)
			}
		}
	},
	"an offset that does not fit is refused, and the right one said": func(s *store) {
		s.fails(s.Put(s.ctx, "/f", Source(cut(2*part+5)), proxy.Write{}), errCut)
		for _, n := range []int64{1, 2*part + 4, 2*part + 6, 9 * part} {
			err := s.Put(s.ctx, "/f", Source(content(1), First(n)), proxy.Write{})
			s.fails(err, syscall.ESPIPE)
			if at := offset(err); at != 2*part+5 {
				s.Errorf("offset %d: said %d", n, at)
			}
		}
		s.gone("/f")
		err := s.Put(s.ctx, "/g", Source(content(1), First(5)), proxy.Write{})
		s.fails(err, syscall.ESPIPE)
		s.gone("/g")
	},
	"what is published is not mixed with what is broken": func(s *store) {
		s.text("/f", "0123456789")
		s.fails(s.Put(s.ctx, "/f", Source(cut(part+5)), proxy.Write{}), errCut)
		s.says("/f", "0123456789")
		for _, n := range []int64{4, 10} {
			err := s.Put(s.ctx, "/f", Source(strings.NewReader("x"), First(n)), proxy.Write{})
			s.fails(err, syscall.ESPIPE)
			if at := offset(err); at != part+5 {
				s.Errorf("offset %d: said %d", n, at)
			}
		}
		e, err := s.Stat(s.ctx, "/f")
		s.ok(err)
		err = s.Put(s.ctx, "/f", Source(strings.NewReader("x"), All()), proxy.Write{Base: e.ETag})
		s.fails(err, syscall.ESPIPE)
		if at := offset(err); at != part+5 {
			s.Errorf("told the size: said %d", at)
		}
		s.says("/f", "0123456789")
		s.ok(s.Put(s.ctx, "/f", Source(content(7), First(part+5)), proxy.Write{}))
		s.holds("/f", of(part+5, 7), 0)
	},
	"a complete upload ends broken ones": func(s *store) {
		for _, size := range []int{10, 2*part + 1} {
			s.fails(s.Put(s.ctx, "/f", Source(cut(part+5)), proxy.Write{}), errCut)
			s.put("/f", size)
			s.ok(s.Remove(s.ctx, "/f"))
			if n := s.stands("/f"); n != 0 {
				s.Errorf("an upload of %d bytes left one that stands at %d", size, n)
			}
		}
	},
	"all of a content that was not published is not said to be there": func(s *store) {
		for _, size := range few(s, part+1, part, 2*part+1) {
			name := fmt.Sprint("/", size)
			s.fails(s.Put(s.ctx, name, Uncommitted(content(size), errCut), proxy.Write{}), errCut)
			if at := s.stands(name); at >= int64(size) {
				s.Errorf("%d of %d bytes are said to be there", at, size)
			}
		}
	},
	"what broke is not looked for in a file": func(s *store) {
		s.fails(s.Put(s.ctx, "/f", Source(cut(part+5)), proxy.Write{}), errCut)
		e, err := s.Stat(s.ctx, "/f")
		s.ok(err)
		s.put("/f", 3*part)
		err = s.Put(s.ctx, "/f", Source(content(7), First(part+5)), proxy.Write{Base: e.ETag})
		s.fails(err, syscall.ESPIPE)
		if at := offset(err); at != 3*part {
			s.Errorf("said %d", at)
		}
		s.holds("/f", content(3*part), 0)
	},
	"a broken upload is no file": func(s *store) {
		s.fails(s.Put(s.ctx, "/d/f", Source(cut(part+5)), proxy.Write{}), errCut)
		s.shows("/")
		s.fails(s.Rename(s.ctx, "/d/f", "/g", true), fs.ErrNotExist)
		_, err := s.Open(s.ctx, "/d/f", proxy.Range{})
		s.fails(err, fs.ErrNotExist)
		s.ok(s.Mkdir(s.ctx, "/d/f"))
	},
	"a broken upload can be deleted": func(s *store) {
		s.fails(s.Put(s.ctx, "/f", Source(cut(part+5)), proxy.Write{}), errCut)
		s.ok(s.Remove(s.ctx, "/f"))
		if n := s.stands("/f"); n != 0 {
			s.Errorf("it stands at %d", n)
		}
		s.fails(s.Remove(s.ctx, "/f"), fs.ErrNotExist)
	},
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errCut }

// offset returns the offset that an error tells, 0 if it tells none.
func offset(err error) int64 {
	if e, ok := errors.AsType[*proxy.OffsetError](err); ok {
		return e.Offset
	}
	return 0
}

// stands returns where a broken upload stands, 0 where there is none.
func (s *store) stands(name string) int64 {
	s.Helper()
	e, err := s.Stat(s.ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0
	case err != nil || !e.Resumable || e.Dir || e.Size <= 0 || e.ETag == "" || e.Name != path.Base(name):
		s.Errorf("Stat of %s: %v, %v; want an upload that can be resumed, or fs.ErrNotExist", name, describe(e), err)
	}
	return e.Size
}

// resume goes on with an upload of which the content of so many bytes has been sent, with more bytes of another.
func (s *store) resume(name string, sent, more int) {
	s.Helper()
	at := s.stands(name)
	s.ok(s.Put(s.ctx, name, Source(from(of(sent, more), at), First(at)), proxy.Write{}))
}

// of returns the content of so many bytes, and after it one of more.
func of(size, more int) io.Reader { return io.MultiReader(content(size), content(more)) }

// from skips the first n bytes.
func from(r io.Reader, n int64) io.Reader {
	if _, err := io.CopyN(io.Discard, r, n); err != nil {
		panic(err)
	}
	return r
}

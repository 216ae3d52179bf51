package storetest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"syscall"
	"testing/iotest"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// resumes are about uploads that broke. A store need not keep what is shorter than a part, and may keep nothing at all.
var resumes = map[string]func(*store){
	"a broken upload is resumed": func(s *store) {
		for _, size := range []int{part, part + 1, 2*part - 1, 2 * part, 3*part + 7} {
			name := fmt.Sprintf("/cut at %d", size)
			s.fails(s.Put(s.ctx, name, cut(size), proxy.Write{}), errCut)
			if n := s.stands(name); n != int64(size) {
				s.Errorf("%d of %d bytes are safe", n, size)
			}
			s.resume(name, size, 4*part)
			s.holds(name, of(size, 4*part), 0)
		}
	},
	"a resumed upload may end where it stands": func(s *store) {
		s.fails(s.Put(s.ctx, "/f", cut(2*part+100), proxy.Write{}), errCut)
		s.resume("/f", 2*part+100, 0)
		s.holds("/f", content(2*part+100), 0)
	},
	"an upload that breaks again and again gets there": func(s *store) {
		const size = 6*part + 1000
		random := rand.New(rand.NewPCG(1, 2))
		for at := int64(0); ; at = s.stands("/f") {
			more := part + random.Int64N(2*part)
			if at+more >= size {
				s.ok(s.Put(s.ctx, "/f", from(content(size), at), proxy.Write{Offset: at}))
				break
			}
			s.fails(s.Put(s.ctx, "/f", io.MultiReader(io.LimitReader(from(content(size), at), more), failing{}), proxy.Write{Offset: at}), errCut)
			if now := s.stands("/f"); now < at {
				s.Fatalf("%d bytes are safe, where %d were", now, at)
			}
		}
		s.holds("/f", content(size), 0)
	},
	"an upload that is not ordered to be published can be resumed": func(s *store) {
		for _, size := range []int{part + 2, 2*part - 1, 2*part + 1, 3*part + 7} {
			name := fmt.Sprint("/", size)
			s.fails(s.Put(s.ctx, name, &held{r: content(size), order: errCut}, proxy.Write{}), errCut)
			s.gone(name)
			at := s.stands(name)
			if at != int64(size)-1 {
				s.Errorf("%d of %d bytes are safe, want all but one, lest they be taken for the whole", at, size)
			}
			s.ok(s.Put(s.ctx, name, from(content(size), at), proxy.Write{Offset: at}))
			s.holds(name, content(size), 0)
		}
	},
	"what is wrong is not resumed": func(s *store) {
		for _, size := range []int{part + 5, 2*part + 1} {
			s.fails(s.Put(s.ctx, "/f", cut(part), proxy.Write{}), errCut)
			s.fails(s.Put(s.ctx, "/f", io.MultiReader(content(size), iotest.ErrReader(syscall.EBADMSG)), proxy.Write{Offset: s.stands("/f")}), syscall.EBADMSG)
			if at := s.stands("/f"); at != 0 {
				s.Errorf("%d of %d bytes are kept, and more that went before", at, size)
			}
		}
	},
	"an offset that does not fit is refused, and the right one said": func(s *store) {
		s.fails(s.Put(s.ctx, "/f", cut(2*part+5), proxy.Write{}), errCut)
		for _, n := range []int64{1, 2*part + 4, 2*part + 6, 9 * part} {
			err := s.Put(s.ctx, "/f", content(1), proxy.Write{Offset: n})
			s.fails(err, syscall.ESPIPE)
			if at := offset(err); at != 2*part+5 {
				s.Errorf("offset %d: said %d", n, at)
			}
		}
		s.gone("/f")
		err := s.Put(s.ctx, "/g", content(1), proxy.Write{Offset: 5})
		s.fails(err, syscall.ESPIPE)
		s.gone("/g")
	},
	"what is published is not mixed with what is broken": func(s *store) {
		s.text("/f", "0123456789")
		s.fails(s.Put(s.ctx, "/f", cut(part+5), proxy.Write{}), errCut)
		s.says("/f", "0123456789")
		for _, n := range []int64{4, 10} {
			err := s.Put(s.ctx, "/f", strings.NewReader("x"), proxy.Write{Offset: n})
			s.fails(err, syscall.ESPIPE)
			if at := offset(err); at != part+5 {
				s.Errorf("offset %d: said %d", n, at)
			}
		}
		err := s.Put(s.ctx, "/f", strings.NewReader("x"), proxy.Write{Append: true, Offset: 10})
		s.fails(err, syscall.ESPIPE)
		if at := offset(err); at != part+5 {
			s.Errorf("told the size: said %d", at)
		}
		s.says("/f", "0123456789")
		s.ok(s.Put(s.ctx, "/f", content(7), proxy.Write{Offset: part + 5}))
		s.holds("/f", of(part+5, 7), 0)
	},
	"a complete upload ends broken ones": func(s *store) {
		for _, size := range []int{10, 2*part + 1} {
			s.fails(s.Put(s.ctx, "/f", cut(part+5), proxy.Write{}), errCut)
			s.put("/f", size)
			s.ok(s.Remove(s.ctx, "/f"))
			if n := s.stands("/f"); n != 0 {
				s.Errorf("an upload of %d bytes left one that stands at %d", size, n)
			}
		}
	},
	"all of a content that was not published is not said to be there": func(s *store) {
		for _, size := range []int{part, part + 1, 2*part + 1} {
			name := fmt.Sprint("/", size)
			s.fails(s.Put(s.ctx, name, &held{r: content(size), order: errCut}, proxy.Write{}), errCut)
			if at := s.stands(name); at >= int64(size) {
				s.Errorf("%d of %d bytes are said to be there", at, size)
			}
		}
	},
	"what broke is not looked for in a file": func(s *store) {
		s.fails(s.Put(s.ctx, "/f", cut(part+5), proxy.Write{}), errCut)
		s.put("/f", 3*part)
		err := s.Put(s.ctx, "/f", content(7), proxy.Write{Offset: part + 5, Broken: true})
		s.fails(err, syscall.ESPIPE)
		if at := offset(err); at != 3*part {
			s.Errorf("said %d", at)
		}
		s.holds("/f", content(3*part), 0)
	},
	"a broken upload is no file": func(s *store) {
		s.fails(s.Put(s.ctx, "/d/f", cut(part+5), proxy.Write{}), errCut)
		s.shows("/")
		s.fails(s.Rename(s.ctx, "/d/f", "/g"), fs.ErrNotExist)
		_, err := s.Open(s.ctx, "/d/f", 0)
		s.fails(err, fs.ErrNotExist)
		s.ok(s.Mkdir(s.ctx, "/d/f"))
	},
	"a broken upload can be deleted": func(s *store) {
		s.fails(s.Put(s.ctx, "/f", cut(part+5), proxy.Write{}), errCut)
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
	if at, ok := errors.AsType[interface {
		error
		Offset() int64
	}](err); ok {
		return at.Offset()
	}
	return 0
}

// stands returns where a broken upload stands, 0 where there is none.
func (s *store) stands(name string) int64 {
	s.Helper()
	_, err := s.Stat(s.ctx, name)
	s.fails(err, fs.ErrNotExist)
	return offset(err)
}

// resume goes on with an upload of which the content of so many bytes has been sent, with more bytes of another.
func (s *store) resume(name string, sent, more int) {
	s.Helper()
	at := s.stands(name)
	s.ok(s.Put(s.ctx, name, from(of(sent, more), at), proxy.Write{Offset: at}))
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

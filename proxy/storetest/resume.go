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

// resumes are tests of failed uploads. A store need not keep those that are shorter than a part, and may keep none at all.
var resumes = map[string]func(*store){
	"a failed upload is resumed": func(s *store) {
		for _, size := range few(s, s.part, s.part+1, 2*s.part, 3*s.part+7, 2*s.part-1) {
			name := fmt.Sprintf("/cut at %d", size)
			s.failUpload(name, size)
			if n := s.resumableSize(name); n != int64(size) {
				s.Errorf("the resumable upload has %d of %d bytes", n, size)
			}
			more := few(s, 4*s.part, 1)[0]
			s.resumeUpload(name, size, more)
			s.checkContent(name, joined(size, more), 0)
		}
	},
	"Write.Started tells the ID of a failed upload": func(s *store) {
		var started []string
		note := proxy.Write{Started: func(upload string) { started = append(started, upload) }}
		s.checkError(s.Put(s.ctx, "/f", Source(failingAfter(s.part+5)), note), errUpload)
		e, err := s.Stat(s.ctx, "/f")
		s.must(err)
		if len(started) != 1 || started[0] != e.ETag {
			s.Errorf("uploads %q began, and %q can be resumed", started, e.ETag)
		}
	},
	"a resumed upload may add no bytes": func(s *store) {
		s.failUpload("/f", 2*s.part+100)
		s.resumeUpload("/f", 2*s.part+100, 0)
		s.checkContent("/f", content(2*s.part+100), 0)
	},
	"an upload that fails repeatedly makes progress": func(s *store) {
		if s.limits.SlowResume {
			s.Skip("this store needs more time")
		}
		size := int64(few(s, 6*s.part+1000, 3*s.part+1000)[0])
		random := rand.New(rand.NewPCG(1, 2))
		for at, tries := int64(0), 0; ; at, tries = s.resumableSize("/f"), tries+1 {
			if tries == 20 {
				s.Fatalf("only %d bytes are stored after %d tries", at, tries)
			}
			more := int64(s.part + random.IntN(2*s.part))
			if at+more >= size {
				s.must(s.Put(s.ctx, "/f", Source(skip(content(int(size)), at), First(at)), proxy.Write{}))
				break
			}
			s.checkError(s.Put(s.ctx, "/f", Source(io.MultiReader(io.LimitReader(skip(content(int(size)), at), more), iotest.ErrReader(errUpload)), First(at)), proxy.Write{}), errUpload)
			if now := s.resumableSize("/f"); now < at {
				s.Fatalf("%d bytes are stored, before the retry it was %d", now, at)
			}
		}
		s.checkContent("/f", content(int(size)), 0)
	},
	"an upload with a failed Commit can be resumed": func(s *store) {
		for _, size := range few(s, s.part+2, 3*s.part+7, 2*s.part+1, 2*s.part-1) {
			name := fmt.Sprint("/", size)
			s.checkError(s.Put(s.ctx, name, Uncommitted(content(size), errUpload), proxy.Write{}), errUpload)
			s.checkMissing(name)
			at := s.resumableSize(name)
			if at != int64(size)-1 {
				s.Errorf("the resumable upload has %d of %d bytes, want all but one", at, size)
			}
			s.must(s.Put(s.ctx, name, Source(skip(content(size), at), First(at)), proxy.Write{}))
			s.checkContent(name, content(size), 0)
		}
	},
	"an upload that failed with ErrDiscard cannot be resumed": func(s *store) {
		for _, size := range few(s, 2*s.part+1, s.part+5) {
			s.failUpload("/f", s.part)
			s.checkError(s.Put(s.ctx, "/f", Source(io.MultiReader(content(size), iotest.ErrReader(proxy.ErrDiscard)), First(s.resumableSize("/f"))), proxy.Write{}), proxy.ErrDiscard)
			if at := s.resumableSize("/f"); at != 0 {
				s.Errorf("after ErrDiscard a resumable upload of %d bytes exists", at)
			}
		}
	},
	"a wrong offset is an error with the right one": func(s *store) {
		s.failUpload("/f", 2*s.part+5)
		for _, n := range []int64{1, int64(2*s.part) + 4, int64(2*s.part) + 6, int64(9 * s.part)} {
			err := s.Put(s.ctx, "/f", Source(content(1), First(n)), proxy.Write{})
			s.checkOffset(err, int64(2*s.part+5))
		}
		s.checkMissing("/f")
		err := s.Put(s.ctx, "/g", Source(content(1), First(5)), proxy.Write{})
		s.checkError(err, syscall.ESPIPE)
		s.checkMissing("/g")
	},
	"a file and a newer failed upload are not mixed": func(s *store) {
		s.putText("/f", "0123456789")
		s.failUpload("/f", s.part+5)
		s.checkText("/f", "0123456789")
		for _, n := range []int64{4, 10} {
			err := s.Put(s.ctx, "/f", Source(strings.NewReader("x"), First(n)), proxy.Write{})
			s.checkOffset(err, int64(s.part+5))
		}
		e, err := s.Stat(s.ctx, "/f")
		s.must(err)
		err = s.Put(s.ctx, "/f", Source(strings.NewReader("x"), All()), proxy.Write{Base: e.ETag})
		s.checkOffset(err, int64(s.part+5))
		s.checkText("/f", "0123456789")
		s.must(s.Put(s.ctx, "/f", Source(content(7), First(int64(s.part+5))), proxy.Write{}))
		s.checkContent("/f", joined(s.part+5, 7), 0)
	},
	"a file is changed in place although a newer upload has failed": func(s *store) {
		s.putText("/f", "0123456789")
		e, err := s.Stat(s.ctx, "/f")
		s.must(err)
		s.failUpload("/f", s.part+5)
		patched := func() proxy.Source {
			return Runs(CopyOf("", e.ETag, 0, 4), New(strings.NewReader("x")), CopyOf("", e.ETag, 5, -1))
		}
		s.must(s.Put(s.ctx, "/f", patched(), proxy.Write{Base: e.ETag}))
		s.checkText("/f", "0123x56789")
		s.putText("/f", "another one")
		s.checkError(s.Put(s.ctx, "/f", patched(), proxy.Write{}), proxy.ErrStale)
		s.checkText("/f", "another one")
		s.must(s.Remove(s.ctx, "/f"))
		s.checkError(s.Put(s.ctx, "/f", patched(), proxy.Write{Base: e.ETag}), proxy.ErrStale)
		s.checkMissing("/f")
	},
	"a complete upload aborts failed ones": func(s *store) {
		for _, size := range []int{10, 2*s.part + 1} {
			s.failUpload("/f", s.part+5)
			s.putContent("/f", size)
			s.must(s.Remove(s.ctx, "/f"))
			if n := s.resumableSize("/f"); n != 0 {
				s.Errorf("after an upload of %d bytes, a resumable one of %d exists", size, n)
			}
		}
	},
	"a failed upload never has the size of the complete file": func(s *store) {
		for _, size := range few(s, s.part+1, s.part, 2*s.part+1) {
			name := fmt.Sprint("/", size)
			s.checkError(s.Put(s.ctx, name, Uncommitted(content(size), errUpload), proxy.Write{}), errUpload)
			if at := s.resumableSize(name); at >= int64(size) {
				s.Errorf("the resumable upload has the size %d, want less than %d", at, size)
			}
		}
	},
	"a resumable upload that was superseded by a file is not resumed": func(s *store) {
		s.failUpload("/f", s.part+5)
		e, err := s.Stat(s.ctx, "/f")
		s.must(err)
		s.putContent("/f", 3*s.part)
		err = s.Put(s.ctx, "/f", Source(content(7), First(int64(s.part+5))), proxy.Write{Base: e.ETag})
		s.checkOffset(err, int64(3*s.part))
		s.checkContent("/f", content(3*s.part), 0)
	},
	"a failed upload is not a file": func(s *store) {
		s.failUpload("/d/f", s.part+5)
		s.checkList("/")
		s.checkError(s.Rename(s.ctx, "/d/f", "/g", true), fs.ErrNotExist)
		_, err := s.Open(s.ctx, "/d/f", proxy.Range{})
		s.checkError(err, fs.ErrNotExist)
		s.must(s.Mkdir(s.ctx, "/d/f"))
	},
	"a failed upload can be deleted": func(s *store) {
		s.failUpload("/f", s.part+5)
		s.must(s.Remove(s.ctx, "/f"))
		if n := s.resumableSize("/f"); n != 0 {
			s.Errorf("a resumable upload of %d bytes exists", n)
		}
		s.checkError(s.Remove(s.ctx, "/f"), fs.ErrNotExist)
	},
}

// failUpload stores size bytes of a new file, and fails.
func (s *store) failUpload(name string, size int) {
	s.Helper()
	s.checkError(s.Put(s.ctx, name, Source(failingAfter(size)), proxy.Write{}), errUpload)
}

// checkOffset checks that err is an OffsetError with the offset want.
func (s *store) checkOffset(err error, want int64) {
	s.Helper()
	s.checkError(err, syscall.ESPIPE)
	if e, ok := errors.AsType[*proxy.OffsetError](err); !ok || e.Offset != want {
		s.Errorf("error %v, want an OffsetError with offset %d", err, want)
	}
}

// resumableSize returns the size of a resumable upload, or 0 if none exists.
func (s *store) resumableSize(name string) int64 {
	s.Helper()
	e, err := s.Stat(s.ctx, name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return 0
	case err != nil || !e.Resumable || e.Dir || e.Size <= 0 || e.ETag == "" || e.Name != path.Base(name):
		s.Errorf("Stat of %s: %v, %v; want a resumable upload, or fs.ErrNotExist", name, describe(e), err)
	}
	return e.Size
}

// resumeUpload resumes an upload of content(sent), and adds content(more).
func (s *store) resumeUpload(name string, sent, more int) {
	s.Helper()
	at := s.resumableSize(name)
	s.must(s.Put(s.ctx, name, Source(skip(joined(sent, more), at), First(at)), proxy.Write{}))
}

// joined returns content(size) followed by content(more).
func joined(size, more int) io.Reader { return io.MultiReader(content(size), content(more)) }

// skip returns r without its first n bytes.
func skip(r io.Reader, n int64) io.Reader {
	if _, err := io.CopyN(io.Discard, r, n); err != nil {
		panic(err)
	}
	return r
}

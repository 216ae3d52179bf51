package storetest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"syscall"
	"testing/iotest"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A layout returns the pieces of a new content of a file with size bytes.
type layout func(size, part int) []piece

// A piece is a run of new bytes, or of a range of the file.
type piece struct {
	at, length int
	isNew      bool
}

// kept is a range of the file; a negative length = to its end.
func kept(at, length int) piece { return piece{at: at, length: length} }

// added is content(size) as new bytes.
func added(size int) piece { return piece{length: size, isNew: true} }

// layouts are tested with files of several sizes.
var layouts = map[string]layout{
	"new at the beginning":   func(n, _ int) []piece { return []piece{added(7), kept(7, -1)} },
	"new instead of a range": func(n, _ int) []piece { return []piece{kept(0, n/3), added(3), kept(n/3+3, -1)} },
	"new inserted":           func(n, part int) []piece { return []piece{kept(0, n/3), added(part + 1), kept(n/3, -1)} },
	"new everywhere":         func(n, _ int) []piece { return []piece{added(2), kept(3, n/3), added(4), kept(n/2, -1), added(5)} },
	"many new at both ends":  func(_, part int) []piece { return []piece{added(part + 3), kept(0, -1), added(part + 5)} },
	"end only":               func(n, _ int) []piece { return []piece{kept(n/2, -1)} },
	"end, then new":          func(n, _ int) []piece { return []piece{kept(n/2, -1), added(6)} },
	"swapped halves":         func(n, _ int) []piece { return []piece{kept(n/2, -1), kept(0, n/2)} },
	"repeated":               func(n, _ int) []piece { return []piece{kept(0, -1), kept(0, -1), added(1), kept(0, -1)} },
	"all but the last byte":  func(n, _ int) []piece { return []piece{kept(0, n-1)} },
	"all":                    func(n, _ int) []piece { return []piece{kept(0, -1)} },
	"nothing":                func(n, _ int) []piece { return []piece{added(0), kept(0, 0)} },
	"single bytes":           func(n, _ int) []piece { return []piece{kept(0, 1), added(1), kept(2, 1), added(2), kept(n-1, 1)} },
}

// runs returns the runs of pieces, and the content that results from them for a file with content(size).
func runs(size int, pieces []piece) ([]proxy.Run, io.Reader) {
	var all []proxy.Run
	var want []io.Reader
	for _, p := range pieces {
		if p.isNew {
			all = append(all, New(content(p.length)))
			want = append(want, content(p.length))
			continue
		}
		all = append(all, Kept(int64(p.at), int64(p.length)))
		r := skip(content(size), int64(p.at))
		if p.length >= 0 {
			r = io.LimitReader(r, int64(p.length))
		}
		want = append(want, r)
	}
	return all, io.MultiReader(want...)
}

// composes are tests of uploads with copies after new bytes, or from other files.
var composes = map[string]func(*store){
	"a file is composed of its own ranges and new bytes": func(s *store) {
		for name, layout := range layouts {
			s.run(name, func(s *store) {
				for _, size := range few(s, s.part+1, 10, 3*s.part+9) {
					file := fmt.Sprint("/f", size)
					base := s.putBase(file, size)
					all, want := runs(size, layout(size, s.part))
					err := s.Put(s.ctx, file, Runs(all...), proxy.Write{Base: base})
					if size > s.part && s.limits.NoLargeAppend && errors.Is(err, errors.ErrUnsupported) {
						want, err = content(size), nil
					}
					s.must(err)
					s.checkContent(file, want, 0)
				}
			})
		}
	},
	"repeated changes": func(s *store) {
		s.putText("/f", "0123456789")
		for _, want := range []string{"x123456789", "xx23456789", "xxx3456789"} {
			n := int64(strings.LastIndexByte(want, 'x'))
			e, err := s.Stat(s.ctx, "/f")
			s.must(err)
			s.must(s.Put(s.ctx, "/f", Runs(Kept(0, n), New(strings.NewReader("x")), Kept(n+1, -1)), proxy.Write{Base: e.ETag}))
			s.checkText("/f", want)
		}
	},
	"without Base, a range is of the current version": func(s *store) {
		s.putText("/f", "0123456789")
		s.must(s.Put(s.ctx, "/f", Runs(Kept(5, -1), New(strings.NewReader("x")), Kept(0, 5)), proxy.Write{}))
		s.checkText("/f", "56789x01234")
	},
	"without Base, a range after new bytes is refused": func(s *store) {
		s.putText("/f", "0123456789")
		s.checkError(s.Put(s.ctx, "/f", Runs(New(strings.NewReader("x")), Kept(1, -1)), proxy.Write{}), errors.ErrUnsupported)
		s.checkText("/f", "0123456789")
	},
	"with Base, a range of another version is refused before new bytes are read": func(s *store) {
		base := s.putBase("/f", 10)
		s.putContent("/f", 11)
		unread := func() io.Reader {
			return readerFunc(func([]byte) (int, error) { s.Error("the store reads new bytes"); return 0, io.EOF })
		}
		s.checkError(s.Put(s.ctx, "/f", Runs(New(unread()), Kept(1, -1)), proxy.Write{Base: base}), proxy.ErrStale)
		s.checkError(s.Put(s.ctx, "/f", Runs(Kept(1, -1), New(unread())), proxy.Write{Base: base}), proxy.ErrStale)
		s.checkContent("/f", content(11), 0)
		s.must(s.Remove(s.ctx, "/f"))
		s.checkError(s.Put(s.ctx, "/f", Runs(New(unread()), Kept(1, -1)), proxy.Write{Base: base}), proxy.ErrStale)
		s.checkMissing("/f")
	},
	"a range beyond the end is an error with the size": func(s *store) {
		for _, beyond := range []proxy.Run{Kept(11, -1), Kept(11, 1), Kept(3, 8)} {
			base := s.putBase("/f", 10)
			for _, src := range []proxy.Source{
				Runs(beyond, New(strings.NewReader("x"))),
				Runs(New(strings.NewReader("x")), beyond),
				Runs(Kept(0, 4), New(strings.NewReader("x")), beyond, New(strings.NewReader("y"))),
			} {
				err := s.Put(s.ctx, "/f", src, proxy.Write{Base: base})
				s.checkOffset(err, 10)
				s.checkContent("/f", content(10), 0)
			}
		}
	},
	"a file that changes during the upload is not replaced": func(s *store) {
		for _, size := range few(s, 10, 3*s.part) {
			if size > s.part && s.limits.NoLargeAppend {
				continue
			}
			base := s.putBase("/f", size)
			change := readerFunc(func([]byte) (int, error) { s.putContent("/f", size+1); return 0, io.EOF })
			src := Runs(New(strings.NewReader("x")), New(change), Kept(1, -1))
			s.checkError(s.Put(s.ctx, "/f", src, proxy.Write{Base: base}), syscall.EBUSY)
			s.checkContent("/f", content(size+1), 0)
		}
	},
	"a failed upload before, between or after ranges leaves the file unchanged": func(s *store) {
		for _, size := range few(s, 10, 3*s.part) {
			if size > s.part && s.limits.NoLargeAppend {
				continue
			}
			for _, sent := range few(s, 0, s.part+1, 1) {
				base := s.putBase("/f", size)
				for _, src := range []proxy.Source{
					Runs(New(failingAfter(sent)), Kept(1, -1)),
					Runs(Kept(0, 4), New(failingAfter(sent)), Kept(5, -1)),
					Runs(New(content(2)), Kept(2, -1), New(failingAfter(sent))),
					withCommitError(Runs(New(content(sent)), Kept(1, -1)), errUpload),
				} {
					s.checkError(s.Put(s.ctx, "/f", src, proxy.Write{Base: base}), errUpload)
					s.checkContent("/f", content(size), 0)
				}
			}
			s.must(s.Put(s.ctx, "/f", Source(content(7), First(int64(size))), proxy.Write{}))
			s.checkContent("/f", joined(size, 7), 0)
		}
	},
	"ranges of another file": func(s *store) {
		for _, size := range few(s, 10, s.part+1, 3*s.part+7) {
			tag := s.putBase("/from", size)
			for name, test := range map[string]struct {
				runs []proxy.Run
				want []io.Reader
			}{
				"all of it": {[]proxy.Run{CopyOf("/from", tag, 0, -1)}, []io.Reader{content(size)}},
				"its end":   {[]proxy.Run{CopyOf("/from", "", 5, -1), New(content(3))}, []io.Reader{skip(content(size), 5), content(3)}},
				"after new": {[]proxy.Run{New(content(3)), CopyOf("/from", "", 0, -1)}, []io.Reader{content(3), content(size)}},
				"two ranges": {
					[]proxy.Run{CopyOf("/from", tag, 0, 4), New(content(3)), CopyOf("/from", tag, 2, -1)},
					[]io.Reader{io.LimitReader(content(size), 4), content(3), skip(content(size), 2)},
				},
			} {
				s.run(fmt.Sprint(size, " ", name), func(s *store) {
					s.putContent("/to", 20)
					want := io.MultiReader(test.want...)
					err := s.Put(s.ctx, "/to", Runs(test.runs...), proxy.Write{})
					if size > s.part && s.limits.NoLargeAppend && errors.Is(err, errors.ErrUnsupported) {
						want, err = content(20), nil
					}
					s.must(err)
					s.checkContent("/to", want, 0)
					s.checkContent("/from", content(size), 0)
				})
			}
		}
	},
	"many new bytes before another file": func(s *store) {
		s.putContent("/from", 2*s.part)
		err := s.Put(s.ctx, "/to", Runs(New(content(2*s.part+1)), CopyOf("/from", "", 0, -1)), proxy.Write{})
		if s.limits.NoLargeAppend && errors.Is(err, errors.ErrUnsupported) {
			s.checkMissing("/to")
			return
		}
		s.must(err)
		s.checkContent("/to", joined(2*s.part+1, 2*s.part), 0)
	},
	"another file must exist, in the version of the Copy": func(s *store) {
		s.putText("/to", "as it was")
		for tag, want := range map[string]error{"": fs.ErrNotExist, "gone": proxy.ErrStale} {
			s.checkError(s.Put(s.ctx, "/to", Runs(New(strings.NewReader("x")), CopyOf("/from", tag, 0, -1)), proxy.Write{}), want)
		}
		tag := s.putBase("/from", 10)
		s.putContent("/from", 11)
		s.checkError(s.Put(s.ctx, "/to", Runs(CopyOf("/from", tag, 0, -1)), proxy.Write{}), proxy.ErrStale)
		s.checkError(s.Put(s.ctx, "/to", Runs(CopyOf("/from", "", 12, -1)), proxy.Write{}), syscall.ESPIPE)
		s.checkText("/to", "as it was")
	},
	"Write.New refuses ranges of the file itself": func(s *store) {
		base := s.putBase("/f", 10)
		s.checkError(s.Put(s.ctx, "/f", Runs(New(content(1)), Kept(1, -1)), proxy.Write{New: true, Base: base}), fs.ErrExist)
		s.checkContent("/f", content(10), 0)
	},
	"a resumed upload refuses further copies": func(s *store) {
		if s.limits.NoResume {
			s.Skip("this store keeps nothing of an upload that breaks")
		}
		s.failUpload("/f", 2*s.part)
		at := s.resumableSize("/f")
		err := s.Put(s.ctx, "/f", Runs(Kept(0, at), New(content(1)), Kept(0, 1)), proxy.Write{})
		s.checkError(err, errors.ErrUnsupported)
		s.checkMissing("/f")
	},
	"new bytes that end with an error are not completed by a range": func(s *store) {
		base := s.putBase("/f", 10)
		r := io.MultiReader(content(3), iotest.ErrReader(io.ErrUnexpectedEOF))
		s.checkError(s.Put(s.ctx, "/f", Runs(New(r), Kept(3, -1)), proxy.Write{Base: base}), io.ErrUnexpectedEOF)
		s.checkContent("/f", content(10), 0)
	},
}

// putBase stores content(size), and returns its ETag.
func (s *store) putBase(name string, size int) string {
	s.Helper()
	s.putContent(name, size)
	e, err := s.Stat(s.ctx, name)
	s.must(err)
	return e.ETag
}

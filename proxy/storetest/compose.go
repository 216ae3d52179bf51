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

// A layout says what a content is composed of, for a file of so many bytes.
type layout func(size int) []piece

// A piece is a run of a content: new bytes, or a range of the file that is there.
type piece struct {
	at, length int
	isNew      bool
}

// old is a range of the file that is there; length below 0 = to its end.
func old(at, length int) piece { return piece{at: at, length: length} }

// added are so many new bytes.
func added(size int) piece { return piece{length: size, isNew: true} }

// layouts are tried on files of several sizes.
var layouts = map[string]layout{
	"new before":             func(int) []piece { return []piece{added(7), old(7, -1)} },
	"new in place of bytes":  func(n int) []piece { return []piece{old(0, n/3), added(3), old(n/3+3, -1)} },
	"new between":            func(n int) []piece { return []piece{old(0, n/3), added(part + 1), old(n/3, -1)} },
	"new everywhere":         func(n int) []piece { return []piece{added(2), old(3, n/3), added(4), old(n/2, -1), added(5)} },
	"much new at both ends":  func(int) []piece { return []piece{added(part + 3), old(0, -1), added(part + 5)} },
	"the end of it":          func(n int) []piece { return []piece{old(n/2, -1)} },
	"the end of it, and new": func(n int) []piece { return []piece{old(n/2, -1), added(6)} },
	"another order":          func(n int) []piece { return []piece{old(n/2, -1), old(0, n/2)} },
	"again and again":        func(int) []piece { return []piece{old(0, -1), old(0, -1), added(1), old(0, -1)} },
	"all but a byte":         func(n int) []piece { return []piece{old(0, n-1)} },
	"all":                    func(int) []piece { return []piece{old(0, -1)} },
	"nothing":                func(int) []piece { return []piece{added(0), old(0, 0)} },
	"single bytes":           func(n int) []piece { return []piece{old(0, 1), added(1), old(2, 1), added(2), old(n-1, 1)} },
}

// runs returns the runs of pieces, and what they make of the content of size bytes.
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
		r := from(content(size), int64(p.at))
		if p.length >= 0 {
			r = io.LimitReader(r, int64(p.length))
		}
		want = append(want, r)
	}
	return all, io.MultiReader(want...)
}

// composes are about contents that are made of new bytes and of ranges of files.
var composes = map[string]func(*store){
	"a file is composed of itself and of new bytes": func(s *store) {
		for name, layout := range layouts {
			s.run(name, func(s *store) {
				for _, size := range few(s, part+1, 10, 3*part+9) {
					file := fmt.Sprint("/f", size)
					base := s.putBase(file, size)
					all, want := runs(size, layout(size))
					err := s.Put(s.ctx, file, Runs(all...), proxy.Write{Base: base})
					if size > part && s.limits.NoLargeAppend && errors.Is(err, errors.ErrUnsupported) {
						want, err = content(size), nil
					}
					s.ok(err)
					s.holds(file, want, 0)
				}
			})
		}
	},
	"a file may be changed again": func(s *store) {
		s.text("/f", "0123456789")
		for _, want := range []string{"x123456789", "xx23456789", "xxx3456789"} {
			n := int64(strings.LastIndexByte(want, 'x'))
			e, err := s.Stat(s.ctx, "/f")
			s.ok(err)
			s.ok(s.Put(s.ctx, "/f", Runs(Kept(0, n), New(strings.NewReader("x")), Kept(n+1, -1)), proxy.Write{Base: e.ETag}))
			s.says("/f", want)
		}
	},
	"a range without a version is of the one that is there": func(s *store) {
		s.text("/f", "0123456789")
		s.ok(s.Put(s.ctx, "/f", Runs(Kept(5, -1), New(strings.NewReader("x")), Kept(0, 5)), proxy.Write{}))
		s.says("/f", "56789x01234")
	},
	"what comes behind new bytes needs a version": func(s *store) {
		s.text("/f", "0123456789")
		s.fails(s.Put(s.ctx, "/f", Runs(New(strings.NewReader("x")), Kept(1, -1)), proxy.Write{}), errors.ErrUnsupported)
		s.says("/f", "0123456789")
	},
	"of another version nothing is kept": func(s *store) {
		base := s.putBase("/f", 10)
		s.put("/f", 11)
		unread := func() io.Reader {
			return readerFunc(func([]byte) (int, error) { s.Error("new bytes were read"); return 0, io.EOF })
		}
		s.fails(s.Put(s.ctx, "/f", Runs(New(unread()), Kept(1, -1)), proxy.Write{Base: base}), proxy.ErrStale)
		s.fails(s.Put(s.ctx, "/f", Runs(Kept(1, -1), New(unread())), proxy.Write{Base: base}), proxy.ErrStale)
		s.holds("/f", content(11), 0)
		s.ok(s.Remove(s.ctx, "/f"))
		s.fails(s.Put(s.ctx, "/f", Runs(New(unread()), Kept(1, -1)), proxy.Write{Base: base}), proxy.ErrStale)
		s.gone("/f")
	},
	"a range beyond the end is refused, and the size said": func(s *store) {
		for _, beyond := range []proxy.Run{Kept(11, -1), Kept(11, 1), Kept(3, 8)} {
			base := s.putBase("/f", 10)
			for _, src := range []proxy.Source{
				Runs(beyond, New(strings.NewReader("x"))),
				Runs(New(strings.NewReader("x")), beyond),
				Runs(Kept(0, 4), New(strings.NewReader("x")), beyond, New(strings.NewReader("y"))),
			} {
				err := s.Put(s.ctx, "/f", src, proxy.Write{Base: base})
				s.fails(err, syscall.ESPIPE)
				if n := offset(err); n != 10 {
					s.Errorf("said %d, want 10", n)
				}
				s.holds("/f", content(10), 0)
			}
		}
	},
	"a file that is changed meanwhile stays": func(s *store) {
		for _, size := range few(s, 10, 3*part) {
			if size > part && s.limits.NoLargeAppend {
				continue
			}
			base := s.putBase("/f", size)
			change := readerFunc(func([]byte) (int, error) { s.put("/f", size+1); return 0, io.EOF })
			src := Runs(New(strings.NewReader("x")), New(change), Kept(1, -1))
			s.fails(s.Put(s.ctx, "/f", src, proxy.Write{Base: base}), syscall.EBUSY)
			s.holds("/f", content(size+1), 0)
		}
	},
	"a cut between, before or behind what is kept leaves the file": func(s *store) {
		for _, size := range few(s, 10, 3*part) {
			if size > part && s.limits.NoLargeAppend {
				continue
			}
			for _, sent := range few(s, 0, part+1, 1) {
				base := s.putBase("/f", size)
				for _, src := range []proxy.Source{
					Runs(New(cut(sent)), Kept(1, -1)),
					Runs(Kept(0, 4), New(cut(sent)), Kept(5, -1)),
					Runs(New(content(2)), Kept(2, -1), New(cut(sent))),
					Broken(Runs(New(content(sent)), Kept(1, -1)), errCut),
				} {
					s.fails(s.Put(s.ctx, "/f", src, proxy.Write{Base: base}), errCut)
					s.holds("/f", content(size), 0)
				}
			}
			s.ok(s.Put(s.ctx, "/f", Source(content(7), First(int64(size))), proxy.Write{}))
			s.holds("/f", of(size, 7), 0)
		}
	},
	"another file is copied": func(s *store) {
		for _, size := range few(s, 10, part+1, 3*part+7) {
			tag := s.putBase("/from", size)
			for name, test := range map[string]struct {
				runs []proxy.Run
				want []io.Reader
			}{
				"all of it":  {[]proxy.Run{Of("/from", tag, 0, -1)}, []io.Reader{content(size)}},
				"its end":    {[]proxy.Run{Of("/from", "", 5, -1), New(content(3))}, []io.Reader{from(content(size), 5), content(3)}},
				"behind new": {[]proxy.Run{New(content(3)), Of("/from", "", 0, -1)}, []io.Reader{content(3), content(size)}},
				"two ranges": {
					[]proxy.Run{Of("/from", tag, 0, 4), New(content(3)), Of("/from", tag, 2, -1)},
					[]io.Reader{io.LimitReader(content(size), 4), content(3), from(content(size), 2)},
				},
			} {
				s.run(fmt.Sprint(size, " ", name), func(s *store) {
					s.put("/to", 20)
					want := io.MultiReader(test.want...)
					err := s.Put(s.ctx, "/to", Runs(test.runs...), proxy.Write{})
					if size > part && s.limits.NoLargeAppend && errors.Is(err, errors.ErrUnsupported) {
						want, err = content(20), nil
					}
					s.ok(err)
					s.holds("/to", want, 0)
					s.holds("/from", content(size), 0)
				})
			}
		}
	},
	"much new goes before another file": func(s *store) {
		s.put("/from", 2*part)
		err := s.Put(s.ctx, "/to", Runs(New(content(2*part+1)), Of("/from", "", 0, -1)), proxy.Write{})
		if errors.Is(err, errors.ErrUnsupported) {
			s.gone("/to")
			return
		}
		s.ok(err)
		s.holds("/to", of(2*part+1, 2*part), 0)
	},
	"another file must be there, in the version that is named": func(s *store) {
		s.text("/to", "as it was")
		for tag, want := range map[string]error{"": fs.ErrNotExist, "gone": proxy.ErrStale} {
			s.fails(s.Put(s.ctx, "/to", Runs(New(strings.NewReader("x")), Of("/from", tag, 0, -1)), proxy.Write{}), want)
		}
		tag := s.putBase("/from", 10)
		s.put("/from", 11)
		s.fails(s.Put(s.ctx, "/to", Runs(Of("/from", tag, 0, -1)), proxy.Write{}), proxy.ErrStale)
		s.fails(s.Put(s.ctx, "/to", Runs(Of("/from", "", 12, -1)), proxy.Write{}), syscall.ESPIPE)
		s.says("/to", "as it was")
	},
	"what keeps something is not new": func(s *store) {
		base := s.putBase("/f", 10)
		s.fails(s.Put(s.ctx, "/f", Runs(New(content(1)), Kept(1, -1)), proxy.Write{New: true, Base: base}), fs.ErrExist)
		s.holds("/f", content(10), 0)
	},
	"nothing is copied behind what was resumed": func(s *store) {
		if s.limits.NoResume {
			s.Skip("this store keeps nothing of an upload that breaks")
		}
		s.fails(s.Put(s.ctx, "/f", Source(cut(2*part)), proxy.Write{}), errCut)
		at := s.stands("/f")
		err := s.Put(s.ctx, "/f", Runs(Kept(0, at), New(content(1)), Kept(0, 1)), proxy.Write{})
		s.fails(err, errors.ErrUnsupported)
		s.gone("/f")
	},
	"new bytes that are broken are not completed by what is kept": func(s *store) {
		base := s.putBase("/f", 10)
		r := io.MultiReader(content(3), iotest.ErrReader(io.ErrUnexpectedEOF))
		s.fails(s.Put(s.ctx, "/f", Runs(New(r), Kept(3, -1)), proxy.Write{Base: base}), io.ErrUnexpectedEOF)
		s.holds("/f", content(10), 0)
	},
}

// putBase stores a file, and returns its ETag.
func (s *store) putBase(name string, size int) string {
	s.Helper()
	s.put(name, size)
	e, err := s.Stat(s.ctx, name)
	s.ok(err)
	return e.ETag
}

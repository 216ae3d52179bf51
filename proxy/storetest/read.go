package storetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"io/fs"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
)

var opens = map[string]func(*store){
	"from any offset": func(s *store) {
		s.putContent("/f", s.part+10)
		for _, offset := range []int64{0, 1, int64(s.part), int64(s.part) + 9} {
			s.checkContent("/f", content(s.part+10), offset)
		}
	},
	"a range from the end is empty": func(s *store) {
		s.putContent("/f", 10)
		s.putContent("/empty", 0)
		s.checkContent("/f", content(10), 10)
		s.checkContent("/empty", content(0), 0)
	},
	"an offset beyond the end is refused": func(s *store) {
		s.putContent("/f", 10)
		s.putContent("/empty", 0)
		for name, offset := range map[string]int64{"/f": 11, "/empty": 1} {
			_, err := s.Open(s.ctx, name, proxy.Range{Offset: offset})
			s.checkError(err, syscall.ESPIPE)
		}
		_, err := s.Open(s.ctx, "/f", proxy.Range{Offset: -1})
		s.checkError(err, syscall.ESPIPE)
	},
	"a missing file cannot be opened": func(s *store) {
		for _, offset := range []int64{0, 5} {
			_, err := s.Open(s.ctx, "/none", proxy.Range{Offset: offset})
			s.checkError(err, fs.ErrNotExist)
		}
	},
	"a directory cannot be opened": func(s *store) {
		s.putText("/d/f", "x")
		for _, name := range []string{"/d", "/"} {
			r, err := s.Open(s.ctx, name, proxy.Range{})
			if err == nil {
				r.Close()
				s.Errorf("%s: opened", name)
			}
		}
	},
	"Read without WriteTo": func(s *store) {
		s.putContent("/f", s.part+1)
		r, err := s.Open(s.ctx, "/f", proxy.Range{})
		s.must(err)
		defer r.Close()
		got, err := io.ReadAll(struct{ io.Reader }{r})
		s.must(err)
		want, _ := io.ReadAll(content(s.part + 1))
		if string(got) != string(want) {
			s.Errorf("%d bytes, which differ from the stored ones", len(got))
		}
	},
	"Entry of the reader has the size of the whole file": func(s *store) {
		s.putContent("/f", 1000)
		for _, offset := range []int64{0, 10, 1000} {
			r, err := s.Open(s.ctx, "/f", proxy.Range{Offset: offset})
			s.must(err)
			defer r.Close()
			if i := r.Entry(); i.Size != 1000 || i.Name != "f" {
				s.Errorf("opened at %d: Entry has name %s and size %d, want f and 1000", offset, i.Name, i.Size)
			}
		}
	},
	"ranges": func(s *store) {
		size, part := int64(2*s.part+10), int64(s.part)
		s.putContent("/f", int(size))
		whole, err := io.ReadAll(content(int(size)))
		s.must(err)
		for _, at := range []proxy.Range{
			{Length: 1}, {Offset: 7, Length: 3}, {Offset: part - 1, Length: 2}, {Offset: 5, Length: part + 20},
			{Length: size}, {Length: size + 1}, {Offset: size - 1, Length: 5}, {Offset: size, Length: 1},
		} {
			r, err := s.Open(s.ctx, "/f", at)
			s.must(err)
			got, err := io.ReadAll(r)
			s.must(err)
			s.must(r.Close())
			if end := min(at.Offset+at.Length, size); string(got) != string(whole[at.Offset:end]) || r.Entry().Size != size {
				s.Errorf("%+v: %d bytes of a file of %d, want bytes %d to %d", at, len(got), r.Entry().Size, at.Offset, end)
			}
		}
	},
	"a range of one version": func(s *store) {
		s.putText("/f", "one")
		e, err := s.Stat(s.ctx, "/f")
		s.must(err)
		for _, at := range []proxy.Range{{ETag: e.ETag}, {ETag: e.ETag, Offset: 1, Length: 1}, {ETag: e.ETag, Offset: 3}} {
			r, err := s.Open(s.ctx, "/f", at)
			s.must(err)
			if got := r.Entry(); got.ETag != e.ETag || got.Size != 3 {
				s.Errorf("%+v: Entry is %v, want %v", at, describe(got), describe(e))
			}
			s.must(r.Close())
		}
		s.putText("/f", "the second")
		_, err = s.Open(s.ctx, "/f", proxy.Range{ETag: e.ETag})
		s.checkError(err, proxy.ErrStale)
		_, err = s.Open(s.ctx, "/f", proxy.Range{ETag: e.ETag, Offset: 1, Length: 1})
		s.checkError(err, proxy.ErrStale)
		s.must(s.Remove(s.ctx, "/f"))
		_, err = s.Open(s.ctx, "/f", proxy.Range{ETag: e.ETag})
		s.checkError(err, proxy.ErrStale)
	},
	"all bytes are of the same version": func(s *store) {
		changes := map[string]func() error{
			"replaced": func() error { return s.Put(s.ctx, "/f", Source(content(4*s.part+1)), proxy.Write{}) },
			"deleted":  func() error { return s.Remove(s.ctx, "/f") },
		}
		if s.limits.Brief {
			delete(changes, "deleted")
		}
		for how, change := range changes {
			s.putContent("/f", 4*s.part)
			r, err := s.Open(s.ctx, "/f", proxy.Range{})
			s.must(err)
			begin := make([]byte, 10)
			_, err = io.ReadFull(r, begin)
			s.must(err)
			changed := make(chan error, 1)
			go func() { changed <- change() }() // it may block until the file has been read
			rest, err := io.ReadAll(r)
			r.Close()
			s.must(<-changed)
			got := append(begin, rest...)
			want, _ := io.ReadAll(content(4 * s.part))
			if !bytes.HasPrefix(want, got) {
				s.Errorf("%s: the %d bytes are not all of the version that was opened", how, len(got))
			}
			if err != nil {
				s.checkError(err, proxy.ErrStale)
			} else if len(got) != len(want) {
				s.Errorf("%s: %d bytes without an error, want %d", how, len(got), len(want))
			}
		}
	},
	"a reader can be closed early": func(s *store) {
		s.putContent("/f", s.part)
		r, err := s.Open(s.ctx, "/f", proxy.Range{})
		s.must(err)
		_, err = io.ReadFull(r, make([]byte, 10))
		s.must(err)
		s.must(r.Close())
		s.checkContent("/f", content(s.part), 0)
	},
	"with a cancelled context": func(s *store) {
		s.putContent("/f", 10)
		ctx, cancel := context.WithCancel(s.ctx)
		cancel()
		_, err := s.Open(ctx, "/f", proxy.Range{})
		s.checkError(err, context.Canceled)
	},
}

var stats = map[string]func(*store){
	"a file": func(s *store) {
		s.putContent("/d/f", 1234)
		i, err := s.Stat(s.ctx, "/d/f")
		s.must(err)
		if i.Name != "f" || i.Size != 1234 || i.Dir || i.ModTime.IsZero() {
			s.Errorf("got %v", describe(i))
		}
	},
	"a directory, created or implied by its entries": func(s *store) {
		s.putText("/by/f", "x")
		s.must(s.Mkdir(s.ctx, "/made"))
		for _, name := range []string{"/by", "/made", "/by/", "/made/"} {
			i, err := s.Stat(s.ctx, name)
			s.must(err)
			if want := name[1:3]; i.Name[:2] != want || !i.Dir {
				s.Errorf("%s: got %v", name, describe(i))
			}
		}
	},
	"the root always exists": func(s *store) {
		i, err := s.Stat(s.ctx, "/")
		s.must(err)
		if !i.Dir {
			s.Errorf("got %v", describe(i))
		}
	},
	"a missing file or directory": func(s *store) {
		s.putText("/foobar/x", "x")
		s.putText("/file", "x")
		for _, name := range []string{"/none", "/none/", "/foo", "/foo/", "/fil", "/file/", "/file/x", "/foobar/x/"} {
			s.checkMissing(name)
		}
	},
	"of a file and a directory with the same name, the file; with a slash, the directory": func(s *store) {
		s.putText("/a", "file")
		s.putText("/a/b", "below")
		for name, dir := range map[string]bool{"/a": false, "/a/": true} {
			i, err := s.Stat(s.ctx, name)
			s.must(err)
			if i.Dir != dir {
				s.Errorf("%s: got %v", name, describe(i))
			}
		}
		s.checkText("/a", "file")
		s.checkText("/a/b", "below")
	},
}

func describe(e proxy.Entry) string { return fmt.Sprintf("%+v", e) }

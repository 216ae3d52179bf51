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
		s.put("/f", part+10)
		for _, offset := range []int64{0, 1, part, part + 9} {
			s.holds("/f", content(part+10), offset)
		}
	},
	"at the end there is nothing": func(s *store) {
		s.put("/f", 10)
		s.put("/empty", 0)
		s.holds("/f", content(10), 10)
		s.holds("/empty", content(0), 0)
	},
	"beyond the end is an error": func(s *store) {
		s.put("/f", 10)
		s.put("/empty", 0)
		for name, offset := range map[string]int64{"/f": 11, "/empty": 1} {
			_, err := s.Open(s.ctx, name, proxy.Range{Offset: offset})
			s.fails(err, syscall.ESPIPE)
		}
		_, err := s.Open(s.ctx, "/f", proxy.Range{Offset: -1})
		s.fails(err, syscall.ESPIPE)
	},
	"a missing file does not open": func(s *store) {
		for _, offset := range []int64{0, 5} {
			_, err := s.Open(s.ctx, "/none", proxy.Range{Offset: offset})
			s.fails(err, fs.ErrNotExist)
		}
	},
	"a directory does not open": func(s *store) {
		s.text("/d/f", "x")
		for _, name := range []string{"/d", "/"} {
			r, err := s.Open(s.ctx, name, proxy.Range{})
			if err == nil {
				r.Close()
				s.Errorf("%s: opened", name)
			}
		}
	},
	"read with Read and with WriteTo": func(s *store) {
		s.put("/f", part+1)
		r, err := s.Open(s.ctx, "/f", proxy.Range{})
		s.ok(err)
		defer r.Close()
		got, err := io.ReadAll(struct{ io.Reader }{r})
		s.ok(err)
		want, _ := io.ReadAll(content(part + 1))
		if string(got) != string(want) {
			s.Errorf("%d bytes, not those that were written", len(got))
		}
	},
	"an open file tells its size": func(s *store) {
		s.put("/f", 1000)
		for _, offset := range []int64{0, 10, 1000} {
			r, err := s.Open(s.ctx, "/f", proxy.Range{Offset: offset})
			s.ok(err)
			defer r.Close()
			if i := r.Entry(); i.Size != 1000 || i.Name != "f" {
				s.Errorf("from %d on: %s of %d bytes, want f of 1000", offset, i.Name, i.Size)
			}
		}
	},
	"a range": func(s *store) {
		const size = 2*part + 10
		s.put("/f", size)
		whole, err := io.ReadAll(content(size))
		s.ok(err)
		for _, at := range []proxy.Range{
			{Length: 1}, {Offset: 7, Length: 3}, {Offset: part - 1, Length: 2}, {Offset: 5, Length: part + 20},
			{Length: size}, {Length: size + 1}, {Offset: size - 1, Length: 5}, {Offset: size, Length: 1},
		} {
			r, err := s.Open(s.ctx, "/f", at)
			s.ok(err)
			got, err := io.ReadAll(r)
			s.ok(err)
			s.ok(r.Close())
			if end := min(at.Offset+at.Length, size); string(got) != string(whole[at.Offset:end]) || r.Entry().Size != size {
				s.Errorf("%+v: %d bytes of %d, want those from %d to %d", at, len(got), r.Entry().Size, at.Offset, end)
			}
		}
	},
	"of one version": func(s *store) {
		s.text("/f", "one")
		e, err := s.Stat(s.ctx, "/f")
		s.ok(err)
		for _, at := range []proxy.Range{{ETag: e.ETag}, {ETag: e.ETag, Offset: 1, Length: 1}, {ETag: e.ETag, Offset: 3}} {
			r, err := s.Open(s.ctx, "/f", at)
			s.ok(err)
			if got := r.Entry(); got.ETag != e.ETag || got.Size != 3 {
				s.Errorf("%+v: %v is read, want %v", at, describe(got), describe(e))
			}
			s.ok(r.Close())
		}
		s.text("/f", "the second")
		_, err = s.Open(s.ctx, "/f", proxy.Range{ETag: e.ETag})
		s.fails(err, proxy.ErrStale)
		_, err = s.Open(s.ctx, "/f", proxy.Range{ETag: e.ETag, Offset: 1, Length: 1})
		s.fails(err, proxy.ErrStale)
		s.ok(s.Remove(s.ctx, "/f"))
		_, err = s.Open(s.ctx, "/f", proxy.Range{ETag: e.ETag})
		s.fails(err, proxy.ErrStale)
	},
	"all bytes are of one version": func(s *store) {
		changes := map[string]func() error{
			"replaced": func() error { return s.Put(s.ctx, "/f", Source(content(4*part+1)), proxy.Write{}) },
			"deleted":  func() error { return s.Remove(s.ctx, "/f") },
		}
		if s.limits.Brief {
			delete(changes, "deleted")
		}
		for how, change := range changes {
			s.put("/f", 4*part)
			r, err := s.Open(s.ctx, "/f", proxy.Range{})
			s.ok(err)
			begin := make([]byte, 10)
			_, err = io.ReadFull(r, begin)
			s.ok(err)
			changed := make(chan error, 1)
			go func() { changed <- change() }() // which may wait until the file has been read
			rest, err := io.ReadAll(r)
			r.Close()
			s.ok(<-changed)
			got := append(begin, rest...)
			want, _ := io.ReadAll(content(4 * part))
			if !bytes.HasPrefix(want, got) {
				s.Errorf("%s: %d bytes, not all of the file that was opened", how, len(got))
			}
			if err != nil {
				s.fails(err, proxy.ErrStale)
			} else if len(got) != len(want) {
				s.Errorf("%s: %d bytes, and no error", how, len(got))
			}
		}
	},
	"closing early is fine": func(s *store) {
		s.put("/f", part)
		r, err := s.Open(s.ctx, "/f", proxy.Range{})
		s.ok(err)
		_, err = io.ReadFull(r, make([]byte, 10))
		s.ok(err)
		s.ok(r.Close())
		s.holds("/f", content(part), 0)
	},
	"not with a context that has ended": func(s *store) {
		s.put("/f", 10)
		ctx, cancel := context.WithCancel(s.ctx)
		cancel()
		_, err := s.Open(ctx, "/f", proxy.Range{})
		s.fails(err, context.Canceled)
	},
}

var stats = map[string]func(*store){
	"a file": func(s *store) {
		s.put("/d/f", 1234)
		i, err := s.Stat(s.ctx, "/d/f")
		s.ok(err)
		if i.Name != "f" || i.Size != 1234 || i.Dir || i.ModTime.IsZero() {
			s.Errorf("got %v", describe(i))
		}
	},
	"a directory, made or by what is in it": func(s *store) {
		s.text("/by/f", "x")
		s.ok(s.Mkdir(s.ctx, "/made"))
		for _, name := range []string{"/by", "/made", "/by/", "/made/"} {
			i, err := s.Stat(s.ctx, name)
			s.ok(err)
			if want := name[1:3]; i.Name[:2] != want || !i.Dir {
				s.Errorf("%s: got %v", name, describe(i))
			}
		}
	},
	"the root is always there": func(s *store) {
		i, err := s.Stat(s.ctx, "/")
		s.ok(err)
		if !i.Dir {
			s.Errorf("got %v", describe(i))
		}
	},
	"what is missing": func(s *store) {
		s.text("/foobar/x", "x")
		s.text("/file", "x")
		for _, name := range []string{"/none", "/none/", "/foo", "/foo/", "/fil", "/file/", "/file/x", "/foobar/x/"} {
			s.gone(name)
		}
	},
	"of a twin, the file; with a slash, the directory": func(s *store) {
		s.text("/a", "file")
		s.text("/a/b", "below")
		for name, dir := range map[string]bool{"/a": false, "/a/": true} {
			i, err := s.Stat(s.ctx, name)
			s.ok(err)
			if i.Dir != dir {
				s.Errorf("%s: got %v", name, describe(i))
			}
		}
		s.says("/a", "file")
		s.says("/a/b", "below")
	},
}

func describe(e proxy.Entry) string { return fmt.Sprintf("%+v", e) }

package storetest

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"

	"github.com/s3ftpd/s3ftpd/proxy"
)

var lists = map[string]func(*store){
	"files and directories, sorted": func(s *store) {
		for _, name := range []string{"/d/zebra", "/d/apple", "/d/sub/x", "/d/sub/y", "/d/Zoo", "/other", "/d/10", "/d/9"} {
			s.text(name, "x")
		}
		s.ok(s.Mkdir(s.ctx, "/d/made"))
		s.shows("/d", "10", "9", "Zoo", "apple", "made/", "sub/", "zebra")
		s.shows("/d/", "10", "9", "Zoo", "apple", "made/", "sub/", "zebra")
		s.shows("/", "d/", "other")
	},
	"with size and time": func(s *store) {
		s.put("/d/f", 1234)
		for i, err := range s.List(s.ctx, "/d", "") {
			s.ok(err)
			if i.Name != "f" || i.Size != 1234 || i.Dir || i.ModTime.IsZero() {
				s.Errorf("got %v", describe(i))
			}
		}
	},
	"by prefix": func(s *store) {
		for _, name := range []string{"/d/a1", "/d/a2", "/d/b", "/d/abc/x", "/a3"} {
			s.text(name, "x")
		}
		for prefix, want := range map[string]string{"a": "a1 a2 abc/", "ab": "abc/", "b": "b", "none": "", "abc/": ""} {
			if got := strings.Join(s.list("/d", prefix), " "); got != want {
				s.Errorf("with %q: %q, want %q", prefix, got, want)
			}
		}
	},
	"an empty directory": func(s *store) {
		s.shows("/")
		s.ok(s.Mkdir(s.ctx, "/d"))
		s.shows("/d")
	},
	"a missing directory": func(s *store) {
		s.text("/file", "x")
		s.text("/foobar/x", "x")
		for _, dir := range []string{"/none", "/foo", "/none/deep", "/file"} {
			yields := 0
			for i, err := range s.List(s.ctx, dir, "") {
				yields++
				s.fails(err, fs.ErrNotExist)
				if i != (proxy.Entry{}) {
					s.Errorf("%s: %v with an error", dir, i)
				}
			}
			if yields != 1 {
				s.Errorf("%s: %d yields, want one error", dir, yields)
			}
		}
	},
	"more than a page": func(s *store) {
		want := s.fill("/d", few(s, 1100, 30)[0])
		if got := s.list("/d", ""); !slices.Equal(got, want) {
			s.Errorf("%d names, the first %q; want %d", len(got), got[:min(3, len(got))], len(want))
		}
		if got := s.list("/", ""); !slices.Equal(got, []string{"d/"}) {
			s.Errorf("the root has %q", got)
		}
	},
	"broken off by the reader": func(s *store) {
		s.fill("/d", few(s, 1100, 30)[0])
		seen := 0
		for _, err := range s.List(s.ctx, "/d", "") {
			s.ok(err)
			if seen++; seen == 3 {
				break
			}
		}
		if seen != 3 {
			s.Errorf("%d entries, want 3", seen)
		}
	},
	"twins both appear": func(s *store) {
		s.text("/d/a", "file")
		s.text("/d/a/b", "below")
		got := s.list("/d", "")
		slices.Sort(got)
		if !slices.Equal(got, []string{"a", "a/"}) {
			s.Errorf("got %q", got)
		}
	},
	"not with a context that has ended": func(s *store) {
		s.text("/f", "x")
		ctx, cancel := context.WithCancel(s.ctx)
		cancel()
		var last error
		for _, err := range s.List(ctx, "/", "") {
			last = err
		}
		s.fails(last, context.Canceled)
	},
}

// fill makes n small files and returns their names, sorted.
func (s *store) fill(dir string, n int) []string {
	s.Helper()
	want := make([]string, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	room := make(chan struct{}, 16)
	for i := range n {
		want[i] = fmt.Sprintf("%04d", i)
		room <- struct{}{}
		wg.Go(func() {
			errs[i] = s.Put(s.ctx, dir+"/"+want[i], Source(strings.NewReader("x")), proxy.Write{})
			<-room
		})
	}
	wg.Wait()
	s.ok(errors.Join(errs...))
	return want
}

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
			s.putText(name, "x")
		}
		s.must(s.Mkdir(s.ctx, "/d/made"))
		s.checkList("/d", "10", "9", "Zoo", "apple", "made/", "sub/", "zebra")
		s.checkList("/d/", "10", "9", "Zoo", "apple", "made/", "sub/", "zebra")
		s.checkList("/", "d/", "other")
	},
	"with size and time": func(s *store) {
		s.putContent("/d/f", 1234)
		for i, err := range s.List(s.ctx, "/d", "") {
			s.must(err)
			if i.Name != "f" || i.Size != 1234 || i.Dir || i.ModTime.IsZero() {
				s.Errorf("got %v", describe(i))
			}
		}
	},
	"by prefix": func(s *store) {
		for _, name := range []string{"/d/a1", "/d/a2", "/d/b", "/d/abc/x", "/a3"} {
			s.putText(name, "x")
		}
		for prefix, want := range map[string]string{"a": "a1 a2 abc/", "ab": "abc/", "b": "b", "none": "", "abc/": ""} {
			if got := strings.Join(s.list("/d", prefix), " "); got != want {
				s.Errorf("with %q: %q, want %q", prefix, got, want)
			}
		}
	},
	"an empty directory": func(s *store) {
		s.checkList("/")
		s.must(s.Mkdir(s.ctx, "/d"))
		s.checkList("/d")
	},
	"a missing directory": func(s *store) {
		s.putText("/file", "x")
		s.putText("/foobar/x", "x")
		for _, dir := range []string{"/none", "/foo", "/none/deep", "/file"} {
			yields := 0
			for i, err := range s.List(s.ctx, dir, "") {
				yields++
				s.checkError(err, fs.ErrNotExist)
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
		want := s.putMany("/d", few(s, 1100, 30)[0])
		if got := s.list("/d", ""); !slices.Equal(got, want) {
			s.Errorf("%d names, the first %q; want %d", len(got), got[:min(3, len(got))], len(want))
		}
		if got := s.list("/", ""); !slices.Equal(got, []string{"d/"}) {
			s.Errorf("the root has %q", got)
		}
	},
	"the caller stops early": func(s *store) {
		s.putMany("/d", few(s, 1100, 30)[0])
		seen := 0
		for _, err := range s.List(s.ctx, "/d", "") {
			s.must(err)
			if seen++; seen == 3 {
				break
			}
		}
		if seen != 3 {
			s.Errorf("%d entries, want 3", seen)
		}
	},
	"a file and a directory with the same name are both listed": func(s *store) {
		s.putText("/d/a", "file")
		s.putText("/d/a/b", "below")
		got := s.list("/d", "")
		slices.Sort(got)
		if !slices.Equal(got, []string{"a", "a/"}) {
			s.Errorf("got %q", got)
		}
	},
	"with a cancelled context": func(s *store) {
		s.putText("/f", "x")
		ctx, cancel := context.WithCancel(s.ctx)
		cancel()
		var last error
		for _, err := range s.List(ctx, "/", "") {
			last = err
		}
		s.checkError(last, context.Canceled)
	},
}

// putMany stores n small files, several at a time, and returns their sorted names.
func (s *store) putMany(dir string, n int) []string {
	s.Helper()
	want := make([]string, n)
	errs := make([]error, n)
	var wg sync.WaitGroup
	running := make(chan struct{}, 16)
	for i := range n {
		want[i] = fmt.Sprintf("%04d", i)
		running <- struct{}{}
		wg.Go(func() {
			errs[i] = s.Put(s.ctx, dir+"/"+want[i], Source(strings.NewReader("x")), proxy.Write{})
			<-running
		})
	}
	wg.Wait()
	s.must(errors.Join(errs...))
	return want
}

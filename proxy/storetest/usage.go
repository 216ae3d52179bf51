package storetest

import "github.com/s3ftpd/s3ftpd/proxy"

var usages = map[string]func(*store){
	"usage counts the files of a directory and of those below it": func(s *store) {
		s.text("/a", "12345")
		s.text("/d/a", "123")
		s.text("/d/e/f/a", "1")
		s.text("/d/empty", "")
		s.text("/d-e/a", "1234567")
		s.ok(s.Mkdir(s.ctx, "/d/none"))
		for dir, want := range map[string][2]int64{"/": {16, 5}, "/d": {4, 3}, "/d/e": {1, 1}, "/d/none": {0, 0}, "/missing": {0, 0}} {
			size, files, err := s.Usage(s.ctx, dir)
			s.ok(err)
			if got := [2]int64{size, files}; got != want {
				s.Errorf("usage of %s is %v, want %v", dir, got, want)
			}
		}
	},
	"usage does not count an upload that can be resumed": func(s *store) {
		s.text("/d/a", "123")
		s.fails(s.Put(s.ctx, "/d/f", Source(cut(2*part)), proxy.Write{}), errCut)
		size, files, err := s.Usage(s.ctx, "/d")
		s.ok(err)
		if size != 3 || files != 1 {
			s.Errorf("%d bytes in %d files, want 3 in 1", size, files)
		}
	},
}

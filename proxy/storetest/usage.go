package storetest

var usages = map[string]func(*store){
	"all files below a directory count": func(s *store) {
		s.putText("/a", "12345")
		s.putText("/d/a", "123")
		s.putText("/d/e/f/a", "1")
		s.putText("/d/empty", "")
		s.putText("/d-e/a", "1234567")
		s.must(s.Mkdir(s.ctx, "/d/none"))
		for dir, want := range map[string][2]int64{"/": {16, 5}, "/d": {4, 3}, "/d/e": {1, 1}, "/d/none": {0, 0}, "/missing": {0, 0}} {
			size, files, err := s.Usage(s.ctx, dir)
			s.must(err)
			if got := [2]int64{size, files}; got != want {
				s.Errorf("usage of %s is %v, want %v", dir, got, want)
			}
		}
	},
	"a resumable upload does not count": func(s *store) {
		s.putText("/d/a", "123")
		s.failUpload("/d/f", 2*s.part)
		size, files, err := s.Usage(s.ctx, "/d")
		s.must(err)
		if size != 3 || files != 1 {
			s.Errorf("%d bytes in %d files, want 3 in 1", size, files)
		}
	},
}

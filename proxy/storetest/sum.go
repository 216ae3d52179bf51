package storetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"syscall"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// checkSums checks the checksums of all algorithms for length bytes of a file from offset; a negative length = to the end.
func (s *store) checkSums(name string, want io.Reader, offset, length int64) {
	s.Helper()
	all, err := io.ReadAll(want)
	s.must(err)
	all = all[offset:]
	if length >= 0 {
		all = all[:length]
	}
	for _, algorithm := range proxy.Algorithms() {
		h := proxy.NewHash(algorithm)
		h.Write(all)
		got, err := s.Sum(s.ctx, name, algorithm, offset, length)
		if err != nil || !bytes.Equal(got, h.Sum(nil)) {
			s.Errorf("%s of %s, %d bytes from offset %d: %x, %v; want %x", algorithm, name, length, offset, got, err, h.Sum(nil))
		}
	}
}

var checksums = map[string]func(*store){
	"files of all sizes": func(s *store) {
		for _, size := range few(s, 0, 1, s.part, 2*s.part+7, 1000, s.part+1) {
			name := fmt.Sprintf("/d/of %d", size)
			s.putContent(name, size)
			s.checkSums(name, content(size), 0, -1)
			s.checkSums(name, content(size), 0, int64(size))
		}
	},
	"ranges": func(s *store) {
		for _, size := range []int64{100, int64(s.part) + 10} {
			s.putContent("/f", int(size))
			for _, r := range few(s, [][2]int64{{0, 0}, {0, 1}, {0, size - 1}, {1, -1}, {1, size - 1}, {size - 1, 1}, {size - 1, -1}, {size, 0}, {size, -1}, {7, 50}}...) {
				s.checkSums("/f", content(int(size)), r[0], r[1])
			}
		}
		s.putContent("/longer", 3*s.part)
		s.checkSums("/longer", content(3*s.part), int64(s.part-1), int64(s.part+2))
	},
	"a range beyond the end is refused": func(s *store) {
		s.putContent("/f", 10)
		s.putContent("/empty", 0)
		for _, r := range [][2]int64{{-1, -1}, {-1, 5}, {0, 11}, {1, 10}, {10, 1}, {11, 0}, {11, -1}, {1, math.MaxInt64}, {math.MaxInt64, 1}} {
			_, err := s.Sum(s.ctx, "/f", "SHA-256", r[0], r[1])
			s.checkError(err, syscall.ESPIPE)
		}
		_, err := s.Sum(s.ctx, "/empty", "SHA-256", 0, 1)
		s.checkError(err, syscall.ESPIPE)
	},
	"the current content": func(s *store) {
		for _, size := range []int{10, 11, s.part + 1, 10} {
			s.putContent("/f", size)
			s.checkSums("/f", content(size), 0, -1)
		}
	},
	"a renamed file": func(s *store) {
		s.putContent("/f", s.part+1)
		s.must(s.Rename(s.ctx, "/f", "/g", true))
		s.checkSums("/g", content(s.part+1), 0, -1)
	},
	"a directory or missing file is refused": func(s *store) {
		s.putText("/by/f", "x")
		s.must(s.Mkdir(s.ctx, "/made"))
		for _, algorithm := range proxy.Algorithms() {
			for _, offset := range []int64{0, 1} {
				for _, name := range []string{"/by", "/made", "/"} {
					_, err := s.Sum(s.ctx, name, algorithm, offset, -1)
					s.checkError(err, syscall.EISDIR)
				}
				_, err := s.Sum(s.ctx, "/none", algorithm, offset, -1)
				s.checkError(err, fs.ErrNotExist)
			}
		}
	},
	"of a file and a directory with the same name, the file": func(s *store) {
		s.putContent("/a", 100)
		s.putText("/a/b", "below")
		s.checkSums("/a", content(100), 0, -1)
	},
	"an unknown algorithm is refused": func(s *store) {
		s.putContent("/f", 10)
		for _, algorithm := range []string{"", "CRC32C", "sha-256", "SHA256"} {
			_, err := s.Sum(s.ctx, "/f", algorithm, 0, -1)
			s.checkError(err, errors.ErrUnsupported)
		}
	},
	"with a cancelled context": func(s *store) {
		s.putContent("/f", 10)
		ctx, cancel := context.WithCancel(s.ctx)
		cancel()
		for _, offset := range []int64{0, 1} {
			_, err := s.Sum(ctx, "/f", "SHA-512", offset, -1)
			s.checkError(err, context.Canceled)
		}
	},
}

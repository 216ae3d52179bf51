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

// sums checks every checksum of length bytes of a file from offset on; below 0 means to the end.
func (s *store) sums(name string, want io.Reader, offset, length int64) {
	s.Helper()
	all, err := io.ReadAll(want)
	s.ok(err)
	all = all[offset:]
	if length >= 0 {
		all = all[:length]
	}
	for _, algorithm := range proxy.Algorithms() {
		h := proxy.NewHash(algorithm)
		h.Write(all)
		got, err := s.Sum(s.ctx, name, algorithm, offset, length)
		if err != nil || !bytes.Equal(got, h.Sum(nil)) {
			s.Errorf("%s of %s, %d bytes from %d on: %x, %v; want %x", algorithm, name, length, offset, got, err, h.Sum(nil))
		}
	}
}

var checksums = map[string]func(*store){
	"of a file of any size": func(s *store) {
		for _, size := range few(s, 0, 1, part, 2*part+7, 1000, part+1) {
			name := fmt.Sprintf("/d/of %d", size)
			s.put(name, size)
			s.sums(name, content(size), 0, -1)
			s.sums(name, content(size), 0, int64(size))
		}
	},
	"of a part of a file": func(s *store) {
		for _, size := range []int64{100, part + 10} {
			s.put("/f", int(size))
			for _, r := range few(s, [][2]int64{{0, 0}, {0, 1}, {0, size - 1}, {1, -1}, {1, size - 1}, {size - 1, 1}, {size - 1, -1}, {size, 0}, {size, -1}, {7, 50}}...) {
				s.sums("/f", content(int(size)), r[0], r[1])
			}
		}
		s.put("/longer", 3*part)
		s.sums("/longer", content(3*part), part-1, part+2)
	},
	"not of what the file does not have": func(s *store) {
		s.put("/f", 10)
		s.put("/empty", 0)
		for _, r := range [][2]int64{{-1, -1}, {-1, 5}, {0, 11}, {1, 10}, {10, 1}, {11, 0}, {11, -1}, {1, math.MaxInt64}, {math.MaxInt64, 1}} {
			_, err := s.Sum(s.ctx, "/f", "SHA-256", r[0], r[1])
			s.fails(err, syscall.ESPIPE)
		}
		_, err := s.Sum(s.ctx, "/empty", "SHA-256", 0, 1)
		s.fails(err, syscall.ESPIPE)
	},
	"of the newest content": func(s *store) {
		for _, size := range []int{10, 11, part + 1, 10} {
			s.put("/f", size)
			s.sums("/f", content(size), 0, -1)
		}
	},
	"of a file that was renamed": func(s *store) {
		s.put("/f", part+1)
		s.ok(s.Rename(s.ctx, "/f", "/g", true))
		s.sums("/g", content(part+1), 0, -1)
	},
	"not of a directory, nor of nothing": func(s *store) {
		s.text("/by/f", "x")
		s.ok(s.Mkdir(s.ctx, "/made"))
		for _, algorithm := range proxy.Algorithms() {
			for _, offset := range []int64{0, 1} {
				for _, name := range []string{"/by", "/made", "/"} {
					_, err := s.Sum(s.ctx, name, algorithm, offset, -1)
					s.fails(err, syscall.EISDIR)
				}
				_, err := s.Sum(s.ctx, "/none", algorithm, offset, -1)
				s.fails(err, fs.ErrNotExist)
			}
		}
	},
	"of a twin, the file": func(s *store) {
		s.put("/a", 100)
		s.text("/a/b", "below")
		s.sums("/a", content(100), 0, -1)
	},
	"not by another algorithm": func(s *store) {
		s.put("/f", 10)
		for _, algorithm := range []string{"", "CRC32C", "sha-256", "SHA256"} {
			_, err := s.Sum(s.ctx, "/f", algorithm, 0, -1)
			s.fails(err, errors.ErrUnsupported)
		}
	},
	"not with a context that has ended": func(s *store) {
		s.put("/f", 10)
		ctx, cancel := context.WithCancel(s.ctx)
		cancel()
		for _, offset := range []int64{0, 1} {
			_, err := s.Sum(ctx, "/f", "SHA-512", offset, -1)
			s.fails(err, context.Canceled)
		}
	},
}

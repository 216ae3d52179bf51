package storetest

import (
	"bytes"
	"context"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Sum is Store.Sum of the current version, with a check that it is the same by its ETag, and that another ETag is refused.
func (s *store) Sum(ctx context.Context, name, algorithm string, offset, length int64) ([]byte, error) {
	s.Helper()
	sum, err := s.Store.Sum(ctx, name, "", algorithm, offset, length)
	if err != nil || algorithm != "SHA-256" {
		return sum, err
	}
	e, err := s.Stat(ctx, name)
	s.must(err)
	again, err := s.Store.Sum(ctx, name, e.ETag, algorithm, offset, length)
	if err != nil || !bytes.Equal(sum, again) {
		s.Errorf("the checksum of the version %s is %x, %v; want %x", e.ETag, again, err, sum)
	}
	_, err = s.Store.Sum(ctx, name, "of-another-version", algorithm, offset, length)
	s.checkError(err, proxy.ErrStale)
	return sum, nil
}

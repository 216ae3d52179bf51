package ftp

import (
	"context"
	"errors"
	"io/fs"
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// With lenient directories, MKD succeeds even if another session creates the directory at the same time.
func TestConcurrentMkdirWithLenientDirs(t *testing.T) {
	store := mkdirRace{storetest.NewMemory()}
	s := &session{loginState: loginState{store: store, compat: proxy.Compat{LenientDirs: true}}}
	if err := s.makeDir(t.Context(), "/d"); err != nil {
		t.Error(err)
	}
	s.compat.LenientDirs = false
	if err := s.makeDir(t.Context(), "/e"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("without lenient directories: %v, want %v", err, fs.ErrExist)
	}
}

// A mkdirRace is a store in which another session always creates the directory first.
type mkdirRace struct{ *storetest.Memory }

func (r mkdirRace) Mkdir(ctx context.Context, dir string) (proxy.Stored, error) {
	if _, err := r.Memory.Mkdir(ctx, dir); err != nil {
		return proxy.Stored{}, err
	}
	return r.Memory.Mkdir(ctx, dir)
}

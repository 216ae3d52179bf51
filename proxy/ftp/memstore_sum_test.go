package ftp

import (
	"context"
	"errors"
	"io/fs"
	"syscall"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Sum takes the time in slow, or until it is cancelled.
func (m *memStore) Sum(ctx context.Context, name, algorithm string, offset, length int64) ([]byte, error) {
	if d := m.slow[name]; d > 0 {
		select {
		case <-time.After(d):
		case <-ctx.Done():
		}
	}
	defer m.mu.Unlock()
	if err := m.begin(ctx, name); err != nil {
		return nil, err
	}
	f, ok := m.files[name]
	switch {
	case !ok && m.isDir(name):
		return nil, syscall.EISDIR
	case !ok:
		return nil, fs.ErrNotExist
	case proxy.NewHash(algorithm) == nil:
		return nil, errors.ErrUnsupported
	case offset < 0 || offset > f.Size() || length > f.Size()-offset:
		return nil, syscall.ESPIPE
	case length < 0:
		length = f.Size() - offset
	}
	h := proxy.NewHash(algorithm)
	h.Write(f.data[offset : offset+length])
	return h.Sum(nil), nil
}

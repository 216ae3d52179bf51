package proxy

import (
	"context"
	"crypto/md5"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"errors"
	"hash"
	"hash/crc32"
	"io/fs"
	"syscall"
	"time"
)

var memHashes = map[string]func() hash.Hash{
	"CRC32":   func() hash.Hash { return crc32.NewIEEE() },
	"MD5":     md5.New,
	"SHA-1":   sha1.New,
	"SHA-256": sha256.New,
	"SHA-512": sha512.New,
}

// Sum takes as long as slow says, or until it is cancelled.
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
	case memHashes[algorithm] == nil:
		return nil, errors.ErrUnsupported
	case offset < 0 || offset > f.Size() || length > f.Size()-offset:
		return nil, syscall.ESPIPE
	case length < 0:
		length = f.Size() - offset
	}
	h := memHashes[algorithm]()
	h.Write(f.data[offset : offset+length])
	return h.Sum(nil), nil
}

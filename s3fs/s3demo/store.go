package s3demo

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"
)

// Options configure a Store. The zero value accepts requests without a signature, logs nothing and has the limits of
// Amazon S3.
type Options struct {
	// Log gets failures at level error and every request at level debug; nil = none.
	Log *slog.Logger

	// Keys maps access keys to secret keys. Requests that are not signed with one of them (AWS Signature Version 4)
	// are refused with 403. If it is empty, signatures are not checked.
	Keys map[string]string

	// Region is the region of the buckets. Requests that are signed for another one are refused; "" = any region is
	// accepted.
	Region string

	// MaxPutSize limits the size of an object in PutObject, and of a part; 0 = 5 GiB.
	MaxPutSize int64

	// MaxCopySize limits the size of the source of CopyObject; 0 = 5 GiB.
	MaxCopySize int64
}

// maxSize is the limit of S3 for the size of an object or part that one request writes or copies.
const maxSize = 5 << 30

// A Store is an S3 service that stores its buckets in a directory.
type Store struct {
	dir       string
	options   Options
	log       *slog.Logger
	lock      *os.File
	contents  *contents
	lastOrder atomic.Int64  // the last result of nextOrder
	requests  atomic.Uint64 // counter, for request IDs

	mu      sync.RWMutex // guards buckets and the records on the disk
	buckets map[string]*bucket
}

// Open opens the store in dir, or creates it. It removes the leftovers of a killed process.
//
// Open fails if another Store has the directory open, in this process or in another. It also fails if a record cannot be
// read, because its content would be removed as a leftover.
func Open(dir string, o Options) (*Store, error) {
	if o.MaxPutSize == 0 {
		o.MaxPutSize = maxSize
	}
	if o.MaxCopySize == 0 {
		o.MaxCopySize = maxSize
	}
	s := &Store{dir: dir, options: o, log: o.Log, buckets: map[string]*bucket{}}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	for _, d := range []string{s.path("buckets"), s.path("content")} {
		if err := os.MkdirAll(d, 0o700); err != nil {
			return nil, fmt.Errorf("creating the store: %w", err)
		}
	}
	lock, err := lockFile(s.path("lock"))
	if err != nil {
		return nil, fmt.Errorf("opening the store in %s: %w", dir, err)
	}
	s.lock = lock
	if err := s.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the store in %s: %w", dir, err), s.Close())
	}
	return s, nil
}

var errInUse = errors.New("the store is already open, in this process or another")

// load reads the records of earlier runs, and removes unfinished writes.
func (s *Store) load() error {
	if err := os.RemoveAll(s.path("tmp")); err != nil {
		return err
	}
	if err := os.Mkdir(s.path("tmp"), 0o700); err != nil {
		return err
	}
	dirs, err := os.ReadDir(s.path("buckets"))
	if err != nil {
		return err
	}
	used := map[string]int{}
	for _, d := range dirs {
		b, last, err := loadBucket(s.path("buckets", d.Name()), used)
		if err != nil {
			return fmt.Errorf("bucket %s: %w", d.Name(), err)
		}
		s.buckets[b.name] = b
		s.lastOrder.Store(max(s.lastOrder.Load(), last))
		for key := range b.tombstones {
			if err := b.removeTombstone(s.path("tmp"), key); err != nil {
				return fmt.Errorf("bucket %s: %w", d.Name(), err)
			}
		}
	}
	s.contents, err = openContents(s.path("content"), used)
	return err
}

// nextOrder returns a number for version.Order: the time in nanoseconds, but always larger than all earlier ones, also those of
// earlier runs. It orders the versions of a key: a multipart upload by its initiation, everything else by its end.
func (s *Store) nextOrder() int64 {
	for {
		last := s.lastOrder.Load()
		next := max(last+1, time.Now().UnixNano())
		if s.lastOrder.CompareAndSwap(last, next) {
			return next
		}
	}
}

// randomID returns that many random bytes, encoded for URLs.
func randomID(bytes int) string {
	id := make([]byte, bytes)
	_, _ = rand.Read(id) // never fails
	return base64.RawURLEncoding.EncodeToString(id)
}

// CreateBucket creates a bucket, unless it exists. The name must be valid in S3: 3 to 63 of a-z, 0-9, dot and hyphen.
func (s *Store) CreateBucket(name string) error {
	if !validBucketName(name) {
		return fmt.Errorf("creating bucket %q: %w", name, refuse("InvalidBucketName"))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[name] != nil {
		return nil
	}
	return s.addBucket(name)
}

func (s *Store) addBucket(name string) error {
	b, err := makeBucket(s.path("buckets", name))
	if err != nil {
		return fmt.Errorf("creating bucket %q: %w", name, err)
	}
	s.buckets[name] = b
	return nil
}

// Handler returns the S3 API, with path-style URLs.
//
// It must not be behind an http.ServeMux, which would redirect keys such as "x//y" to cleaned ones.
func (s *Store) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Close unlocks the directory. The HTTP server must be shut down before, as Close does not wait for requests.
func (s *Store) Close() error { return s.lock.Close() }

func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// bucket returns a bucket. The caller must hold s.mu.
func (s *Store) bucket(name string) (*bucket, error) {
	if b := s.buckets[name]; b != nil {
		return b, nil
	}
	return nil, refuse("NoSuchBucket", "BucketName", name)
}

// removeDir removes a directory atomically: it first moves it to tmp, which the next start empties.
func (s *Store) removeDir(dir string) error {
	trash, err := os.MkdirTemp(s.path("tmp"), "discarded-*")
	if err != nil {
		return err
	}
	if err := os.Rename(dir, filepath.Join(trash, "dir")); err != nil {
		return err
	}
	if err := os.RemoveAll(trash); err != nil {
		s.log.Warn("directory not removed, the next start removes it", "err", err)
	}
	return nil
}

// releaseVersions releases the content of removed versions.
func (s *Store) releaseVersions(gone []*version) {
	for _, v := range gone {
		s.contents.release(v.Pieces)
	}
}

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

// Options are the choices of a Store. The zero value lets everybody in, logs nothing and has the limits of Amazon S3.
type Options struct {
	// Log hears of failures at level error, and of every request at level debug.
	Log *slog.Logger

	// Keys are the access keys and the secret that belongs to each. A request that none of them signed
	// (AWS Signature Version 4) is refused with 403. Without any, requests are not checked.
	Keys map[string]string

	// Region is the region of the buckets. A request that is signed for another one is refused.
	// Without it, any region will do.
	Region string

	// MaxPutSize limits an object of PutObject, and a part; 0 = 5 GiB.
	MaxPutSize int64

	// MaxCopySize limits the source of CopyObject; 0 = 5 GiB.
	MaxCopySize int64
}

// maxSize is the limit of S3 for what one request writes or copies.
const maxSize = 5 << 30

// A Store is an S3 service whose buckets lie in a directory.
type Store struct {
	dir      string
	options  Options
	log      *slog.Logger
	lock     *os.File
	contents *contents
	last     atomic.Int64  // the last result of tick
	requests atomic.Uint64 // so far, from which their IDs are made

	mu      sync.RWMutex // guards what follows, and the records on the disk
	buckets map[string]*bucket
}

// Open opens the store in dir, or makes one. Leftovers of a process that was killed are removed.
//
// A directory serves one Store at a time: while another one has it open, in this process or in another, Open fails.
// A record that cannot be read is an error too, as going on would take its content for a leftover.
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
			return nil, fmt.Errorf("making the store: %w", err)
		}
	}
	lock, err := takeLock(s.path("lock"))
	if err != nil {
		return nil, fmt.Errorf("opening the store in %s: %w", dir, err)
	}
	s.lock = lock
	if err := s.load(); err != nil {
		return nil, errors.Join(fmt.Errorf("opening the store in %s: %w", dir, err), s.Close())
	}
	return s, nil
}

var errInUse = errors.New("another process, or another store of this one, has it open")

// load reads what an earlier run left behind, and sweeps what it did not finish.
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
		s.last.Store(max(s.last.Load(), last))
		for key := range b.tombstones {
			if err := b.sweep(s.path("tmp"), key); err != nil {
				return fmt.Errorf("bucket %s: %w", d.Name(), err)
			}
		}
	}
	s.contents, err = openContents(s.path("content"), used)
	return err
}

// tick returns the time in nanoseconds, but never the same value twice, nor a smaller one, from one run to the next.
// It orders the versions of a key: a multipart upload by its initiation, everything else by its end.
func (s *Store) tick() int64 {
	for {
		last := s.last.Load()
		next := max(last+1, time.Now().UnixNano())
		if s.last.CompareAndSwap(last, next) {
			return next
		}
	}
}

// randomID returns a random text for URLs, of four letters for each three bytes.
func randomID(bytes int) string {
	id := make([]byte, bytes)
	_, _ = rand.Read(id) // never fails
	return base64.RawURLEncoding.EncodeToString(id)
}

// CreateBucket makes a bucket; it is no error when there is one of that name.
// The name has to keep to the rules of S3: 3 to 63 of a-z, 0-9, dot and hyphen.
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

// Handler returns the S3 API, with the bucket in the path (path style).
//
// Do not put it behind an http.ServeMux, which redirects keys such as "x//y" to cleaner ones.
func (s *Store) Handler() http.Handler { return http.HandlerFunc(s.serve) }

// Close releases the directory. The HTTP server has to be shut down before, since Close does not wait for requests.
func (s *Store) Close() error { return s.lock.Close() }

func (s *Store) path(elem ...string) string {
	return filepath.Join(append([]string{s.dir}, elem...)...)
}

// bucket finds a bucket; the caller holds s.mu.
func (s *Store) bucket(name string) (*bucket, error) {
	if b := s.buckets[name]; b != nil {
		return b, nil
	}
	return nil, refuse("NoSuchBucket", "BucketName", name)
}

// discard deletes a directory in one step, as far as a later run can see.
func (s *Store) discard(dir string) error {
	grave, err := os.MkdirTemp(s.path("tmp"), "discarded-*")
	if err != nil {
		return err
	}
	if err := os.Rename(dir, filepath.Join(grave, "dir")); err != nil {
		return err
	}
	if err := os.RemoveAll(grave); err != nil {
		s.log.Warn("sweeping is left to the next start", "err", err)
	}
	return nil
}

// drop gives up the content of versions that are gone.
func (s *Store) drop(gone []*version) {
	for _, v := range gone {
		s.contents.drop(v.Pieces)
	}
}

package s3demo

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"sync"

	"github.com/rclone/gofakes3"
)

// Options are the choices of a Store. The zero value lets everybody in and logs nothing.
type Options struct {
	// Log hears of failures at level error, and of every request at level debug.
	Log *slog.Logger

	// Keys are the access keys and the secret that belongs to each. A request that none of them signed
	// (AWS Signature Version 4) is refused with 403. Without any, requests are not checked.
	Keys map[string]string
}

// A Store is an S3 service whose buckets lie in a directory.
type Store struct {
	dir      string
	log      *slog.Logger
	keys     map[string]string
	lock     *os.File
	contents *contents
	library  http.Handler

	mu      sync.RWMutex // guards what follows, and the records on the disk
	buckets map[string]*bucket
}

// Open opens the store in dir, or makes one. Leftovers of a process that was killed are removed.
//
// A directory serves one Store at a time: while another one has it open, in this process or in another, Open fails.
// A record that cannot be read is an error too, as going on would take its content for a leftover.
func Open(dir string, o Options) (*Store, error) {
	s := &Store{dir: dir, log: o.Log, keys: o.Keys, buckets: map[string]*bucket{}}
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
		b, err := loadBucket(s.path("buckets", d.Name()), used)
		if err != nil {
			return fmt.Errorf("bucket %s: %w", d.Name(), err)
		}
		s.buckets[b.name] = b
	}
	if s.contents, err = openContents(s.path("content"), used); err != nil {
		return err
	}
	server := gofakes3.New(backend{s}, gofakes3.WithLogger(logger{s.log}))
	s.library = server.Server()
	return s.restoreUploads()
}

// CreateBucket makes a bucket; it is no error when there is one of that name.
// The name has to keep to the rules of S3: 3 to 63 of a-z, 0-9, dot and hyphen.
func (s *Store) CreateBucket(name string) error {
	if err := gofakes3.ValidateBucketName(name); err != nil {
		return fmt.Errorf("creating bucket %q: %w", name, err)
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
	return nil, gofakes3.BucketNotFound(name)
}

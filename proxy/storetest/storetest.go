// Package storetest tests implementations of [proxy.Store] against its contract.
//
// If the store splits large files into parts, set it to parts of 5 MiB, or set Limits.Part: the tests use sizes around multiples of
// that.
package storetest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// Limits are the optional parts of the contract that a store does not implement. The zero value is for a store that
// implements all.
type Limits struct {
	NoSharedNames bool // a file and a directory cannot have the same name
	NoResume      bool // a failed upload cannot be resumed
	NoLargeAppend bool // ranges of files of more than one part cannot be copied: that is errors.ErrUnsupported
	Unsorted      bool // List does not sort
	NoNewLarge    bool // Write.New is ignored for a file of more than one part
	KeepsTime     bool // a new content keeps the time that was set
	LingeringDirs bool // after its last file, a directory without a marker exists for a while
	SlowResume    bool // an upload that failed twice within a second cannot be resumed

	// Options of the tests:
	Brief  bool     // run each test with few values
	Part   int      // the size of a part in bytes; 0 = 5 MiB, the least of S3
	Groups []string // run only these groups of tests; nil = all
}

// Run runs the tests. Each calls open, which must return an empty store.
func Run(t *testing.T, limits Limits, open func(t *testing.T) proxy.Store) {
	groups := map[string]map[string]func(*store){
		"put":         puts,
		"resume":      resumes,
		"append":      appends,
		"compose":     composes,
		"open":        opens,
		"stat":        stats,
		"list":        lists,
		"names":       names,
		"rename":      renames,
		"directories": directories,
		"time":        times,
		"sum":         checksums,
		"usage":       usages,
	}
	part := cmp.Or(limits.Part, 5<<20)
	for group, cases := range groups {
		t.Run(group, func(t *testing.T) {
			if limits.Groups != nil && !slices.Contains(limits.Groups, group) {
				t.Skip("not in Limits.Groups")
			}
			if limits.NoResume && group == "resume" {
				t.Skip("this store cannot resume uploads")
			}
			for name, test := range cases {
				t.Run(name, func(t *testing.T) {
					if limits.NoSharedNames && strings.Contains(name, "with the same name") {
						t.Skip("this store cannot have a file and a directory with the same name")
					}
					test(&store{open(t), t, t.Context(), limits, part})
				})
			}
		})
	}
}

// A store is the store of one test, with helpers. Its methods that change the store check the returned proxy.Stored.
type store struct {
	proxy.Store
	*testing.T
	ctx    context.Context
	limits Limits
	part   int // the size of the parts into which the store may split a file, in bytes
}

// Put is Store.Put, with a check of the result.
func (s *store) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) error {
	stored, err := s.Store.Put(ctx, name, src, w)
	s.checkStored(name, stored, err)
	if e, statErr := s.Stat(ctx, name); err == nil && statErr == nil && !e.Dir && stored.Size != e.Size {
		s.Errorf("Put of %s returns the size %d, Stat %d", name, stored.Size, e.Size)
	}
	return err
}

// Rename is Store.Rename, with a check of the result.
func (s *store) Rename(ctx context.Context, from, to string, replace bool) error {
	stored, err := s.Store.Rename(ctx, from, to, replace)
	if err == nil && from != to {
		s.checkStored(to, stored, nil)
		s.checkStored(from, proxy.Stored{Key: stored.From}, nil)
		if e, err := s.Stat(ctx, to); err == nil && e.Dir != (stored.ETag == "") || err == nil && !e.Dir && stored.Size != e.Size {
			s.Errorf("Rename to %s returns the size %d and the ETag %q, Stat %+v", to, stored.Size, stored.ETag, e)
		}
	}
	return err
}

// Remove is Store.Remove, with a check of the result.
func (s *store) Remove(ctx context.Context, name string) error {
	e, statErr := s.Stat(ctx, name)
	stored, err := s.Store.Remove(ctx, name)
	isFile := statErr == nil && !e.Dir && !e.Resumable
	if err == nil && statErr == nil && isFile != (stored.OldETag != "") || err == nil && isFile && stored.OldSize != e.Size {
		s.Errorf("Remove of %s returns the old size %d and the old ETag %q, Stat %+v", name, stored.OldSize, stored.OldETag, e)
	}
	return s.checkStored(name, stored, err)
}

// Mkdir is Store.Mkdir, with a check of the result.
func (s *store) Mkdir(ctx context.Context, dir string) error {
	stored, err := s.Store.Mkdir(ctx, dir)
	return s.checkStored(dir, stored, err)
}

// Rmdir is Store.Rmdir, with a check of the result.
func (s *store) Rmdir(ctx context.Context, dir string) error {
	stored, err := s.Store.Rmdir(ctx, dir)
	return s.checkStored(dir, stored, err)
}

// SetTime is Store.SetTime, with a check of the result.
func (s *store) SetTime(ctx context.Context, name string, mtime time.Time) error {
	stored, err := s.Store.SetTime(ctx, name, mtime)
	return s.checkStored(name, stored, err)
}

// checkStored checks that the result of a change has the key of name, unless the change failed. It returns err.
func (s *store) checkStored(name string, stored proxy.Stored, err error) error {
	s.Helper()
	if err == nil && !strings.HasSuffix(strings.TrimSuffix(stored.Key, "/"), strings.TrimPrefix(name, "/")) {
		s.Errorf("the result of a change of %s has the key %q", name, stored.Key)
	}
	return err
}

// run runs a subtest.
func (s *store) run(name string, test func(*store)) {
	s.Run(name, func(t *testing.T) { test(&store{s.Store, t, t.Context(), s.limits, s.part}) })
}

// few returns values, or only the last one if the tests are brief.
func few[T any](s *store, values ...T) []T {
	if s.limits.Brief {
		return values[len(values)-1:]
	}
	return values
}

// tryAppend runs an upload that keeps bytes of a file of size bytes. It reports false if the store cannot copy from a file
// of that size.
func (s *store) tryAppend(name string, size int, src proxy.Source) bool {
	s.Helper()
	err := s.Put(s.ctx, name, src, proxy.Write{})
	if size >= s.part && s.limits.NoLargeAppend && errors.Is(err, errors.ErrUnsupported) {
		return false
	}
	s.must(err)
	return true
}

// content returns the content of the test files with size bytes.
func content(size int) io.Reader {
	seed := [32]byte{'s'}
	binary.LittleEndian.PutUint64(seed[1:], uint64(size)) // the whole size, so that no content is the prefix of another
	return io.LimitReader(rand.NewChaCha8(seed), int64(size))
}

// putContent stores content(size).
func (s *store) putContent(name string, size int) {
	s.Helper()
	s.must(s.Put(s.ctx, name, Source(content(size)), proxy.Write{}))
}

// putText stores a short file.
func (s *store) putText(name, content string) {
	s.Helper()
	s.must(s.Put(s.ctx, name, Source(strings.NewReader(content)), proxy.Write{}))
}

// must ends the test if err is not nil.
func (s *store) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// checkError checks that err is want.
func (s *store) checkError(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("error %v, want %v", err, want)
	}
}

// checkContent checks that a file, read from offset, has the content want without its first offset bytes.
func (s *store) checkContent(name string, want io.Reader, offset int64) {
	s.Helper()
	r, err := s.Open(s.ctx, name, proxy.Range{Offset: offset})
	s.must(err)
	defer r.Close()
	if _, err := io.CopyN(io.Discard, want, offset); err != nil {
		s.Fatal(err)
	}
	gotSum, gotSize := sum(s.T, r)
	wantSum, wantSize := sum(s.T, want)
	if gotSum != wantSum || gotSize != wantSize {
		s.Errorf("%s from offset %d: %d bytes with SHA-256 %x, want %d with %x", name, offset, gotSize, gotSum, wantSize, wantSum)
	}
}

// checkText checks the content of a short file.
func (s *store) checkText(name, want string) {
	s.Helper()
	s.checkContent(name, strings.NewReader(want), 0)
}

// checkMissing checks that neither a file nor a directory exists. A resumable upload may exist.
func (s *store) checkMissing(name string) {
	s.Helper()
	if i, err := s.Stat(s.ctx, name); !errors.Is(err, fs.ErrNotExist) && !(err == nil && i.Resumable) {
		s.Errorf("Stat of %s: %v, %v; want fs.ErrNotExist", name, i, err)
	}
}

// list returns the names in a directory, those of directories with a slash at the end.
func (s *store) list(dir, prefix string) (names []string) {
	s.Helper()
	for i, err := range s.List(s.ctx, dir, prefix) {
		s.must(err)
		name := i.Name
		if i.Dir {
			name += "/"
		}
		names = append(names, name)
	}
	if s.limits.Unsorted {
		slices.Sort(names)
	}
	return names
}

// checkList checks the names in a directory.
func (s *store) checkList(dir string, want ...string) {
	s.Helper()
	if got := strings.Join(s.list(dir, ""), " "); got != strings.Join(want, " ") {
		s.Errorf("%s has %q, want %q", dir, got, want)
	}
}

// sum returns the SHA-256 and the number of bytes that r reads.
func sum(t *testing.T, r io.Reader) ([sha256.Size]byte, int64) {
	t.Helper()
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err != nil {
		t.Fatal(err)
	}
	return [sha256.Size]byte(h.Sum(nil)), n
}

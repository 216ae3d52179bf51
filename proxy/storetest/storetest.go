// Package storetest is the contract of [proxy.Store] as tests: whoever writes a store runs them on it.
//
// What they rely on beyond the interface's own words: a store that sends long contents in parts should be set to
// parts of 5 MiB, around which the sizes here are chosen.
package storetest

import (
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

// Limits are what a store cannot do that the interface leaves to it. The zero value is a store that can do it all.
type Limits struct {
	NoTwins       bool // a file and a directory cannot have one name
	NoResume      bool // nothing is kept of an upload that breaks
	NoLargeAppend bool // nothing of what is longer than a part can be kept or copied: that is errors.ErrUnsupported
	Unsorted      bool // listings have no order
	NoNewLarge    bool // a file of more than one part replaces what must be new
	KeepsTime     bool // a time that was set stays with a new content
	LingeringDirs bool // a directory without a marker stays for a while after its last file, and its name is taken
	SlowResume    bool // an upload that broke twice within a second cannot be resumed

	// These are not limits of the store's.
	Brief  bool     // run all tests, each with few values
	Groups []string // run these groups of tests alone; nil = all
}

// Run runs the contract on the stores that open returns, which have to be empty and the test's own.
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
	for group, cases := range groups {
		t.Run(group, func(t *testing.T) {
			if limits.Groups != nil && !slices.Contains(limits.Groups, group) {
				t.Skip("this group is not wanted")
			}
			if limits.NoResume && group == "resume" {
				t.Skip("this store keeps nothing of an upload that breaks")
			}
			for name, test := range cases {
				t.Run(name, func(t *testing.T) {
					if limits.NoTwins && strings.Contains(name, "twin") {
						t.Skip("this store cannot hold a file and a directory of one name")
					}
					test(&store{open(t), t, t.Context(), limits})
				})
			}
		})
	}
}

// store is the one under test, with what the tests say all the time.
type store struct {
	proxy.Store
	*testing.T
	ctx    context.Context
	limits Limits
}

// Put stores a file, and checks what the store says of it.
func (s *store) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) error {
	made, err := s.Store.Put(ctx, name, src, w)
	s.described(name, made, err)
	if e, statErr := s.Stat(ctx, name); err == nil && statErr == nil && !e.Dir && made.Size != e.Size {
		s.Errorf("Put of %s tells %d bytes, Stat %d", name, made.Size, e.Size)
	}
	return err
}

// Rename renames, and checks what the store says of it.
func (s *store) Rename(ctx context.Context, from, to string, replace bool) error {
	made, err := s.Store.Rename(ctx, from, to, replace)
	if err == nil && from != to {
		s.described(to, made, nil)
		s.described(from, proxy.Stored{Key: made.From}, nil)
	}
	return err
}

// Remove removes a file, and checks what the store says of it.
func (s *store) Remove(ctx context.Context, name string) error {
	made, err := s.Store.Remove(ctx, name)
	return s.described(name, made, err)
}

// Mkdir makes a directory, and checks what the store says of it.
func (s *store) Mkdir(ctx context.Context, dir string) error {
	made, err := s.Store.Mkdir(ctx, dir)
	return s.described(dir, made, err)
}

// Rmdir removes a directory, and checks what the store says of it.
func (s *store) Rmdir(ctx context.Context, dir string) error {
	made, err := s.Store.Rmdir(ctx, dir)
	return s.described(dir, made, err)
}

// SetTime sets a time, and checks what the store says of it.
func (s *store) SetTime(ctx context.Context, name string, mtime time.Time) error {
	made, err := s.Store.SetTime(ctx, name, mtime)
	return s.described(name, made, err)
}

// described checks that a change is described with the key of name, unless it failed. It returns err.
func (s *store) described(name string, made proxy.Stored, err error) error {
	s.Helper()
	if err == nil && !strings.HasSuffix(strings.TrimSuffix(made.Key, "/"), strings.TrimPrefix(name, "/")) {
		s.Errorf("a change of %s is described as one of the key %q", name, made.Key)
	}
	return err
}

// run runs a part of a test.
func (s *store) run(name string, test func(*store)) {
	s.Run(name, func(t *testing.T) { test(&store{s.Store, t, t.Context(), s.limits}) })
}

// few returns the last of the values where the tests are to be brief, else all.
func few[T any](s *store, values ...T) []T {
	if s.limits.Brief {
		return values[len(values)-1:]
	}
	return values
}

// append adds to a file of so many bytes, which may be more than the store can add to. It reports whether they are there.
func (s *store) append(name string, size int, src proxy.Source) bool {
	s.Helper()
	err := s.Put(s.ctx, name, src, proxy.Write{})
	if size >= part && s.limits.NoLargeAppend && errors.Is(err, errors.ErrUnsupported) {
		return false
	}
	s.ok(err)
	return true
}

// part is the size of the parts in which a store may send a long content.
const part = 5 << 20

// content returns what the files of so many bytes hold in these tests.
func content(size int) io.Reader {
	seed := [32]byte{'s'}
	binary.LittleEndian.PutUint64(seed[1:], uint64(size)) // all of it, so that no content is the beginning of another
	return io.LimitReader(rand.NewChaCha8(seed), int64(size))
}

// put stores a file, which has to work.
func (s *store) put(name string, size int) {
	s.Helper()
	s.ok(s.Put(s.ctx, name, Source(content(size)), proxy.Write{}))
}

// text stores a short file.
func (s *store) text(name, content string) {
	s.Helper()
	s.ok(s.Put(s.ctx, name, Source(strings.NewReader(content)), proxy.Write{}))
}

// ok ends the test on an error.
func (s *store) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

// fails checks that err is the word wanted.
func (s *store) fails(err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("error %v, want %v", err, want)
	}
}

// holds checks a file's content, read from offset on, against what it should be from its beginning.
func (s *store) holds(name string, want io.Reader, offset int64) {
	s.Helper()
	r, err := s.Open(s.ctx, name, proxy.Range{Offset: offset})
	s.ok(err)
	defer r.Close()
	if _, err := io.CopyN(io.Discard, want, offset); err != nil {
		s.Fatal(err)
	}
	gotSum, gotSize := sum(s.T, r)
	wantSum, wantSize := sum(s.T, want)
	if gotSum != wantSum || gotSize != wantSize {
		s.Errorf("%s from %d on: %d bytes with SHA-256 %x, want %d with %x", name, offset, gotSize, gotSum, wantSize, wantSum)
	}
}

// says checks a short file's content.
func (s *store) says(name, want string) {
	s.Helper()
	s.holds(name, strings.NewReader(want), 0)
}

// gone checks that there is neither a file nor a directory; an upload that can be resumed there may be.
func (s *store) gone(name string) {
	s.Helper()
	if i, err := s.Stat(s.ctx, name); !errors.Is(err, fs.ErrNotExist) && !(err == nil && i.Resumable) {
		s.Errorf("Stat of %s: %v, %v; want fs.ErrNotExist", name, i, err)
	}
}

// list returns the names in a directory, with a slash behind those of directories.
func (s *store) list(dir, prefix string) (names []string) {
	s.Helper()
	for i, err := range s.List(s.ctx, dir, prefix) {
		s.ok(err)
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

// shows checks the names in a directory.
func (s *store) shows(dir string, want ...string) {
	s.Helper()
	if got := strings.Join(s.list(dir, ""), " "); got != strings.Join(want, " ") {
		s.Errorf("%s has %q, want %q", dir, got, want)
	}
}

func sum(t *testing.T, r io.Reader) ([sha256.Size]byte, int64) {
	t.Helper()
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err != nil {
		t.Fatal(err)
	}
	return [sha256.Size]byte(h.Sum(nil)), n
}

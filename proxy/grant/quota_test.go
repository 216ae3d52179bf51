package grant

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A bucket is a store in memory with quotas.
type bucket struct {
	*storetest.Memory
	t       *testing.T
	usages  *Usages
	counts  atomic.Int32  // all
	running atomic.Int32  // counts
	pause   chan struct{} // a count waits for a value before it ends; nil = it does not
}

func newBucket(t *testing.T) *bucket {
	b := &bucket{Memory: storetest.NewMemory(), t: t, usages: NewUsages(t.Context())}
	t.Cleanup(b.usages.Close)
	return b
}

// place returns a directory of the bucket as a place.
func (b *bucket) place(dir string) Place {
	return Place{Bucket: b, Dir: dir, Usage: func(ctx context.Context) (int64, int64, error) {
		b.counts.Add(1)
		b.running.Add(1)
		defer b.running.Add(-1)
		bytes, files, err := b.Usage(ctx, dir)
		if b.pause != nil {
			select {
			case <-b.pause:
			case <-ctx.Done():
				return 0, 0, context.Cause(ctx)
			}
		}
		return bytes, files, err
	}}
}

// quota returns a new quota over directories.
func (b *bucket) quota(size, files int64, dirs ...string) *Quota {
	q := &Quota{Usages: b.usages}
	b.set(q, size, files, dirs...)
	return q
}

func (b *bucket) set(q *Quota, size, files int64, dirs ...string) {
	var places []Place
	for _, dir := range dirs {
		places = append(places, b.place(dir))
	}
	q.Set(size, files, places...)
}

// limit returns the store of a user with the quota.
func (b *bucket) limit(q *Quota) proxy.Store { return q.Limit(b.Memory, b, "/") }

// store stores a file past all quotas.
func (b *bucket) store(name, content string) {
	b.Lock()
	defer b.Unlock()
	b.Files[name] = storetest.MemoryFile{Name: name, Data: []byte(content)}
}

// failCounts makes counts of the whole bucket fail.
func (b *bucket) failCounts(err error) {
	b.Lock()
	defer b.Unlock()
	b.Fail["/"] = err
}

// check checks what a quota says is used.
func (b *bucket) check(q *Quota, bytes, files int64) {
	b.t.Helper()
	var s proxy.Space
	if err := q.Space(b.t.Context(), &s); err != nil || s.StoredSize != bytes || s.StoredFiles != files {
		b.t.Errorf("%d bytes in %d files are used, %v; want %d in %d", s.StoredSize, s.StoredFiles, err, bytes, files)
	}
}

// checkTrue checks that a quota over the whole bucket says what lies there.
func (b *bucket) checkTrue(q *Quota) {
	b.t.Helper()
	bytes, files, err := b.Usage(b.t.Context(), "/")
	if err != nil {
		b.t.Fatal(err)
	}
	b.check(q, bytes, files)
}

func store(t *testing.T, s proxy.Store, name, content string) error {
	_, err := s.Put(t.Context(), name, storetest.Source(strings.NewReader(content)), proxy.Write{})
	return err
}

func isOver(err error) bool { return errors.As(err, new(*proxy.LimitError)) }

// The bucket has /old of 8 bytes, and /f.
func TestQuotaOfBytes(t *testing.T) {
	first, all := storetest.First, storetest.All()
	for name, c := range map[string]limitCase{
		"at the limit":               {content: "0123456789", want: "0123456789"},
		"over the limit":             {content: "0123456789a"},
		"announced":                  {content: "0123456789a", announced: 11, early: true},
		"announced, more come":       {content: "0123456789a", announced: 10},
		"replace":                    {before: "98765", content: "0123456789", want: "0123456789"},
		"replace, over the limit":    {before: "98765", content: "0123456789a"},
		"replace, announced":         {before: "98765", content: "0123456789a", announced: 11, early: true},
		"replace one over it":        {before: "a 15-byte text.", content: "another of 15 b", want: "another of 15 b"},
		"replace one over, longer":   {before: "a 15-byte text.", content: "another of 16 by"},
		"append, at the limit":       {before: "01234567", copies: []proxy.Copy{all}, content: "89", want: "0123456789"},
		"append, over the limit":     {before: "01234567", copies: []proxy.Copy{all}, content: "89a"},
		"append, nothing left":       {before: "0123456789", copies: []proxy.Copy{all}, content: "a", early: true},
		"resume, at the limit":       {resumable: "01234567", copies: []proxy.Copy{first(8)}, content: "89", want: "0123456789"},
		"resume, whole announced":    {resumable: "01234567", copies: []proxy.Copy{first(8)}, content: "89", announced: 10, want: "0123456789"},
		"resume, over the limit":     {resumable: "01234567", copies: []proxy.Copy{first(8)}, content: "89a"},
		"resume, nothing left":       {resumable: "0123456789", copies: []proxy.Copy{first(10)}, content: "a", early: true},
		"copy":                       {copies: []proxy.Copy{{From: "/old", Length: -1}}, content: "90", want: "8765432190"},
		"copy, over the limit":       {copies: []proxy.Copy{{From: "/old", Length: -1}}, content: "901"},
		"what is resumable is free":  {resumable: "0123456789abcdef", content: "0123456789", want: "0123456789"},
		"append to none, resumable":  {resumable: "0123456789abc", copies: []proxy.Copy{all}, content: "0123456789", want: "0123456789"},
		"keep the beginning, shrink": {before: "a 15-byte text.", copies: []proxy.Copy{first(4)}, content: "end", want: "a 15end"},
	} {
		checkLimit(t, name, c, func(s proxy.Store) proxy.Store {
			b := newBucket(t)
			b.Memory = s.(*storetest.Memory)
			return b.limit(b.quota(18, 0, "/"))
		})
	}
}

// New files count, replaced ones do not.
func TestQuotaOfFiles(t *testing.T) {
	for name, c := range map[string]limitCase{
		"a new file":     {content: "x", early: true},
		"an append":      {copies: []proxy.Copy{storetest.All()}, content: "x", early: true},
		"a resumed file": {resumable: "0123456789", copies: []proxy.Copy{storetest.First(10)}, content: "x", early: true},
	} {
		checkLimit(t, name, c, func(s proxy.Store) proxy.Store {
			b := newBucket(t)
			b.Memory = s.(*storetest.Memory)
			return b.limit(b.quota(0, 1, "/"))
		})
	}
	b := newBucket(t)
	b.store("/f", "1")
	q := b.quota(0, 2, "/")
	s := b.limit(q)
	for _, name := range []string{"/f", "/g", "/g"} {
		if err := store(t, s, name, "22"); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	_, err := s.Put(t.Context(), "/h", storetest.Source(strings.NewReader("3")), proxy.Write{New: true})
	if !isOver(err) {
		t.Errorf("a new file: %v", err)
	}
	b.check(q, 4, 2)
	b.set(q, 0, 1, "/")
	if err := store(t, s, "/f", "333"); err != nil {
		t.Errorf("over the quota, a file in place of another one: %v", err)
	}
}

// An upload fails before its first new byte if the size of the file that it replaces cannot be learned. A new file needs none.
func TestQuotaNeedsSize(t *testing.T) {
	b := newBucket(t)
	q := b.quota(10, 0, "/")
	s := q.Limit(unsized{b.Memory}, b, "/")
	unread := readerFunc(func([]byte) (int, error) { t.Error("new bytes are read"); return 0, io.EOF })
	if _, err := s.Put(t.Context(), "/f", storetest.Source(unread), proxy.Write{}); !errors.Is(err, storetest.ErrDown) {
		t.Errorf("an upload: %v", err)
	}
	if _, err := s.Put(t.Context(), "/f", storetest.Source(strings.NewReader("1")), proxy.Write{New: true}); err != nil {
		t.Errorf("a new file: %v", err)
	}
	if _, err := s.Rename(t.Context(), "/f", "/g", true); !errors.Is(err, storetest.ErrDown) {
		t.Errorf("a rename: %v", err)
	}
	b.checkTrue(q)
}

// An unsized store cannot tell the size of a file.
type unsized struct{ *storetest.Memory }

func (unsized) FileSize(context.Context, string) (int64, error) { return 0, storetest.ErrDown }

// What an upload has reserved is given back if the store panics.
func TestQuotaAfterPanic(t *testing.T) {
	b := newBucket(t)
	q := b.quota(10, 0, "/")
	panics := readerFunc(func([]byte) (int, error) { panic(storetest.ErrPanic) })
	func() {
		defer func() { recover() }()
		b.limit(q).Put(t.Context(), "/f", storetest.Source(io.MultiReader(strings.NewReader("12345"), panics)), proxy.Write{})
	}()
	b.check(q, 0, 0)
}

// All changes are followed, without a count.
func TestQuotaFollowsChanges(t *testing.T) {
	b := newBucket(t)
	b.store("/d/a", "12345")
	q := b.quota(100, 100, "/")
	b.check(q, 5, 1)
	s, ctx := b.limit(q), t.Context()
	for _, x := range []struct {
		name string
		do   func() error
	}{
		{"a new file", func() error { return store(t, s, "/f", "123") }},
		{"a longer one instead", func() error { return store(t, s, "/f", "123456") }},
		{"a shorter one instead", func() error { return store(t, s, "/f", "1") }},
		{"an append", func() error {
			_, err := s.Put(ctx, "/f", storetest.Source(strings.NewReader("234"), storetest.All()), proxy.Write{})
			return err
		}},
		{"a copy", func() error {
			_, err := s.Put(ctx, "/g", storetest.Source(strings.NewReader("x"), proxy.Copy{From: "/f", Length: -1}), proxy.Write{})
			return err
		}},
		{"a new name", func() error {
			_, err := s.Put(ctx, "/new", storetest.Source(strings.NewReader("12")), proxy.Write{New: true})
			return err
		}},
		{"a rename", func() error { _, err := s.Rename(ctx, "/new", "/newer", false); return err }},
		{"a rename over a file", func() error { _, err := s.Rename(ctx, "/newer", "/f", true); return err }},
		{"a rename to itself", func() error { _, err := s.Rename(ctx, "/f", "/f", true); return err }},
		{"a rename of a directory", func() error { _, err := s.Rename(ctx, "/d", "/e", true); return err }},
		{"a directory", func() error { _, err := s.Mkdir(ctx, "/d"); return err }},
		{"a removal", func() error { _, err := s.Remove(ctx, "/e/a"); return err }},
		{"a time", func() error { _, err := s.SetTime(ctx, "/f", time.Unix(1, 0)); return err }},
		{"the removal of an upload", func() error {
			b.Lock()
			b.Resumable["/half"] = []byte("123")
			b.Unlock()
			_, err := s.Remove(ctx, "/half")
			return err
		}},
		{"a removal of nothing", func() error {
			if _, err := s.Remove(ctx, "/nothing"); !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("it exists: %w", err)
			}
			return nil
		}},
		{"a broken upload", func() error { broken(t, s, "/f", "123456"); return nil }},
		{"a broken upload that was new", func() error { broken(t, s, "/n", "123456"); return nil }},
		{"one that is over the quota", func() error {
			if err := store(t, s, "/n", strings.Repeat("x", 101)); !isOver(err) {
				return fmt.Errorf("over the quota: %w", err)
			}
			return nil
		}},
	} {
		if err := x.do(); err != nil {
			t.Errorf("%s: %v", x.name, err)
		}
		b.checkTrue(q)
		if t.Failed() {
			t.Fatalf("after %s", x.name)
		}
	}
	if n := b.counts.Load(); n != 1 {
		t.Errorf("%d counts, want 1", n)
	}
}

// Uploads at the same time together do not exceed the quota, not even by a byte, and those that fail give back what they have
// reserved.
func TestQuotaOfUploadsAtOnce(t *testing.T) {
	for _, uploads := range []int{2, 8} {
		b := newBucket(t)
		q := b.quota(1<<16, 0, "/")
		results, complete := make(chan error), make(chan struct{})
		var ended sync.WaitGroup // or complete
		ended.Add(uploads)
		for i := range uploads {
			content := iotest.OneByteReader(strings.NewReader(strings.Repeat("x", 1<<16/uploads+1)))
			end := sync.OnceFunc(ended.Done)
			src := storetest.CommittedBy(content, func() error { // none is stored before all have reserved what they need
				end()
				<-complete
				return nil
			})
			go func() {
				_, err := b.limit(q).Put(t.Context(), fmt.Sprintf("/%d", i), src, proxy.Write{})
				end()
				results <- err
			}()
		}
		go func() {
			ended.Wait()
			close(complete)
		}()
		over := 0
		for range uploads {
			if err := <-results; isOver(err) {
				over++
			} else if err != nil {
				t.Error(err)
			}
		}
		if bytes, _, _ := b.Usage(t.Context(), "/"); bytes > 1<<16 || over == 0 {
			t.Errorf("%d of %d uploads are refused, %d bytes are stored", over, uploads, bytes)
		}
		b.checkTrue(q)
	}
}

// Uploads of the same name at the same time count what the last one has stored.
func TestQuotaOfOneNameAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		b.store("/f", "1234567")
		q := b.quota(100, 10, "/")
		s := b.limit(q)
		r, w := io.Pipe()
		results := make(chan error)
		go func() {
			_, err := s.Put(t.Context(), "/f", storetest.Source(r), proxy.Write{})
			results <- err
		}()
		send := func(text string) {
			io.WriteString(w, text)
			synctest.Wait()
		}
		send("12345678901234567890")
		b.check(q, 20, 1)
		if err := store(t, s, "/f", "123"); err != nil {
			t.Error(err)
		}
		send("1") // what it reserves depends on the file that is there now
		b.check(q, 21, 1)
		if _, err := s.Remove(t.Context(), "/f"); err != nil {
			t.Error(err)
		}
		send("2")
		b.check(q, 22, 1)
		w.Close()
		if err := <-results; err != nil {
			t.Error(err)
		}
		b.checkTrue(q)
		if len(b.usages.files) > 0 {
			t.Errorf("%d files are kept", len(b.usages.files))
		}
	})
}

// Limits that are set during an upload hold for it.
func TestQuotaIsChanged(t *testing.T) {
	b := newBucket(t)
	q := b.quota(10, 0, "/")
	s := b.limit(q)
	upload := func(size, files int64) error {
		r := io.MultiReader(strings.NewReader("12345"), readerFunc(func([]byte) (int, error) {
			b.set(q, size, files, "/")
			return 0, io.EOF
		}), strings.NewReader("67890"))
		_, err := s.Put(t.Context(), "/f", storetest.Source(r), proxy.Write{})
		return err
	}
	if err := upload(9, 0); !isOver(err) {
		t.Errorf("less: %v", err)
	}
	b.check(q, 0, 0)
	if err := upload(10, 1); err != nil {
		t.Errorf("enough: %v", err)
	}
	b.set(q, 1, 0, "/")
	if err := upload(0, 0); err != nil {
		t.Errorf("none, while it runs: %v", err)
	}
	if s := b.limit(q); s != proxy.Store(b.Memory) {
		t.Error("a store without a limit is wrapped")
	}
	if q.Set(0, 0); len(q.places) > 0 || b.usages.places[location{b, "/"}].quotas != 0 {
		t.Error("places are kept")
	}
	var none Quota
	if none.Set(5, 5); none.Limit(b.Memory, b, "/") != proxy.Store(b.Memory) || none.Space(t.Context(), new(proxy.Space)) != nil {
		t.Error("there is a quota without Usages")
	}
}

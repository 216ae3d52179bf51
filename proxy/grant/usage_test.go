package grant

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// What other programs store or remove is known after an hour. Without a quota that has the place, nothing is counted or kept any more.
func TestQuotaIsCountedHourly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		q := b.quota(10, 0, "/d")
		b.check(q, 0, 0)
		b.store("/d/f", "1234567")
		b.store("/e/f", "1234567")
		<-time.After(countEvery - time.Nanosecond)
		b.check(q, 0, 0)
		<-time.After(time.Nanosecond)
		synctest.Wait()
		b.check(q, 7, 1)
		if err := store(t, b.limit(q), "/d/g", "1234"); !isOver(err) {
			t.Errorf("over the quota: %v", err)
		}
		if err := store(t, b.limit(q), "/d/g", "123"); err != nil {
			t.Error(err)
		}
		b.Lock()
		delete(b.Files, "/d/f")
		delete(b.Files, "/d/g")
		b.Unlock()
		q.Set(0, 0)
		again := b.quota(10, 0, "/d") // within an hour, the count is still known
		b.check(again, 10, 2)
		<-time.After(countEvery)
		synctest.Wait()
		b.check(again, 0, 0)
		again.Set(0, 0)
		<-time.After(countEvery)
		synctest.Wait()
		if n := b.counts.Load(); n != 3 || len(b.usages.places) > 0 {
			t.Errorf("%d counts, %d places are kept; want 3 and none", n, len(b.usages.places))
		}
	})
}

// A login does not wait for the count, and an upload waits 10 s. Then it is refused before its first new byte, and what can be resumed
// stays.
func TestQuotaIsCountedSlowly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		b.pause = make(chan struct{})
		b.Resumable["/f"] = []byte("12345")
		q := b.quota(10, 0, "/")
		s, begin := b.limit(q), time.Now()
		unread := readerFunc(func([]byte) (int, error) { t.Error("new bytes are read"); return 0, io.EOF })
		_, err := s.Put(t.Context(), "/f", storetest.Source(unread), proxy.Write{})
		if took := time.Since(begin); !errors.Is(err, proxy.ErrNotCounted) || took != countWait || b.Resumable["/f"] == nil {
			t.Errorf("after %v: %v", took, err)
		}
		if err := q.Space(t.Context(), new(proxy.Space)); !errors.Is(err, proxy.ErrNotCounted) {
			t.Errorf("Space: %v", err)
		}
		aborted, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.Put(aborted, "/f", storetest.Source(unread), proxy.Write{}); !errors.Is(err, context.Canceled) {
			t.Errorf("aborted: %v", err)
		}
		time.AfterFunc(countWait-1, func() { b.pause <- struct{}{} })
		if err := store(t, s, "/f", "1234567890"); err != nil {
			t.Error(err)
		}
		if n := b.counts.Load(); n != 1 {
			t.Errorf("%d counts, want 1", n)
		}
	})
}

// An upload starts a failed count again. A later count that fails changes nothing.
func TestQuotaIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		b.failCounts(fs.ErrPermission)
		q := b.quota(10, 0, "/")
		synctest.Wait()
		s := b.limit(q)
		for range 2 {
			if err := store(t, s, "/f", "1"); !errors.Is(err, proxy.ErrNotCounted) || !errors.Is(err, fs.ErrPermission) {
				t.Errorf("without a count: %v", err)
			}
			synctest.Wait()
		}
		b.failCounts(nil)
		if err := store(t, s, "/f", "12345"); err != nil {
			t.Error(err)
		}
		b.failCounts(storetest.ErrDown)
		<-time.After(countEvery)
		synctest.Wait()
		b.check(q, 5, 1)
		b.failCounts(nil)
		b.store("/g", "1")
		<-time.After(countEvery)
		synctest.Wait()
		b.check(q, 6, 2)
		if n := b.counts.Load(); n != 5+1 {
			t.Errorf("%d counts, want 4 until one succeeds, and one an hour", n)
		}
	})
}

// After Close, nothing counts. An upload that needs a count is refused.
func TestQuotaAfterClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		b.pause = make(chan struct{})
		q := b.quota(10, 0, "/")
		synctest.Wait()
		b.usages.Close() // ends the count
		if n := b.running.Load(); n > 0 {
			t.Errorf("%d counts run after Close", n)
		}
		begin := time.Now()
		for range 10 {
			if err := store(t, b.limit(q), "/f", "1"); !errors.Is(err, proxy.ErrNotCounted) || time.Since(begin) > 0 {
				t.Errorf("after Close, and %v: %v", time.Since(begin), err)
			}
		}
		<-time.After(2 * countEvery)
		if n := b.counts.Load(); n != 1 {
			t.Errorf("%d counts, want 1", n)
		}
	})
}

// At most some places are counted at a time.
func TestQuotaCountsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		b.pause = make(chan struct{})
		for i := range 2 * maxCounts {
			b.quota(10, 0, fmt.Sprintf("/%d", i))
		}
		synctest.Wait()
		if n := b.counts.Load(); n != maxCounts {
			t.Errorf("%d counts at a time, want %d", n, maxCounts)
		}
	})
}

// Changes during a count may be in its result or not. They count once in either case.
func TestQuotaChangesDuringCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		b.store("/old", "1234567")
		q := b.quota(100, 100, "/")
		b.check(q, 7, 1)
		b.pause = make(chan struct{})
		s := b.limit(q)
		r, w := io.Pipe()
		result := make(chan error)
		upload := func() {
			_, err := s.Put(t.Context(), "/running", storetest.Source(r), proxy.Write{})
			result <- err
		}
		for _, x := range []struct {
			name   string
			during func()
		}{
			{"an upload", func() { store(t, s, "/new", "12") }},
			{"a removal", func() { s.Remove(t.Context(), "/old") }},
			{"the beginning of an upload", func() { go upload(); io.WriteString(w, "12345") }},
			{"the end of an upload", func() { w.Close(); <-result }},
		} {
			<-time.After(countEvery)
			synctest.Wait() // the count has its result
			x.during()
			b.pause <- struct{}{}
			synctest.Wait()
			if x.name == "the beginning of an upload" {
				b.check(q, 2+5, 2)
			} else if b.checkTrue(q); t.Failed() {
				t.Fatalf("after %s", x.name)
			}
		}
	})
}

// A change that has begun before the end of a count, and ends after it, is in its result.
func TestQuotaChangesAcrossCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBucket(t)
		b.store("/old", "1234567")
		b.store("/other", "123")
		q := b.quota(100, 100, "/")
		b.check(q, 10, 2)
		slow := q.Limit(slowChanges{b.Memory, func() { <-time.After(countEvery); synctest.Wait() }}, b, "/")
		if _, err := slow.Remove(t.Context(), "/old"); err != nil {
			t.Error(err)
		}
		b.checkTrue(q)
		if err := store(t, slow, "/new", "12345"); err != nil {
			t.Error(err)
		}
		b.checkTrue(q)
	})
}

// A slowChanges answers late.
type slowChanges struct {
	*storetest.Memory
	wait func()
}

func (s slowChanges) Put(ctx context.Context, name string, src proxy.Source, w proxy.Write) (proxy.Stored, error) {
	stored, err := s.Memory.Put(ctx, name, src, w)
	s.wait()
	return stored, err
}

func (s slowChanges) Remove(ctx context.Context, name string) (proxy.Stored, error) {
	stored, err := s.Memory.Remove(ctx, name)
	s.wait()
	return stored, err
}

// Users with the same place share its count, and a change counts for all places that have the file.
func TestQuotaOfSharedPlaces(t *testing.T) {
	b := newBucket(t)
	b.store("/d/a/f", "12345")
	one, two, above, beside := b.quota(10, 0, "/d/a"), b.quota(10, 0, "/d/a"), b.quota(100, 0, "/d"), b.quota(10, 0, "/d/b")
	b.check(above, 5, 1)
	b.check(beside, 0, 0)
	if err := store(t, b.limit(one), "/d/a/g", "123"); err != nil {
		t.Error(err)
	}
	for q, want := range map[*Quota]tally{one: {8, 2}, two: {8, 2}, above: {8, 2}, beside: {}} {
		b.check(q, want.bytes, want.files)
	}
	if n := b.counts.Load(); n != 3 {
		t.Errorf("%d counts, want 3", n)
	}
	if err := store(t, b.limit(two), "/d/a/h", "123"); !isOver(err) {
		t.Errorf("over the quota that is shared: %v", err)
	}
	b.set(above, 8, 0, "/d")                          // which is full
	for _, name := range []string{"/d/a/g", "/d/a"} { // a file and a directory
		if _, err := b.limit(above).Rename(t.Context(), name, "/d/b/"+name[len("/d/a"):]+"x", false); err != nil {
			t.Error(err)
		}
	}
	for q, want := range map[*Quota]tally{one: {0, 0}, above: {8, 2}, beside: {8, 2}} {
		b.check(q, want.bytes, want.files)
	}
	if _, err := b.limit(beside).Rename(t.Context(), "/d/b/x", "/d/a", false); err != nil {
		t.Error(err)
	}
	b.set(above, 100, 0, "/d")
	b.store("/elsewhere", "12345678901")
	for q, over := range map[*Quota]bool{above: false, beside: true} {
		if _, err := b.limit(q).Rename(t.Context(), "/elsewhere", "/d/b/f", false); isOver(err) != over {
			t.Errorf("a rename into the place: %v", err)
		}
		b.store("/elsewhere", "12345678901")
	}
}

// A quota of several places is one for all of them. Places in another one count once.
func TestQuotaOfSeveralPlaces(t *testing.T) {
	b, other := newBucket(t), newBucket(t)
	other.usages = b.usages
	q := &Quota{Usages: b.usages}
	q.Set(10, 0, b.place("/d/e"), b.place("/d"), b.place("/d"), other.place("/d"), b.place("/de"))
	for i, s := range []proxy.Store{b.limit(q), q.Limit(other.Memory, other, "/"), q.Limit(sizedBelow{below{b.Memory, "/d"}}, b, "/d"), b.limit(q)} {
		if err := store(t, s, []string{"/d/e/f", "/d/f", "/g", "/de/f"}[i], "123"); err != nil && i < 3 || i == 3 && !isOver(err) {
			t.Errorf("upload %d: %v", i, err)
		}
	}
	b.check(q, 9, 3)
}

// A sizedBelow is a directory of a Memory.
type sizedBelow struct{ below }

func (s sizedBelow) FileSize(ctx context.Context, name string) (int64, error) {
	return s.Store.(*storetest.Memory).FileSize(ctx, s.dir+name)
}

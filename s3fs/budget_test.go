package s3fs

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// Many uploads complete with a small budget, although the clients and S3 are slow.
func TestManySlowUploadsInLittleMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(20 << 20)
		var mu sync.Mutex
		most := int64(0)
		var all sync.WaitGroup
		for i := range 12 {
			s := newFake(t)
			s.fault = func(r *http.Request, _ string) (*http.Response, error) {
				mu.Lock()
				most = max(most, b.Stats().Used)
				mu.Unlock()
				<-time.After(time.Second)
				return nil, nil
			}
			f := s.fs(Options{PartSize: minPart, Budget: b, Stall: time.Hour})
			all.Go(func() {
				size := int64(11<<20 + i)
				content := slow{io.LimitReader(endless{}, size), time.Duration(i) * 10 * time.Millisecond}
				if _, err := f.Put(t.Context(), "/f", storetest.Source(content), proxy.Write{}); err != nil {
					t.Error(err)
				}
				if s.objects["/b/f"] != size {
					t.Errorf("%d bytes published, want %d", s.objects["/b/f"], size)
				}
			})
		}
		all.Wait()
		if size := b.Stats().Size; most > size || most < size/2 {
			t.Errorf("at most %d bytes of %d were out: too many, or uploads did not share them", most, size)
		}
		allFree(t, b)
	})
}

func TestPutFailsIfNoBufferBecomesFree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		f := s.fs(Options{Budget: budget.New(0), Stall: time.Minute})
		exhaust(t, f.budget)
		before := time.Now()
		_, err := f.Put(t.Context(), "/f", storetest.Source(zeros(1<<20)), proxy.Write{})
		if !errors.Is(err, syscall.ENOBUFS) || time.Since(before) != time.Minute {
			t.Errorf("after %v: %v, want ENOBUFS after a minute", time.Since(before), err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := f.Put(ctx, "/f", storetest.Source(zeros(1<<20)), proxy.Write{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cancelled while it waits: %v", err)
		}
		s.checkCalls()
	})
}

// exhaust borrows all buffers of a budget.
func exhaust(t *testing.T, b *budget.Budget) {
	t.Helper()
	for {
		_, _, err := b.Borrow(t.Context(), 0)
		if errors.Is(err, syscall.ENOBUFS) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if now := b.Stats(); now.Used != now.Size {
		t.Fatalf("%d bytes of %d are borrowed", now.Used, now.Size)
	}
}

// Downloads and uploads at the same time complete with a small budget.
func TestDownloadsBesideUploadsInLittleMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := budget.New(36 * mib)
		var ahead atomic.Bool
		var all sync.WaitGroup
		for i := range 3 {
			s := newObjectFake(t, 80*mib)
			s.pause = slowS3
			f := s.fs(Options{Budget: b, Stall: time.Hour})
			all.Go(func() {
				w := &taker{pause: func(at int64) time.Duration {
					if b.Stats().Prefetched > 0 {
						ahead.Store(true)
					}
					return time.Duration(i) * time.Millisecond
				}}
				r, err := f.Open(t.Context(), "/f", proxy.Range{})
				if err != nil {
					t.Error(err)
					return
				}
				defer r.Close()
				if _, err := io.Copy(w, r); err != nil || w.at != s.size {
					t.Errorf("download: %d bytes, %v", w.at, err)
				}
			})
		}
		for i := range 4 {
			s := newFake(t)
			f := s.fs(Options{PartSize: minPart, Budget: b, Stall: time.Hour})
			all.Go(func() {
				size := int64(25*mib + i)
				content := slow{io.LimitReader(endless{}, size), time.Duration(i) * time.Millisecond}
				if _, err := f.Put(t.Context(), "/f", storetest.Source(content), proxy.Write{}); err != nil || s.objects["/b/f"] != size {
					t.Errorf("upload: %d bytes, %v", s.objects["/b/f"], err)
				}
			})
		}
		all.Wait()
		allFree(t, b)
		if !ahead.Load() {
			t.Error("no download has fetched anything ahead")
		}
	})
}

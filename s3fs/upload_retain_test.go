package s3fs

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// Parts that are retained in case their upload fails are evicted when other uploads need the memory.
func TestRetainedPartsAreEvicted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		b := budget.New(20 << 20)
		f := s.fs(Options{PartSize: minPart, Resume: time.Hour, Budget: b})
		old := newGate(zeros(minPart + 1000))
		over := make(chan error, 1)
		go func() { over <- errOf(f.Put(t.Context(), "/f", storetest.Source(old), proxy.Write{})) }()
		<-old.there
		synctest.Wait()
		if now := b.Stats(); now.Used < minPart || now.Retained != 1 {
			t.Errorf("%d bytes are in use, and %d parts retained", now.Used, now.Retained)
		}
		c := b.Claim(16<<20, false)
		for held := 0; held < 16<<20; held += budget.BufferSize {
			buffer, err := c.Take(t.Context(), 0)
			if buffer == nil || err != nil {
				t.Fatalf("after %d bytes: %v", held, err)
			}
			defer c.Free(buffer)
		}
		c.Seal()
		old.end <- errCut
		if err := <-over; !errors.Is(err, errCut) {
			t.Error(err)
		}
		if at := resumableSize(t, f, "/f"); at != minPart {
			t.Errorf("the resumable size is %d, want the whole part of %d", at, minPart)
		}
		if n := b.Stats().Retained; n != 0 {
			t.Errorf("%d parts are still retained", n)
		}
	})
}

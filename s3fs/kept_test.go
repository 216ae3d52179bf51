package s3fs

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// TestKeptPartsGiveWay: the memory of what is kept for a break goes to whoever needs it.
func TestKeptPartsGiveWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newFake(t)
		m := NewMemory(20 << 20)
		f := s.fs(Options{PartSize: minPart, Resume: time.Hour, Memory: m})
		old := newGate(zeros(minPart + 1000))
		over := make(chan error, 1)
		go func() { over <- f.Put(t.Context(), "/f", old, Write{}) }()
		<-old.there
		synctest.Wait()
		if m.used < minPart {
			t.Errorf("%d bytes are taken, so nothing is kept", m.used)
		}
		c := &claim{m: m, need: 16 << 20}
		for held := int64(0); held < c.need; held += slabSize {
			slab, err := c.take(t.Context(), slabSize, 0)
			if slab == nil || err != nil {
				t.Fatalf("after %d bytes: %v", held, err)
			}
			defer m.free(slab)
		}
		c.seal()
		old.end <- errCut
		if err := <-over; !errors.Is(err, errCut) {
			t.Error(err)
		}
		if at := stands(t, f, "/f"); at != minPart {
			t.Errorf("it stands at %d, want the whole part, %d", at, minPart)
		}
		if len(m.kept) > 0 {
			t.Error("a part is still kept")
		}
	})
}

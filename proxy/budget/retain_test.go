package budget

import (
	"errors"
	"syscall"
	"testing"
	"testing/synctest"
)

// retained fills a part with n buffers and retains it.
func retained(t *testing.T, b *Budget, n int64) (*Retained, *[][]byte) {
	t.Helper()
	c := b.Claim(n*BufferSize, false)
	buffers := new([][]byte)
	for range n {
		buffer, err := c.Take(t.Context(), 0)
		if buffer == nil || err != nil {
			t.Fatal(err)
		}
		*buffers = append(*buffers, buffer)
	}
	c.Seal()
	return c.Retain(buffers), buffers
}

func TestLastReleaseReturnsTheBuffers(t *testing.T) {
	for name, order := range map[string]func(*testing.T, *Retained){
		"reclaimed while in use": func(t *testing.T, r *Retained) {
			if !r.Reclaim() {
				t.Error("Reclaim reports false")
			}
			r.Release()
		},
		"reclaimed after use": func(t *testing.T, r *Retained) {
			r.Release()
			if !r.Reclaim() {
				t.Error("Reclaim reports false")
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := New(0)
			r, buffers := retained(t, b, 3)
			order(t, r)
			if r.Reclaim() {
				t.Error("the second Reclaim reports true")
			}
			if now := b.Stats(); now.Used != 3*BufferSize || now.Retained != 0 || len(*buffers) != 3 {
				t.Errorf("before the last Release: %+v, and %d buffers", now, len(*buffers))
			}
			r.Release()
			if *buffers != nil {
				t.Error("the buffers are not set to nil")
			}
			checkIdle(t, b)
		})
	}
}

func TestOldestUnusedPartIsEvicted(t *testing.T) {
	b := New(16 * mib)
	first, inUse := retained(t, b, 8)
	second, oldest := retained(t, b, 8)
	third, newest := retained(t, b, 8)
	second.Release()
	third.Release()
	c := b.Claim(8*mib, false)
	for range 8 * mib / BufferSize {
		if buffer, err := c.Take(t.Context(), 0); buffer == nil || err != nil {
			t.Fatal(err)
		}
	}
	if *oldest != nil || len(*newest) != 8 || len(*inUse) != 8 {
		t.Errorf("%d, %d and %d buffers are left; want those of the second part evicted", len(*inUse), len(*oldest), len(*newest))
	}
	if second.Reclaim() || !third.Reclaim() {
		t.Error("the evicted part can be reclaimed, or the other unused one cannot")
	}
	if buffer, err := b.Claim(BufferSize, false).Take(t.Context(), 0); !errors.Is(err, syscall.ENOBUFS) {
		t.Errorf("got %d bytes, %v; want ENOBUFS, as the other parts are in use or reclaimed", len(buffer), err)
	}
	if !first.Reclaim() {
		t.Error("a part in use cannot be reclaimed")
	}
}

// When its sender releases a part, the part can be evicted for a claim that waits.
func TestReleaseServesWaiters(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(8 * mib)
		r, buffers := retained(t, b, 8*mib/BufferSize)
		served := takeLater(t, b.Claim(BufferSize, false))
		if b.Stats().Waiting != 1 {
			t.Fatal("the claim does not wait")
		}
		r.Release()
		if err := served(); err != nil || *buffers != nil {
			t.Errorf("%v, and %d buffers are left", err, len(*buffers))
		}
	})
}

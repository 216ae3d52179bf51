package s3fs

import (
	"errors"
	"fmt"
	"io"
	"testing"
	"time"
)

// TestLastByteAtTheEdges: contents that end where a slab, or a part, ends are whole, and give all memory back.
func TestLastByteAtTheEdges(t *testing.T) {
	for _, size := range []int64{minPart + smallSlab, 6 << 20, 8 << 20, 8<<20 + minPart, 14 << 20, 14<<20 + 1, 16 << 20, 22<<20 - 1} {
		for _, order := range []error{nil, errLost} {
			t.Run(fmt.Sprint(size, order), func(t *testing.T) {
				s := newFake(t)
				f := s.fs(Options{Resume: time.Hour})
				err := f.Put(t.Context(), "/f", &heldBack{Reader: zeros(int(size)), order: order}, Write{})
				if !errors.Is(err, order) {
					t.Fatal(err)
				}
				if got, ok := s.objects["/b/f"]; ok != (order == nil) || ok && got != size {
					t.Errorf("%d bytes published, %v", got, ok)
				}
				if f.memory.used > 0 {
					t.Errorf("%d bytes of memory are not given back", f.memory.used)
				}
			})
		}
	}
}

// heldBack is a content that is published only by an order.
type heldBack struct {
	io.Reader
	order error
}

func (h *heldBack) Hold() func() error { return func() error { return h.order } }

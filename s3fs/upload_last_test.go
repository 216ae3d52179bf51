package s3fs

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// Contents that end at the end of a buffer or a part are stored completely, and all buffers are returned.
func TestContentEndsWithBufferOrPart(t *testing.T) {
	for _, size := range []int64{minPart + budget.SmallBufferSize, 6 << 20, 8 << 20, 8<<20 + minPart, 14 << 20, 14<<20 + 1, 16 << 20, 22<<20 - 1} {
		for _, order := range []error{nil, errLost} {
			t.Run(fmt.Sprint(size, order), func(t *testing.T) {
				s := newFake(t)
				f := s.fs(Options{Resume: time.Hour})
				_, err := f.Put(t.Context(), "/f", storetest.Uncommitted(zeros(int(size)), order), proxy.Write{})
				if !errors.Is(err, order) {
					t.Fatal(err)
				}
				if got, ok := s.objects["/b/f"]; ok != (order == nil) || ok && got != size {
					t.Errorf("%d bytes published, %v", got, ok)
				}
				if f.budget.Stats().Used > 0 {
					t.Errorf("%d bytes of memory are not given back", f.budget.Stats().Used)
				}
			})
		}
	}
}

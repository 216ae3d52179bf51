package s3fs

import (
	"errors"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/budget"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// While 60 uploads of one user stand still 1 MiB short of a part, another user's upload is stored, all parts of it. Without a
// reserve it finds no memory.
func TestSlowUploadsDoNotHoldUpAnotherUser(t *testing.T) {
	for name, test := range map[string]struct {
		budget func(int64) *budget.Budget
		want   error
	}{
		"shared":     {budget.NewShared, nil},
		"no reserve": {budget.New, syscall.ENOBUFS},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := test.budget(64 * mib)
				end := standStill(t, b, "many", 60)
				s := newFake(t)
				f := s.fs(Options{Budget: b, User: "other", Resume: time.Hour, Stall: time.Minute})
				size := 30*mib + 1
				if _, err := f.Put(t.Context(), "/f", storetest.Source(zeros(size)), proxy.Write{}); !errors.Is(err, test.want) {
					t.Errorf("%v, want %v", err, test.want)
				} else if got := int(s.objects["/b/f"]); err == nil && got != size {
					t.Errorf("the file has %d bytes, want %d", got, size)
				}
				end()
				allFree(t, b)
			})
		})
	}
}

// standStill begins uploads of a user that stand still 1 MiB short of a part. It returns a function that ends them.
func standStill(t *testing.T, b *budget.Budget, user string, uploads int) (end func()) {
	t.Helper()
	var all sync.WaitGroup
	var gates []*gate
	for range uploads {
		f := newFake(t).fs(Options{Budget: b, User: user, Stall: 24 * time.Hour})
		g := newGate(zeros(7 * mib))
		gates = append(gates, g)
		all.Go(func() {
			if _, err := f.Put(t.Context(), "/f", storetest.Source(g), proxy.Write{}); !errors.Is(err, errCut) {
				t.Error(err)
			}
		})
	}
	synctest.Wait()
	return func() {
		for _, g := range gates {
			g.end <- errCut
		}
		all.Wait()
	}
}

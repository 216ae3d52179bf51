package sftp

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Requests for related names run in the order of arrival if one of them changes something; others run at once.
func TestPathOrder(t *testing.T) {
	for name, c := range map[string]struct {
		first, second       []string
		changed, willChange bool
		waits               bool
	}{
		"reads":           {[]string{"/a"}, []string{"/a"}, false, false, false},
		"read of change":  {[]string{"/a"}, []string{"/a"}, true, false, true},
		"change of read":  {[]string{"/a"}, []string{"/a"}, false, true, true},
		"above a change":  {[]string{"/a/b/c"}, []string{"/a"}, true, false, true},
		"below a change":  {[]string{"/a"}, []string{"/a/b"}, true, false, true},
		"beside a change": {[]string{"/a"}, []string{"/ab"}, true, true, false},
		"second name":     {[]string{"/x", "/a"}, []string{"/y", "/a"}, true, true, true},
		"the root":        {[]string{"/a"}, []string{"/"}, true, false, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			var o pathOrder
			first := o.enter(c.changed, c.first...)
			second := o.enter(c.willChange, c.second...)
			done := false
			go func() {
				second.await(t.Context())
				done = true
			}()
			synctest.Wait()
			if done == c.waits {
				t.Errorf("%s: the second request waits: %v, want %v", name, !done, c.waits)
			}
			o.leave(first)
			synctest.Wait()
			if !done {
				t.Errorf("%s: the second request does not run after the first", name)
			}
			o.leave(second)
			if len(o.running) > 0 {
				t.Errorf("%s: %d requests are left", name, len(o.running))
			}
		})
	}
}

func TestPathOrderEndsWithTheChannel(t *testing.T) {
	var o pathOrder
	o.enter(true, "/a")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errChannelLost)
	if err := o.enter(true, "/a").await(ctx); err != errChannelLost {
		t.Errorf("a request that waits ends with %v", err)
	}
}

// Three requests for a name run one after the other.
func TestPathOrderOfThree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var o pathOrder
		var ran []int
		var all sync.WaitGroup
		for i := range 3 {
			turn := o.enter(true, "/a")
			all.Go(func() {
				turn.await(t.Context())
				<-time.After(time.Duration(3-i) * time.Second)
				ran = append(ran, i)
				o.leave(turn)
			})
		}
		all.Wait()
		if !slices.Equal(ran, []int{0, 1, 2}) {
			t.Errorf("the order is %v", ran)
		}
	})
}

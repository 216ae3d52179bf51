package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

func TestHashMemory(t *testing.T) {
	const mib = 1 << 20
	argon := func(m int) User { return alice(strings.Replace(argonReference, "m=256", fmt.Sprint("m=", m<<10), 1)) }
	for _, c := range []struct {
		users    []User
		cores    int
		budget   int64
		parallel int
		memory   int64
	}{
		{[]User{argon(19)}, 2, 256 * mib, 2, 38 * mib},
		{[]User{argon(19)}, 64, 256 * mib, 4, 76 * mib},
		{[]User{argon(19), argon(64)}, 64, 256 * mib, 2, 128 * mib},
		{[]User{argon(19)}, 4, 96 * mib, 2, 38 * mib},
		{[]User{argon(19)}, 4, 96*mib - 1, 1, 19 * mib},
		{[]User{argon(512)}, 4, 256 * mib, 1, 512 * mib},
		{[]User{alice(cryptReference[7].hash), alice(bcryptHash(t, "x", "2y")), alice("x")}, 4, 256 * mib, 4, 0},
		{[]User{{Secret: Fixed("x")}}, 4, 256 * mib, 4, 76 * mib},
		{nil, 4, 256 * mib, 4, 0},
	} {
		l := NewHashLimiter(c.cores, c.budget, LargestHash(c.users))
		if l.parallel != c.parallel || l.Memory() != c.memory {
			t.Errorf("%d cores, %d MiB: %d passwords in %d bytes, want %d in %d", c.cores, c.budget/mib, l.parallel, l.Memory(), c.parallel, c.memory)
		}
	}
}

// For users who are not known yet, memory for one hash is set aside. Their hashes may need more, but at most half of the budget.
func TestHashMemoryOfOthers(t *testing.T) {
	const mib = 1 << 20
	argon := func(m int) User { return alice(strings.Replace(argonReference, "m=256", fmt.Sprint("m=", m<<10), 1)) }
	for _, c := range []struct {
		known           []User
		budget          int64
		memory, largest int
	}{
		{nil, 256 * mib, 19, 128},
		{[]User{alice(cryptReference[7].hash)}, 256 * mib, 19, 128},
		{[]User{argon(19)}, 256 * mib, 76, 128},
		{nil, 16 * mib, 19, 19},
		{[]User{argon(64)}, 16 * mib, 64, 64},
	} {
		l := NewHashLimiter(4, c.budget, LargestHash(c.known))
		l.ExpectOthers()
		if l.Memory() != int64(c.memory)*mib {
			t.Errorf("%d MiB: %d bytes are set aside, want %d MiB", c.budget/mib, l.Memory(), c.memory)
		}
		if err := l.CheckOther(argon(c.largest)); err != nil {
			t.Error(err)
		}
		if err := l.CheckOther(argon(c.largest + 1)); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("needs %d MiB", c.largest+1)) {
			t.Errorf("%d MiB: a hash of %d MiB: %v", c.budget/mib, c.largest+1, err)
		}
	}
}

// hashes starts n hashes of a memory that end when done is closed. The results are their errors.
func hashes(ctx context.Context, l *HashLimiter, n int, memory int64, done <-chan struct{}) (results chan error) {
	results = make(chan error, n)
	for range n {
		go func() {
			_, err := l.run(ctx, memory, func() bool { <-done; return true })
			results <- err
		}()
	}
	synctest.Wait()
	return results
}

func TestHashLimiter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewHashLimiter(8, 1<<30, 10)
		done := make(chan struct{})
		first := hashes(t.Context(), l, 3, 10, done)
		larger := hashes(t.Context(), l, 1, 11, done) // does not fit beside them
		small := hashes(t.Context(), l, 1, 1, done)   // would fit, but must not overtake
		if l.running != 3 || l.used != 30 || len(l.queue) != 2 {
			t.Errorf("%d running, %d waiting, want 3 and 2", l.running, len(l.queue))
		}
		close(done)
		synctest.Wait()
		for _, results := range []chan error{first, first, first, larger, small} {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		alone := make(chan struct{})
		huge := hashes(t.Context(), l, 1, 1<<40, alone) // more than all, so that it runs alone
		after := hashes(t.Context(), l, 1, 0, alone)
		if l.running != 1 || len(l.queue) != 1 {
			t.Errorf("%d running, %d waiting, want 1 and 1", l.running, len(l.queue))
		}
		close(alone)
		if err := errors.Join(<-huge, <-after); err != nil || l.used != 0 {
			t.Error(l.used, err)
		}
	})
}

// The queue is bounded, and a login whose client leaves gives its place up.
func TestHashQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewHashLimiter(1, 1<<30, 10)
		done := make(chan struct{})
		running := hashes(t.Context(), l, 1, 10, done)
		ctx, leave := context.WithCancel(t.Context())
		waiting := hashes(ctx, l, 1, 10, done)
		others := hashes(t.Context(), l, maxQueued-1, 10, done)
		if _, err := l.run(t.Context(), 10, nil); err != proxy.ErrTooManyLogins {
			t.Errorf("above the queue: %v", err)
		}
		leave()
		if err := <-waiting; !errors.Is(err, context.Canceled) {
			t.Errorf("the client has left: %v", err)
		}
		if _, err := l.run(ctx, 10, nil); !errors.Is(err, context.Canceled) {
			t.Errorf("an ended context: %v", err)
		}
		more := hashes(t.Context(), l, 1, 10, done)
		close(done)
		if err := errors.Join(<-running, <-more); err != nil {
			t.Error(err)
		}
		for range maxQueued - 1 {
			if err := <-others; err != nil {
				t.Error(err)
			}
		}
		if l.running != 0 || l.used != 0 || len(l.queue) != 0 {
			t.Errorf("at the end: %d running, %d bytes, %d waiting", l.running, l.used, len(l.queue))
		}
	})
}

// A context that ends at the moment when hashing becomes possible takes no place.
func TestHashLimiterWhenContextEnds(t *testing.T) {
	l := NewHashLimiter(1, 1<<30, 10)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for range 200 { // select picks one of both by chance
		if err := l.acquire(ctx, 10); err == nil {
			l.release(10)
		}
		if l.running != 0 || l.used != 0 || len(l.queue) != 0 {
			t.Fatalf("%d running, %d bytes, %d waiting", l.running, l.used, len(l.queue))
		}
	}
}

// While passwords wait, hashing pauses after each: nine times as long as a wrong one took, three times as long as a right one. A
// single password makes no pause.
func TestHashLimiterPauses(t *testing.T) {
	const took = 20 * time.Millisecond
	for _, c := range []struct {
		right bool
		ends  []time.Duration
		alone time.Duration // the end of one for which none waited
	}{
		{false, []time.Duration{took, 11 * took, 21 * took}, 22 * took},
		{true, []time.Duration{took, 5 * took, 9 * took}, 10 * took},
	} {
		synctest.Test(t, func(t *testing.T) {
			l := NewHashLimiter(1, 1<<30, 10)
			begin := time.Now()
			var ended []time.Duration
			hash := func() {
				right, err := l.run(t.Context(), 10, func() bool {
					<-time.After(took)
					ended = append(ended, time.Since(begin))
					return c.right
				})
				if right != c.right || err != nil {
					t.Errorf("the password is right: %v, %v, want %v", right, err, c.right)
				}
			}
			var all sync.WaitGroup
			for range 3 {
				all.Go(hash)
			}
			all.Wait()
			if !slices.Equal(ended, c.ends) {
				t.Errorf("right %v: hashes end at %v, want %v", c.right, ended, c.ends)
			}
			if hash(); ended[3] != c.alone {
				t.Errorf("right %v: a password for which none waited ends at %v, want %v: no pause", c.right, ended[3], c.alone)
			}
		})
	}
}

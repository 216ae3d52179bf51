package auth

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

const (
	maxParallel = 4  // passwords that are hashed at a time
	maxQueued   = 64 // passwords that wait for it

	// While passwords wait, a pause of so many times its duration follows each hash, to leave the processors to transfers. A flood of
	// wrong passwords takes at most a tenth of their time, if the hashes have one thread. The pause after a right password is shorter:
	// the login is remembered, so many right ones come only after a start.
	pausesAfterWrong = 9
	pausesAfterRight = 3

	littleMemory = 96 << 20 // a budget in bytes below which one password is hashed at a time
)

// A HashLimiter limits how many passwords are hashed at the same time, and their memory. All logins of a process share one,
// because they share its cores and its memory.
type HashLimiter struct {
	parallel int
	memory   int64
	half     int64 // of the budget

	mu      sync.Mutex
	running int
	used    int64     // memory of the running ones
	queue   []*queued // the oldest first
}

// A queued is a password that waits to be hashed.
type queued struct {
	memory int64
	ready  chan struct{} // closed when it may be hashed
}

// NewHashLimiter returns a limiter for a machine with that many cores, and a process with a memory budget in bytes. The largest
// hash needs so many bytes, see LargestHash.
//
// It hashes at most as many passwords at a time as there are cores, at most 4, and no more than fit into half of the budget, but
// always one. With a budget below 96 MiB it hashes one at a time. A hash that is larger than the largest runs alone.
func NewHashLimiter(cores int, budget, largest int64) *HashLimiter {
	parallel := min(cores, maxParallel)
	if budget < littleMemory {
		parallel = 1
	}
	if largest > 0 {
		parallel = min(parallel, int(budget/2/largest))
	}
	parallel = max(parallel, 1)
	return &HashLimiter{parallel: parallel, memory: int64(parallel) * largest, half: budget / 2}
}

// ExpectOthers sets memory aside for users who are not known yet: for one hash of Hash, unless there is more already. Call it before
// the limiter is in use.
func (l *HashLimiter) ExpectOthers() { l.memory = max(l.memory, defaultHash().work().memory) }

// CheckOther returns an error if a hash of a user of ExpectOthers needs too much memory: more than half of the budget, and more than
// what is set aside. Others run alone if they need more than what is set aside.
func (l *HashLimiter) CheckOther(u User) error {
	if need, most := LargestHash([]User{u}), max(l.half, l.memory); need > most {
		return fmt.Errorf("password: is a hash that needs %d MiB of memory, and may need %d MiB here, half of the memory budget", need>>20, most>>20)
	}
	return nil
}

// Memory returns the memory that hashing needs, in bytes, to be set aside from the budget. It may be more than the budget: one
// hash at a time is always allowed.
func (l *HashLimiter) Memory() int64 { return l.memory }

// errNoLimiter is a mistake of the calling program. Hashing without a limit could exhaust memory.
var errNoLimiter = errors.New("auth: no HashLimiter")

// run calls check, which hashes a password and uses that much memory, when the limits allow it. It returns what check returns:
// whether the password is right. The error is proxy.ErrTooManyLogins if too many wait already, or that of ctx if it ends before.
func (l *HashLimiter) run(ctx context.Context, memory int64, check func() bool) (right bool, err error) {
	if l == nil {
		return false, errNoLimiter
	}
	if ctx.Err() != nil {
		return false, waitError(ctx)
	}
	if err := l.acquire(ctx, memory); err != nil {
		return false, err
	}
	begin := time.Now()
	defer func() {
		pauses := time.Duration(pausesAfterWrong)
		if right {
			pauses = pausesAfterRight
		}
		l.releaseAfter(pauses*time.Since(begin), memory)
	}()
	return check(), nil
}

func waitError(ctx context.Context) error {
	return fmt.Errorf("waiting to hash a password: %w", ctx.Err())
}

func (l *HashLimiter) acquire(ctx context.Context, memory int64) error {
	q := &queued{memory, make(chan struct{})}
	l.mu.Lock()
	if len(l.queue) >= maxQueued {
		l.mu.Unlock()
		return proxy.ErrTooManyLogins
	}
	l.queue = append(l.queue, q)
	l.startNext()
	l.mu.Unlock()
	select {
	case <-q.ready:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	i := slices.Index(l.queue, q)
	if i >= 0 {
		l.queue = slices.Delete(l.queue, i, i+1)
		l.startNext()
	}
	l.mu.Unlock()
	if i < 0 { // it was allowed at the same moment
		l.release(memory)
	}
	return waitError(ctx)
}

// releaseAfter is release after a pause if others wait, and otherwise at once.
func (l *HashLimiter) releaseAfter(pause time.Duration, memory int64) {
	l.mu.Lock()
	others := len(l.queue) > 0
	l.mu.Unlock()
	if others {
		time.AfterFunc(pause, func() { l.release(memory) })
		return
	}
	l.release(memory)
}

func (l *HashLimiter) release(memory int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.running--
	l.used -= memory
	l.startNext()
}

// startNext allows the oldest of the queue while they fit. None overtakes another, so that a large one is not kept waiting.
func (l *HashLimiter) startNext() {
	for len(l.queue) > 0 {
		next := l.queue[0]
		if l.running > 0 && (l.running >= l.parallel || l.used+next.memory > l.memory) {
			return
		}
		l.queue = slices.Delete(l.queue, 0, 1)
		l.running++
		l.used += next.memory
		close(next.ready)
	}
}

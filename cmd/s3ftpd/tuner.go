package main

import (
	"context"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy/budget"
)

// A tuner sets the garbage collector and the scheduler for transfers while some run, and for idle sessions otherwise. What the
// environment sets, by GOGC or GOMAXPROCS, is kept.
//
// Idle sessions leave little garbage: a quarter of the heap is enough, and keeps the memory low. Transfers leave much, and a small
// heap would be collected many times a second.
type tuner struct {
	budget     *budget.Budget
	changed    chan struct{} // budget.InUse may have changed
	collected  chan struct{} // the garbage collector has run
	processors *processorLimit

	// Since the last call of setGarbage:
	garbage int64 // bytes that may accumulate
	since   time.Time
}

// Limits of the garbage that may accumulate.
const (
	idlePercent = 25 // of the heap

	// While transfers run, a heap of transferHeap bytes is allowed, of which at most maxGarbage are garbage, and always minGarbage.
	// Small files leave much garbage for their bytes, but they need little else.
	transferHeap = 24 << 20
	minGarbage   = 4 << 20
	maxGarbage   = 16 << 20

	// An upload by SFTP leaves a byte of garbage for each of its own: package ssh allocates each packet. From fastGarbage bytes a
	// second on, maxGarbage bytes are allowed for a large heap too, but at most a quarter of the memory that is left.
	fastGarbage = 64 << 20
)

// newTuner returns a tuner that follows the use of the budget, which must not be in use yet.
func newTuner(b *budget.Budget) *tuner {
	t := &tuner{budget: b, changed: make(chan struct{}, 1), collected: make(chan struct{}, 1), processors: newProcessorLimit()}
	b.OnUse = func() { signalOnce(t.changed) }
	if os.Getenv("GOGC") != "" {
		t.collected = nil
	}
	t.setGarbage(false)
	return t
}

// signalOnce sends to c, unless a signal is there already.
func signalOnce(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run tunes until ctx ends.
func (t *tuner) run(ctx context.Context) {
	ticker := time.NewTicker(processorInterval)
	ticker.Stop()
	defer ticker.Stop()
	inUse := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-t.changed:
			inUse = t.budget.InUse()
			t.setGarbage(inUse)
			t.processors.start()
			if ticker.Stop(); inUse {
				ticker.Reset(processorInterval)
			}
		case <-t.collected:
			t.setGarbage(inUse)
		case <-ticker.C:
			t.processors.adjust()
		}
	}
}

// setGarbage sets how much garbage may accumulate. While transfers run, it is called after each collection, as the heap grows and
// shrinks. Otherwise it gives unused memory back to the operating system.
func (t *tuner) setGarbage(inUse bool) {
	switch {
	case t.collected == nil:
	case inUse:
		parts := []metrics.Sample{{Name: "/gc/heap/live:bytes"}, {Name: "/gc/scan/globals:bytes"}, {Name: "/gc/scan/stack:bytes"}}
		metrics.Read(parts)
		heap := int64(parts[0].Value.Uint64() + parts[1].Value.Uint64() + parts[2].Value.Uint64())
		now := time.Now()
		rate := float64(t.garbage) / max(now.Sub(t.since).Seconds(), 1e-6)
		t.garbage, t.since = transferGarbage(heap, t.budget.Stats().Size+overhead, rate), now
		debug.SetGCPercent(garbagePercent(t.garbage, heap))
		runtime.AddCleanup(new(*tuner), signalOnce, t.collected)
	default:
		t.garbage = 0
		debug.SetGCPercent(idlePercent)
		debug.FreeOSMemory()
	}
}

// transferGarbage returns how many bytes of garbage may accumulate while transfers run, in a heap with that many bytes in use: live
// ones, stacks and global variables. rate is that of the garbage so far, in bytes a second; memory is the most that the process may
// take.
func transferGarbage(heap, memory int64, rate float64) int64 {
	garbage := max(transferHeap-heap, minGarbage)
	if rate >= fastGarbage {
		garbage = max(garbage, (memory-heap)/4)
	}
	return min(garbage, maxGarbage)
}

// garbagePercent returns garbage in percent of the heap in use: at least 5, and at most 400, which is 16 MiB for a small heap too.
func garbagePercent(garbage, heap int64) int {
	return int(min(max(garbage*100/max(heap, 1), 5), 400))
}

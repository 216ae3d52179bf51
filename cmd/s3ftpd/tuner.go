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
}

// Limits of the garbage that may accumulate.
const (
	idlePercent = 25 // of the heap

	// While transfers run, a heap of transferHeap bytes is allowed, of which at most maxGarbage are garbage, and always minGarbage.
	// Only small files leave much garbage for their bytes, and they need little else.
	transferHeap = 24 << 20
	minGarbage   = 4 << 20
	maxGarbage   = 16 << 20
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
		debug.SetGCPercent(transferPercent(parts[0].Value.Uint64() + parts[1].Value.Uint64() + parts[2].Value.Uint64()))
		runtime.AddCleanup(new(*tuner), signalOnce, t.collected)
	default:
		debug.SetGCPercent(idlePercent)
		debug.FreeOSMemory()
	}
}

// transferPercent returns the garbage that may accumulate while transfers run, in percent of what is in use: the live bytes of the
// heap, stacks and global variables: at least 5, and at most 400, which is 16 MiB for a small heap too.
func transferPercent(inUse uint64) int {
	garbage := min(max(transferHeap-int64(inUse), minGarbage), maxGarbage)
	return int(min(max(garbage*100/max(int64(inUse), 1), 5), 400))
}

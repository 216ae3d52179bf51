package main

import "testing"

func TestProcessorLimit(t *testing.T) {
	p := processorLimit{all: 4, now: 4}
	for i, step := range []struct {
		used, waits float64 // CPU seconds a second, and waits for each
		intervals   int
		want        int
	}{
		{3.5, 9e3, 1, 4},
		{0.5, 9e3, 100, 4},            // a large file
		{0.5, 3e4, fewerAfter - 1, 4}, // a pause may be short
		{0.5, 3e4, 1, 1},
		{0.8, 12e3, 100, 1},
		{0.9, 12e3, 1, 4}, // as many as a burst of clients may need, at once
		{1.2, 3e4, fewerAfter, 2},
		{1.6, 3e4, 100, 2},
		{1.2, 12e3, 100, 2},
		{1.2, 9e3, 1, 4}, // a large file has begun
		{0, 3e4, fewerAfter - 1, 4},
		{3, 3e4, 1, 4}, // the count begins again
		{0, 3e4, fewerAfter - 1, 4},
		{0, 3e4, 1, 1},
		{0, 3e4, 100, 1},
	} {
		for range step.intervals {
			p.next(step.used, step.waits)
		}
		if p.now != step.want {
			t.Errorf("step %d: %d processors, want %d", i, p.now, step.want)
		}
	}
}

func TestTransferGarbage(t *testing.T) {
	for _, c := range []struct {
		heap, memory int64 // MiB
		rate         float64
		garbage      int64 // MiB
		percent      int
	}{
		{0, 288, 0, 16, 400},
		{1, 288, 0, 16, 400},
		{8, 288, 0, 16, 200},
		{16, 288, 0, 8, 50},
		{20, 288, 0, 4, 20},
		{64, 288, 0, 4, 6},
		{1024, 288, 0, 4, 5},
		// Garbage that comes fast may take more of the memory that is left.
		{40, 288, fastGarbage - 1, 4, 10},
		{40, 288, fastGarbage, 16, 40},
		{64, 96, fastGarbage, 8, 12},
		{90, 96, fastGarbage, 4, 5},
		{1024, 96, fastGarbage, 4, 5},
	} {
		garbage := transferGarbage(c.heap<<20, c.memory<<20, c.rate)
		if percent := garbagePercent(garbage, c.heap<<20); garbage != c.garbage<<20 || percent != c.percent {
			t.Errorf("%+v: %d bytes, %d %%", c, garbage, percent)
		}
	}
}

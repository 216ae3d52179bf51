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

func TestTransferPercent(t *testing.T) {
	for scanned, want := range map[uint64]int{0: 400, 1: 400, 4: 400, 8: 200, 16: 50, 20: 20, 64: 6, 1024: 5} {
		if got := transferPercent(scanned << 20); got != want {
			t.Errorf("%d MiB: got %d %%, want %d", scanned, got, want)
		}
	}
}

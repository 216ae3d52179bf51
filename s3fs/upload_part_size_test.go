package s3fs

import (
	"testing"

	"github.com/s3ftpd/s3ftpd/proxy/budget"
)

func TestPlan(t *testing.T) {
	const (
		mib = 1 << 20
		gib = 1 << 30
	)
	for _, test := range []struct {
		name     string
		memory   int64
		o        Options
		size     int64 // announced
		first    int64
		last     int64
		capacity int64 // at least
	}{
		{name: "default", memory: 256 * mib, first: 8 * mib, last: 64 * mib, capacity: 475 * gib},
		{name: "much memory", memory: 4 * gib, first: 8 * mib, last: gib, capacity: 1900 * gib},
		{name: "little memory", memory: 8 * mib, first: 5 * mib, last: 5 * mib, capacity: 48 * gib},
		{name: "announced short", memory: 256 * mib, size: gib, first: 8 * mib, last: 8 * mib, capacity: 475 * gib},
		{name: "announced long", memory: 256 * mib, size: 400 * gib, first: 42 * mib, last: 41 * mib, capacity: 475 * gib},
		{name: "uniform", memory: 256 * mib, o: Options{UniformParts: true}, first: 8 * mib, last: 8 * mib, capacity: 77 * gib},
		{name: "uniform, announced", memory: 256 * mib, o: Options{UniformParts: true}, size: 400 * gib, first: 42 * mib, last: 42 * mib, capacity: 400 * gib},
		{name: "few parts", memory: 256 * mib, o: Options{MaxParts: 1000}, first: 8 * mib, last: 64 * mib, capacity: 43 * gib},
		{name: "small parts asked for", memory: 256 * mib, o: Options{PartSize: 1}, first: 5 * mib, last: 64 * mib, capacity: 400 * gib},
		{name: "large parts asked for", memory: 256 * mib, o: Options{PartSize: gib}, first: 64 * mib, last: 64 * mib, capacity: 600 * gib},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.o.Budget = budget.New(test.memory)
			p := NewFS(&Client{}, test.o).planParts(test.size)
			var sent, first, last int64
			for i := 0; i < p.maxParts && (test.size == 0 || sent < test.size); i++ {
				size := p.sizeOf(i, sent)
				if size < minPart || p.minToSend(size) < minPart || p.minToSend(size) > size || size+budget.BufferSize > test.memory {
					t.Fatalf("part %d: %d bytes, sent with %d", i, size, p.minToSend(size))
				}
				if i == 0 {
					first = size
				}
				last = size
				sent += size
			}
			if first != test.first || last != test.last {
				t.Errorf("parts from %d to %d bytes, want %d to %d", first, last, test.first, test.last)
			}
			if p.capacity() < test.capacity || test.size == 0 && sent != p.capacity() {
				t.Errorf("capacity %d, want %d and more; %d in all parts", p.capacity(), test.capacity, sent)
			}
		})
	}
}

// If parts were sent early for lack of memory, later parts are larger.
func TestPlanCompensatesShortParts(t *testing.T) {
	p := NewFS(&Client{}, Options{}).planParts(200 << 30)
	sent := int64(0)
	for i := range p.maxParts {
		size := p.sizeOf(i, sent)
		if i < p.maxParts/4 {
			size = p.minToSend(size)
		}
		sent += size
	}
	if sent < 200<<30 {
		t.Errorf("%d bytes in all parts, %d were announced", sent, p.total)
	}
}

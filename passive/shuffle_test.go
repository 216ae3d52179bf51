package passive

import (
	"net/netip"
	"slices"
	"syscall"
	"testing"
)

func TestShuffledYieldsEachNumberOnce(t *testing.T) {
	for _, n := range []int{0, 1, 2, 7, 1000, 65536} {
		got := slices.Sorted(shuffled(n))
		for want, v := range got {
			if v != want {
				t.Fatalf("shuffled(%d), sorted, has %d in place of %d", n, v, want)
			}
		}
		if len(got) != n {
			t.Errorf("shuffled(%d) yields %d numbers", n, len(got))
		}
	}
}

// chiSquare returns the chi-square statistic of counts against a uniform distribution.
func chiSquare(counts []int) (chi float64) {
	n := 0
	for _, count := range counts {
		n += count
	}
	expected := float64(n) / float64(len(counts))
	for _, count := range counts {
		d := float64(count) - expected
		chi += d * d / expected
	}
	return chi
}

// Neither the port that is picked next nor its distance from the last one may be predictable.
func TestNoPortIsPreferred(t *testing.T) {
	const first, size, picks = 60000, 100, 10000
	for _, tt := range []struct {
		name string
		busy int // ports at the start of the range that are in use
		most float64
	}{
		// The bounds are those of chi-square at 99 and 49 degrees of freedom and a chance of one in 10^9.
		{"empty range", 0, 209},
		{"range that starts with busy ports", 50, 134},
	} {
		m := newMemoryNet()
		for port := first; port < first+tt.busy; port++ {
			m.occupy(netip.AddrPortFrom(server, uint16(port)), syscall.EADDRINUSE)
		}
		p := &Ports{First: first, Last: first + size - 1, ListenFunc: m.listen}
		free := size - tt.busy
		ports, steps := make([]int, free), make([]int, free)
		for i, last := 0, 0; i < picks; i++ {
			l := holdPort(t, p, server)
			l.Close()
			port := int(l.Port()) - first - tt.busy
			ports[port]++
			steps[(port-last+free)%free]++
			last = port
		}
		for values, counts := range map[string][]int{"ports": ports, "steps": steps} {
			if chi := chiSquare(counts); chi > tt.most || chi < 5 {
				t.Errorf("%s: chi-square of the %s of %d picks is %.0f; want from 5 (too even for chance) to %.0f",
					tt.name, values, picks, chi, tt.most)
			}
		}
	}
}

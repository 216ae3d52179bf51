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

func TestNoPortIsPreferred(t *testing.T) {
	const first, size, picks = 60000, 100, 10000
	for _, tt := range []struct {
		name string
		busy uint16 // ports at the begin of the range that others have
		most float64
	}{
		// The bounds are those of chi-square at 99 and 49 degrees of freedom and a chance of one in 10^9.
		{"empty range", 0, 209},
		{"behind a row of busy ports", 50, 134},
	} {
		m := newMemory()
		for port := uint16(first); port < first+tt.busy; port++ {
			m.occupy(netip.AddrPortFrom(server, port), syscall.EADDRINUSE)
		}
		p := &Ports{First: first, Last: first + size - 1, ListenFunc: m.listen}
		for range picks {
			hold(t, p, server).Close()
		}
		expected := picks / float64(size-tt.busy)
		chi := 0.0
		for port := first + tt.busy; port < first+size; port++ {
			d := float64(m.picks[port]) - expected
			chi += d * d / expected
		}
		if chi > tt.most || chi < 5 {
			t.Errorf("%s: chi-square of %d picks is %.0f; want from 5 (too even for chance) to %.0f", tt.name, picks, chi, tt.most)
		}
	}
}

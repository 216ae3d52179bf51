package reassembly

import (
	"io"
	"math"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// A handle can read the bytes of the file that it has not written, also between those that the store has taken.
func TestUnchanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, storeWith(strings.Repeat("0123456789", 10)))
		check := func(offset, n, want int64, fails error) {
			t.Helper()
			if got, err := h.Unchanged(offset, n); got != want || err != fails {
				t.Errorf("%d bytes at %d: %d, %v; want %d, %v", n, offset, got, err, want, fails)
			}
		}
		check(0, 1000, 100, nil)
		check(100, 1, 0, io.EOF)
		check(-1, 1, 0, io.EOF)
		check(99, math.MaxInt64, 1, nil)
		for _, step := range []string{"10:aaaaaaaaaa", "30:bbbbbbbbbb", "50:cccccccccc"} { // the last one streams
			if err := h.run(step); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			check(10, 1, 0, ErrRead)
			check(0, 10, 10, nil)
			check(5, 6, 0, ErrRead)
			check(60, 100, 40, nil)
		}
		if !h.put.started || len(h.sent) == 0 {
			t.Error("nothing was sent")
		}
		check(20, 10, 10, nil)
		check(19, 2, 0, ErrRead)
		check(29, 2, 0, ErrRead)
		if err := h.run("110:d size=115"); err != nil {
			t.Fatal(err)
		}
		check(60, 40, 40, nil)
		check(60, 41, 0, ErrRead)
		check(105, 1, 0, ErrRead)
		check(111, 1, 0, io.EOF)
		h.Break(errBroken)
	})
}

// So many ranges of sent bytes are remembered that memory is bounded: beyond them, what lies between counts as sent.
func TestSentIsBounded(t *testing.T) {
	u := New(Config{Base: proxy.Entry{Size: 10 * maxSent}})
	for range maxSent + 5 {
		u.advance(1)
		u.advanceSent(1)
	}
	end := int64(2 * (maxSent + 5))
	if len(u.sent) != maxSent || u.sent[maxSent-1] != (span{2*maxSent - 1, end}) || u.position != end {
		t.Errorf("%d ranges, the last is %v, at %d", len(u.sent), u.sent[len(u.sent)-1], u.position)
	}
	if n, err := u.Unchanged(2, 1); n != 1 || err != nil {
		t.Errorf("a byte between two ranges: %d, %v", n, err)
	}
	if _, err := u.Unchanged(2*maxSent+2, 1); err != ErrRead {
		t.Errorf("a byte between ranges that are not remembered: %v", err)
	}
}

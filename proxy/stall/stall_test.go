package stall

import (
	"errors"
	"fmt"
	"io"
	"os"
	"testing"
)

// accepts is a writer that accepts so many bytes in each attempt, with so many errors.
type accepts struct {
	sizes []int
	errs  []error
	got   []byte
}

func (a *accepts) Write(p []byte) (int, error) {
	n, err := min(a.sizes[0], len(p)), a.errs[0]
	a.sizes, a.errs = a.sizes[1:], a.errs[1:]
	a.got = append(a.got, p[:n]...)
	return n, err
}

func TestWrite(t *testing.T) {
	late := fmt.Errorf("write tcp: %w", os.ErrDeadlineExceeded)
	for name, test := range map[string]struct {
		sizes []int
		errs  []error
		want  string
		err   error
	}{
		"at once":                 {[]int{6}, []error{nil}, "abcdef", nil},
		"slowly":                  {[]int{1, 2, 3}, []error{late, late, nil}, "abcdef", nil},
		"late, and complete":      {[]int{6}, []error{late}, "abcdef", nil},
		"stalled":                 {[]int{2, 0}, []error{late, late}, "ab", os.ErrDeadlineExceeded},
		"stalled at once":         {[]int{0}, []error{late}, "", os.ErrDeadlineExceeded},
		"reset after some bytes":  {[]int{2}, []error{io.ErrClosedPipe}, "ab", io.ErrClosedPipe},
		"reset after a slow part": {[]int{2, 1}, []error{late, io.ErrClosedPipe}, "abc", io.ErrClosedPipe},
	} {
		t.Run(name, func(t *testing.T) {
			w := &accepts{sizes: test.sizes, errs: test.errs}
			renewed, attempts := 0, len(test.sizes)
			n, err := Write(w, []byte("abcdef"), func() error { renewed++; return nil })
			if n != len(test.want) || string(w.got) != test.want || !errors.Is(err, test.err) {
				t.Errorf("got %d, %q, %v", n, w.got, err)
			}
			if renewed != attempts {
				t.Errorf("%d deadlines for %d attempts", renewed, attempts)
			}
		})
	}
}

// The error of renew ends a Write between two attempts.
func TestRenewEnds(t *testing.T) {
	over := errors.New("the transfer is over")
	w := &accepts{sizes: []int{2, 4}, errs: []error{nil, nil}}
	n, err := Write(w, []byte("abcdef"), func() error {
		if len(w.got) > 0 {
			return over
		}
		return nil
	})
	if n != 2 || err != over {
		t.Errorf("got %d, %v", n, err)
	}
}

// Nothing is allocated, since each packet of a transfer goes through here.
func TestWriteAllocatesNothing(t *testing.T) {
	p := make([]byte, 100)
	count := 0
	if n := testing.AllocsPerRun(100, func() { Write(io.Discard, p, func() error { count++; return nil }) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

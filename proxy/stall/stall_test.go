package stall

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
)

// A partialWriter accepts sizes[i] bytes in attempt i, and returns errs[i].
type partialWriter struct {
	sizes []int
	errs  []error
	got   []byte
}

func (w *partialWriter) Write(p []byte) (int, error) {
	n, err := min(w.sizes[0], len(p)), w.errs[0]
	w.sizes, w.errs = w.sizes[1:], w.errs[1:]
	w.got = append(w.got, p[:n]...)
	return n, err
}

func TestWrite(t *testing.T) {
	expired := fmt.Errorf("write tcp: %w", os.ErrDeadlineExceeded)
	for name, test := range map[string]struct {
		sizes []int
		errs  []error
		want  string
		err   error
	}{
		"at once":                 {[]int{6}, []error{nil}, "abcdef", nil},
		"slowly":                  {[]int{1, 2, 3}, []error{expired, expired, nil}, "abcdef", nil},
		"expired, and complete":   {[]int{6}, []error{expired}, "abcdef", nil},
		"stalled":                 {[]int{2, 0}, []error{expired, expired}, "ab", os.ErrDeadlineExceeded},
		"stalled at once":         {[]int{0}, []error{expired}, "", os.ErrDeadlineExceeded},
		"reset after some bytes":  {[]int{2}, []error{io.ErrClosedPipe}, "ab", io.ErrClosedPipe},
		"reset after a slow part": {[]int{2, 1}, []error{expired, io.ErrClosedPipe}, "abc", io.ErrClosedPipe},
	} {
		t.Run(name, func(t *testing.T) {
			w := &partialWriter{sizes: test.sizes, errs: test.errs}
			renewed, attempts := 0, len(test.sizes)
			n, err := Write(w, []byte("abcdef"), func() error { renewed++; return nil })
			if n != len(test.want) || string(w.got) != test.want || !errors.Is(err, test.err) {
				t.Errorf("Write = %d, %v and wrote %q; want %d, %v and %q", n, err, w.got, len(test.want), test.err, test.want)
			}
			if renewed != attempts {
				t.Errorf("renew was called %d times for %d attempts", renewed, attempts)
			}
		})
	}
}

func TestWriteBuffers(t *testing.T) {
	expired := fmt.Errorf("write tcp: %w", os.ErrDeadlineExceeded)
	for name, test := range map[string]struct {
		sizes []int
		errs  []error
		want  string
		left  int
		err   error
	}{
		"at once": {[]int{3, 3}, []error{nil, nil}, "abcdef", 0, nil},
		"slowly":  {[]int{1, 2, 2, 1}, []error{expired, nil, expired, nil}, "abcdef", 0, nil},
		"stalled": {[]int{3, 1, 0}, []error{nil, expired, expired}, "abcd", 1, os.ErrDeadlineExceeded},
		"reset":   {[]int{3, 1}, []error{nil, io.ErrClosedPipe}, "abcd", 1, io.ErrClosedPipe},
	} {
		t.Run(name, func(t *testing.T) {
			w := &partialWriter{sizes: test.sizes, errs: test.errs}
			v := net.Buffers{[]byte("abc"), []byte("def")}
			err := WriteBuffers(w, &v, func() error { return nil })
			if string(w.got) != test.want || len(v) != test.left || !errors.Is(err, test.err) {
				t.Errorf("%v and wrote %q with %d pieces left; want %v, %q and %d", err, w.got, len(v), test.err, test.want, test.left)
			}
		})
	}
	v, ended := net.Buffers{[]byte("abc")}, errors.New("the transfer is over")
	if err := WriteBuffers(&partialWriter{}, &v, func() error { return ended }); err != ended {
		t.Errorf("%v, want the error of renew", err)
	}
}

func TestErrorOfRenewEndsWrite(t *testing.T) {
	errEnded := errors.New("the transfer is over")
	w := &partialWriter{sizes: []int{2, 4}, errs: []error{nil, nil}}
	n, err := Write(w, []byte("abcdef"), func() error {
		if len(w.got) > 0 {
			return errEnded
		}
		return nil
	})
	if n != 2 || err != errEnded {
		t.Errorf("Write = %d, %v; want 2, %v", n, err, errEnded)
	}
}

// Write must not allocate, because it is called for each block of a transfer.
func TestWriteAllocatesNothing(t *testing.T) {
	p := make([]byte, 100)
	count := 0
	if n := testing.AllocsPerRun(100, func() { Write(io.Discard, p, func() error { count++; return nil }) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

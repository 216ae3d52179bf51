package reassembly

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// bubble runs a test in a bubble, with a new file that is kept to 16 bytes before it streams.
func bubble(t *testing.T, test func(h *handle), set ...func(*Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) { test(open(t, storeWith("-"), set...)) })
}

// stopped returns an option that makes Put wait before it reads, until the function is called.
func stopped() (option func(*Config), resume func()) {
	var gate chan struct{}
	option = func(c *Config) {
		gate = make(chan struct{}) // in the bubble
		put := c.Put
		c.Put = func(src proxy.Source, w proxy.Write) (proxy.Stored, error) {
			<-gate
			return put(src, w)
		}
	}
	return option, func() { close(gate) }
}

// background runs a method, and returns a function that reports whether it has returned, and its error.
func (h *handle) background(f func() error) (result func() (bool, error)) {
	done := make(chan error, 1)
	go func() { done <- f() }()
	return func() (bool, error) {
		synctest.Wait()
		select {
		case err := <-done:
			done <- err
			return true, err
		default:
			return false, nil
		}
	}
}

func (h *handle) must(err error) {
	h.Helper()
	if err != nil {
		h.Fatal(err)
	}
}

func (h *handle) wants(err, want error) {
	h.Helper()
	if !errors.Is(err, want) {
		h.Errorf("error %v, want %v", err, want)
	}
}

const text = "0123456789abcdefghijklmnopqrstuvwxyz" // more than is kept

func TestBytesGoStraightToTheStore(t *testing.T) {
	bubble(t, func(h *handle) {
		buffer := make([]byte, 100)
		got := make(chan string)
		h.config.Put = func(src proxy.Source, _ proxy.Write) (proxy.Stored, error) {
			run, err := src.Next(h.Context())
			for err == nil {
				var n int
				n, err = run.New.Read(buffer)
				got <- string(buffer[:n])
			}
			return proxy.Stored{}, err
		}
		go h.writeText(0, text)
		for all := ""; all != text; all += <-got {
		}
		synctest.Wait() // the store waits in Read
		inBuffer := func(p []byte) (int, error) {
			if offset := uintptr(unsafe.Pointer(&p[0])) - uintptr(unsafe.Pointer(&buffer[0])); offset >= 100 {
				h.Error("bytes were copied before they came to the store")
			}
			return copy(p, "direct"), nil
		}
		before := h.memory.count()
		h.must(h.writeFrom(int64(len(text)), 6, readerFunc(inBuffer), true))
		if got := <-got; got != "direct" || h.memory.count() != before {
			h.Errorf("the store has read %q, want %q; %d buffers are lent", got, "direct", h.memory.count())
		}
		go func() { <-got }()
		h.Break(errBroken)
	})
}

type writerFunc func([]byte)

func (f writerFunc) Write(p []byte) (int, error) { f(p); return len(p), nil }

type readerFunc func([]byte) (int, error)

func (f readerFunc) Read(p []byte) (int, error) { return f(p) }

func TestOvertakingWrites(t *testing.T) {
	for name, ops := range map[string]string{
		"two":                   "0:" + text + " 39:DEF 36:ABC close",
		"many":                  "0:" + text + " 41:F 40:E 38:C 37:B 39:D 36:A close",
		"overlapping":           "0:" + text + " 38:xxEF 38:CDx 40:E 36:AB close",
		"missing ones are zero": "0:" + text + " 39:DEF close",
	} {
		want := text + "ABCDEF"
		if strings.Contains(name, "zero") {
			want = text + "\x00\x00\x00DEF"
		}
		t.Run(name, scenario{file: "-", operations: ops, want: want}.run)
	}
	t.Run("nothing behind a gap is sent", func(t *testing.T) {
		bubble(t, func(h *handle) {
			h.must(h.run("0:" + text + " 39:DEF"))
			synctest.Wait()
			h.Break(errBroken)
			h.check("-", text[:35])
		})
	})
}

// TestFullWindow checks that a write that would overtake too many others makes the first gap final, instead of waiting for ever.
func TestFullWindow(t *testing.T) {
	old := strings.Repeat("old-", 5*pageSize/4)
	patched := []byte(old)
	ops := "0:" + text
	copy(patched, text)
	for i := 1; i < 5; i++ {
		ops += fmt.Sprintf(" %d:new", i*pageSize)
		copy(patched[i*pageSize:], "new")
	}
	runAll(t, map[string]scenario{
		"one pass over a file":       {file: old, operations: ops + " close", want: string(patched)},
		"then back":                  {file: old, operations: ops + fmt.Sprintf(" %d:new", pageSize/2), fails: errors.ErrUnsupported, want: old},
		"the gap of a new file":      {file: "-", operations: ops + fmt.Sprintf(" size=%d close", 4*pageSize+3), want: string(zeroed(patched[:4*pageSize+3]))},
		"back into the last of gaps": {file: old, operations: ops + fmt.Sprintf(" %d:old close", 4*pageSize-4), want: string(patched[:4*pageSize-4]) + "old" + string(patched[4*pageSize-1:])},
	})
}

// zeroed replaces the bytes "old-" by zeros.
func zeroed(content []byte) []byte {
	content = bytes.Clone(content)
	for i, b := range content {
		if i >= len(text) && strings.IndexByte("old-", b) >= 0 {
			content[i] = 0
		}
	}
	return content
}

func TestWriteWaitsForTheStore(t *testing.T) {
	stop, resume := stopped()
	bubble(t, func(h *handle) {
		done := h.background(func() error { return h.run("0:" + text + " 36:more") })
		if done, err := done(); done {
			h.Fatalf("Write does not wait: %v", err)
		}
		<-time.After(time.Hour)
		if done, err := done(); done || h.memory.most > 1 {
			h.Fatalf("Write did not wait, %v; or %d buffers were lent", err, h.memory.most)
		}
		resume()
		if done, err := done(); !done || err != nil {
			h.Fatalf("Write still waits: %v", err)
		}
		h.must(h.run("close"))
		h.check(text+"more", "")
	}, stop)
}

func TestWaitingWriteEnds(t *testing.T) {
	for name, end := range map[string]func(h *handle, cancel context.CancelCauseFunc){
		"its context": func(_ *handle, cancel context.CancelCauseFunc) { cancel(errBroken) },
		"the upload":  func(h *handle, _ context.CancelCauseFunc) { go h.Break(errBroken) },
	} {
		t.Run(name, func(t *testing.T) {
			stop, resume := stopped()
			bubble(t, func(h *handle) {
				ctx, cancel := context.WithCancelCause(h.Context())
				r := strings.NewReader(text)
				done := h.background(func() error { return h.Write(ctx, 0, len(text), r, func() bool { return true }) })
				done()
				start := time.Now()
				end(h, cancel)
				if done, _ := done(); !done || time.Since(start) > 0 {
					h.Errorf("Write has returned: %v, after %v", done, time.Since(start))
				}
				resume()
				if done, err := done(); !done || !errors.Is(err, errBroken) || r.Len() > 0 {
					h.Errorf("Write has returned: %v, error %v, %d bytes were not read", done, err, r.Len())
				}
				_, _, err := h.Close(h.Context())
				h.wants(err, errBroken)
				h.check("-", "")
			}, stop)
		})
	}
}

func TestProgress(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := open(t, storeWith("0123456789"))
		for _, step := range []struct {
			operation     string
			size, written int64
			unsent        bool
		}{
			{"size=8", 8, 0, false},
			{"2:abc", 8, 3, false},
			{"7:defghijklmnopqrstuvwxyz", 30, 26, true},
			{"40:x", 41, 27, true},
			{"close", 41, 27, false},
		} {
			h.must(h.run(step.operation))
			synctest.Wait()
			if h.Size() != step.size || h.Written() != step.written || h.Unsent() != step.unsent {
				h.Errorf("after %s: size %d, %d written, unsent %v; want %+v", step.operation, h.Size(), h.Written(), h.Unsent(), step)
			}
		}
	})
}

func TestLimitsOfGaps(t *testing.T) {
	runAll(t, map[string]scenario{
		"more":            {file: "-", operations: fmt.Sprintf("0:a %d:b close", 2+MaxZeros), fails: errors.ErrUnsupported, want: "-"},
		"more in all":     {file: "-", set: keep(1 << 20), operations: fmt.Sprintf("0:a %d:b %d:c close", MaxZeros/2, MaxZeros+4), fails: errors.ErrUnsupported, want: "-"},
		"near the end":    {file: "-", operations: "0:a 9223372036854775806:b close", fails: errors.ErrUnsupported, want: "-"},
		"in the old file": {file: strings.Repeat("0", MaxZeros+9), operations: fmt.Sprintf("0:a %d:b close", MaxZeros+7), want: "a" + strings.Repeat("0", MaxZeros+6) + "b0"},
	})
	t.Run("not more", func(t *testing.T) {
		bubble(t, func(h *handle) {
			sent, zeros := int64(0), int64(0)
			h.config.Put = func(src proxy.Source, _ proxy.Write) (proxy.Stored, error) {
				run, _ := src.Next(h.Context())
				sent, _ = io.Copy(writerFunc(func(p []byte) { zeros += int64(bytes.Count(p, []byte{0})) }), run.New)
				return proxy.Stored{}, src.Commit()
			}
			h.must(h.run(fmt.Sprintf("0:a %d:b close", 1+MaxZeros)))
			if zeros != MaxZeros || sent != MaxZeros+2 {
				h.Errorf("%d bytes were sent, %d of them zero; want %d", sent, zeros, MaxZeros)
			}
		})
	})
	t.Run("many ranges", func(t *testing.T) {
		bubble(t, func(h *handle) {
			for i := range int64(maxSpans) {
				h.must(h.writeText(2*i, "x"))
			}
			h.wants(h.writeText(2*maxSpans, "x"), errors.ErrUnsupported)
			h.Break(errBroken)
		}, keep(1<<20))
	})
}

// TestManyGoroutines calls the methods that other requests call while a handle writes.
func TestManyGoroutines(t *testing.T) {
	bubble(t, func(h *handle) {
		stop := make(chan struct{})
		for range 2 {
			go func() {
				for {
					select {
					case <-stop:
						return
					case <-time.After(1):
					}
					h.SetTime(time.Now())
					h.SetSize(1 << 40)
					h.Size()
					h.Unsent()
					h.Written()
				}
			}()
		}
		want := ""
		for i := range 1000 {
			piece := strings.Repeat(fmt.Sprint(i), 1+i%300)
			h.must(h.writeText(int64(len(want)), piece))
			want += piece
		}
		close(stop)
		synctest.Wait()
		h.must(h.SetSize(h.Size()))
		h.must(h.run("close"))
		h.check(want, "")
	})
}

// BenchmarkInOrder measures a long upload by requests of 32 KiB, to a store that discards it.
func BenchmarkInOrder(b *testing.B) {
	h := &lender{free: 1 << 20}
	u := New(Config{Keep: 8 << 20, Window: 4 << 20, Memory: h, Put: func(src proxy.Source, _ proxy.Write) (proxy.Stored, error) {
		run, err := src.Next(b.Context())
		for buffer := make([]byte, 512<<10); err == nil; {
			_, err = run.New.Read(buffer)
		}
		return proxy.Stored{}, src.Commit()
	}})
	data := make([]byte, 32<<10)
	r := bytes.NewReader(data)
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	offset := int64(0)
	for b.Loop() {
		r.Reset(data)
		if err := u.Write(b.Context(), offset, len(data), r, func() bool { return true }); err != nil {
			b.Fatal(err)
		}
		offset += int64(len(data))
	}
	if _, _, err := u.Close(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// Changes in many places, far from each other, go on as fast as the store takes them. Each used to wait for a timer.
func TestManyPatches(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n, each = 100, pageSize + 10
		content := bytes.Repeat([]byte("0123456789"), n*each/10)
		h, begin := open(t, storeWith(string(content))), time.Now()
		for i := range n {
			if err := h.writeText(int64(i*each), "patch"); err != nil {
				t.Fatal(err)
			}
			copy(content[i*each:], "patch")
		}
		if err := h.run("close"); err != nil {
			t.Error(err)
		}
		if took := time.Since(begin); took > 0 {
			t.Errorf("it took %v", took)
		}
		h.check(string(content), "")
	})
}

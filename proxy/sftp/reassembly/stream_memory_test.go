package reassembly

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// TestOtherUploadWaits checks the writes of an upload that may not wait for memory, because another one of the connection may hold it.
func TestOtherUploadWaits(t *testing.T) {
	page := strings.Repeat("x", pageSize)
	write := func(h *handle, i int) error {
		return h.writeFrom(int64(i*pageSize), pageSize, strings.NewReader(page), false)
	}
	stop, resume := stopped()
	t.Run("there is memory", func(t *testing.T) {
		bubble(t, func(h *handle) {
			h.must(write(h, 0)) // in the window, because the store does not read yet
			h.must(write(h, 1))
			done := h.background(func() error { return write(h, 2) })
			<-time.After(time.Hour)
			if done, err := done(); done {
				h.Fatalf("the window is full, and Write has returned %v", err)
			}
			resume()
			if done, err := done(); !done || err != nil {
				h.Fatalf("the store reads: Write has returned: %v, error %v", done, err)
			}
			h.must(h.run("close"))
			h.check(page+page+page, "")
		}, stop)
	})
	t.Run("an overtaking write", func(t *testing.T) {
		bubble(t, func(h *handle) {
			h.must(write(h, 0))
			h.must(write(h, 1))
			done := h.background(func() error { return write(h, 3) })
			if done, err := done(); done {
				h.Fatalf("the window is full, and Write has returned %v", err)
			}
			resume()
			if done, err := done(); !done || err != nil {
				h.Fatalf("the store reads: Write has returned: %v, error %v", done, err)
			}
			h.must(write(h, 2))
			h.must(h.run("close"))
			h.check(strings.Repeat(page, 4), "")
		}, stop)
	})
	t.Run("the window is full of others", func(t *testing.T) {
		bubble(t, func(h *handle) {
			pause := make(chan struct{})
			var got []byte
			h.config.Put = func(src proxy.Source, _ proxy.Write) (proxy.Stored, error) {
				run, _ := src.Next(h.Context())
				io.ReadFull(run.New, make([]byte, len(text)))
				<-pause
				got, _ = io.ReadAll(run.New)
				return proxy.Stored{}, src.Commit()
			}
			h.must(h.writeText(0, text))
			h.must(h.writeText(2*pageSize, "x"))
			h.must(h.writeText(3*pageSize, "x"))
			done := h.background(func() error { return h.writeFrom(int64(len(text)), 3, strings.NewReader("ABC"), false) })
			if done, err := done(); done {
				h.Fatalf("Write has returned %v", err)
			}
			close(pause)
			if done, err := done(); !done || err != nil {
				h.Fatalf("Write has returned: %v, error %v", done, err)
			}
			h.must(h.run("close"))
			if !bytes.HasPrefix(got, []byte("ABC\x00")) {
				h.Errorf("the store has read %.10q", got)
			}
		})
	})
	t.Run("there is none", func(t *testing.T) {
		bubble(t, func(h *handle) {
			h.memory.free = 1
			h.must(write(h, 0))
			start := time.Now()
			h.wants(write(h, 1), syscall.ENOBUFS)
			if waited := time.Since(start); waited != patience {
				h.Errorf("Write has waited for %v, want %v", waited, patience)
			}
			resume()
			_, _, err := h.Close(h.Context())
			h.wants(err, syscall.ENOBUFS)
			h.check("-", page[1:])
		}, stop)
	})
	t.Run("the store is slow", func(t *testing.T) {
		bubble(t, func(h *handle) {
			h.memory.free = 0
			h.config.Put = func(src proxy.Source, _ proxy.Write) (proxy.Stored, error) {
				run, err := src.Next(h.Context())
				for buffer := make([]byte, pageSize/4); err == nil; _, err = run.New.Read(buffer) {
					<-time.After(patience / 2)
				}
				return proxy.Stored{}, src.Commit()
			}
			h.must(write(h, 0))
			h.must(h.run("close"))
		})
	})
	t.Run("the store is only busy", func(t *testing.T) {
		bubble(t, func(h *handle) {
			h.memory.free = 1
			h.must(write(h, 0))
			time.AfterFunc(patience/2, resume)
			h.must(write(h, 1))
			h.must(h.run("close"))
			h.check(page+page, "")
		}, stop)
	})
}

func TestWithoutMemory(t *testing.T) {
	none := func(h *handle) { h.memory.free = 0 }
	t.Run("writes in order stream at once", func(t *testing.T) {
		bubble(t, func(h *handle) {
			none(h)
			h.must(h.run("0:ab 2:cd close"))
			h.check("abcd", "")
		})
	})
	t.Run("writes in any order fail", func(t *testing.T) {
		bubble(t, func(h *handle) {
			h.memory.free = 1
			h.must(h.run("0:ab"))
			err := h.writeText(pageSize, "x")
			h.wants(err, syscall.ENOBUFS)
			_, _, err = h.Close(h.Context())
			h.wants(err, syscall.ENOBUFS)
			h.check("-", "a")
		}, keep(1<<20))
	})
	t.Run("an overtaking write fails", func(t *testing.T) {
		bubble(t, func(h *handle) {
			none(h)
			h.must(h.run("0:" + text))
			h.wants(h.run("39:DEF"), syscall.ENOBUFS)
			h.Break(errBroken)
			h.check("-", text[:35])
		})
	})
	t.Run("a patch in the middle streams at once", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			h := open(t, storeWith("0123456789"))
			none(h)
			h.must(h.run("4:ab 6:c close"))
			h.check("0123abc789", "")
		})
	})
}

// TestPagesAreFreed checks that the memory of what the store has read is returned while other bytes wait.
func TestPagesAreFreed(t *testing.T) {
	bubble(t, func(h *handle) {
		h.must(h.writeText(0, strings.Repeat("x", 4*pageSize)))
		h.must(h.writeText(4*pageSize, "x"))
		h.must(h.writeText(9*pageSize, "y"))
		synctest.Wait()
		if n := h.memory.count(); n != 1 {
			h.Errorf("%d buffers are lent, want 1", n)
		}
		h.Break(errBroken)
	}, keep(4*pageSize))
}

// TestPageInUse checks that a page is not returned while a Write reads into it.
func TestPageInUse(t *testing.T) {
	bubble(t, func(h *handle) {
		h.must(h.writeText(0, "abcd"))
		r, w := io.Pipe()
		write := h.background(func() error { return h.writeFrom(4, 9, r, true) })
		io.WriteString(w, "efg")
		h.Break(errBroken)
		if n := h.memory.count(); n != 1 {
			h.Errorf("%d buffers are lent, want 1", n)
		}
		io.WriteString(w, "hijklm")
		_, err := write()
		h.wants(err, errBroken)
		h.check("-", "abc")
	})
}

// TestSmallFileTakesLittleMemory checks that only a large file takes more than one buffer.
func TestSmallFileTakesLittleMemory(t *testing.T) {
	for size, want := range map[int]int{1: 1, 4096: 1, pageSize: 1, pageSize + 1: 2, 1 << 20: 32, 4 << 20: 32} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			bubble(t, func(h *handle) {
				content := strings.Repeat("x", size)
				h.must(h.writeText(0, content))
				h.must(h.run("close"))
				if h.memory.most > want {
					h.Errorf("%d buffers, want %d", h.memory.most, want)
				}
				h.check(content, "")
			}, keep(1<<20))
		})
	}
}

// TestFewBytesInManyPages checks that separate bytes do not take more memory than others.
func TestFewBytesInManyPages(t *testing.T) {
	bubble(t, func(h *handle) {
		want := make([]byte, 9*pageSize+1)
		for i := range 10 {
			h.must(h.writeText(int64(i*pageSize), "x"))
			want[i*pageSize] = 'x'
		}
		h.must(h.run("close"))
		if h.memory.most > 5 {
			h.Errorf("%d buffers were lent, want 5", h.memory.most)
		}
		h.check(string(want), "")
	}, keep(4*pageSize))
}

package reassembly

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
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

func TestPutFails(t *testing.T) {
	for name, failure := range map[string]error{"S3": storetest.ErrDown, "a limit": &proxy.LimitError{Text: "Quota exceeded."}} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(h *handle) {
				h.config.Put = func(src proxy.Source, _ proxy.Write) (proxy.Stored, error) {
					run, _ := src.Next(h.Context())
					run.New.Read(make([]byte, 4))
					return proxy.Stored{Bucket: "b"}, failure
				}
				h.writeText(0, text)
				synctest.Wait()
				r := strings.NewReader(text)
				h.wants(h.writeFrom(int64(len(text)), len(text), r, true), failure)
				stored, _, err := h.Close(h.Context())
				if h.wants(err, failure); r.Len() > 0 || stored.Bucket != "b" {
					h.Errorf("%d bytes were not read; stored %v", r.Len(), stored)
				}
				h.check("-", "")
			})
		})
	}
}

func TestReaderFails(t *testing.T) {
	for name, written := range map[string]string{"kept": "0123", "streaming": text} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(h *handle) {
				h.must(h.writeText(0, written))
				synctest.Wait()
				err := h.writeFrom(int64(len(written)), 9, strings.NewReader("ABC"), true)
				if _, ok := errors.AsType[*ReadError](err); !ok {
					h.Errorf("error %v, want a ReadError", err)
				}
				err = h.writeText(int64(len(written)), "ABC")
				if _, ok := errors.AsType[*ReadError](err); ok || !errors.Is(err, io.ErrUnexpectedEOF) {
					h.Errorf("error %v of the next Write, want %v", err, io.ErrUnexpectedEOF)
				}
				_, _, err = h.Close(h.Context())
				h.wants(err, io.ErrUnexpectedEOF)
				h.check("-", written+"AB")
			})
		})
	}
	t.Run("refused bytes", func(t *testing.T) {
		bubble(t, func(h *handle) {
			err := h.writeFrom(5, 9, strings.NewReader("ABC"), true)
			if _, ok := errors.AsType[*ReadError](err); !ok {
				h.Errorf("error %v, want a ReadError", err)
			}
		})
	})
}

// TestBreakDuringRead checks that the memory of the store is not touched after Put: Break waits for the reader.
func TestBreakDuringRead(t *testing.T) {
	bubble(t, func(h *handle) {
		h.must(h.writeText(0, text))
		synctest.Wait()
		r, w := io.Pipe()
		write := h.background(func() error { return h.writeFrom(int64(len(text)), 9, r, true) })
		io.WriteString(w, "ABC")
		broken := h.background(func() error { h.Break(errBroken); return nil })
		if done, _ := broken(); done {
			h.Error("Break does not wait for the reader")
		}
		w.CloseWithError(errBroken)
		if done, _ := broken(); !done {
			h.Error("Break does not return after the reader has failed")
		}
		_, err := write()
		h.wants(err, errBroken)
		h.check("-", text+"AB")
	})
}

// TestReaderPanics checks that a panic of a reader leaves the upload as an error does.
func TestReaderPanics(t *testing.T) {
	for name, written := range map[string]string{"kept": "0123", "streaming": text} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(h *handle) {
				h.must(h.writeText(0, written))
				synctest.Wait()
				func() {
					defer func() { recover() }()
					h.writeFrom(int64(len(written)), 9, readerFunc(func([]byte) (int, error) { panic("a bug") }), true)
				}()
				_, _, err := h.Close(h.Context())
				h.wants(err, errPanic)
				if h.store.Files["/f"].Name != "" || h.memory.count() > 0 {
					h.Errorf("the file was published, or %d buffers were not returned", h.memory.count())
				}
			})
		})
	}
}

func TestCommit(t *testing.T) {
	t.Run("only after Close", func(t *testing.T) {
		bubble(t, func(h *handle) {
			h.config.Put = func(src proxy.Source, _ proxy.Write) (proxy.Stored, error) {
				src.Next(h.Context())
				return proxy.Stored{}, src.Commit()
			}
			h.writeText(0, text)
			synctest.Wait()
			_, _, err := h.Close(h.Context())
			if err == nil {
				h.Error("a store that has read nothing has published")
			}
		})
	})
	t.Run("only after all bytes", func(t *testing.T) {
		bubble(t, func(h *handle) {
			h.config.Put = func(src proxy.Source, _ proxy.Write) (proxy.Stored, error) {
				src.Next(h.Context())
				return proxy.Stored{}, src.Commit()
			}
			h.must(h.writeText(0, "abc"))
			if _, _, err := h.Close(h.Context()); err == nil {
				h.Error("a store that has read nothing has published")
			}
		})
	})
	t.Run("a store that does not ask", func(t *testing.T) {
		bubble(t, func(h *handle) {
			h.config.Put = func(proxy.Source, proxy.Write) (proxy.Stored, error) { return proxy.Stored{}, nil }
			h.must(h.writeText(0, "abc"))
			if _, _, err := h.Close(h.Context()); err == nil {
				h.Error("Close succeeds without Commit")
			}
		})
	})
	t.Run("Break before", func(t *testing.T) {
		stop, resume := stopped()
		bubble(t, func(h *handle) {
			h.must(h.writeText(0, "abc"))
			closed := h.background(func() error { return h.run("close") })
			closed()
			go h.Break(errBroken)
			synctest.Wait()
			resume()
			_, err := closed()
			h.wants(err, errBroken)
			h.check("-", "ab")
		}, stop)
	})
	t.Run("Break after", func(t *testing.T) {
		bubble(t, func(h *handle) {
			h.store.Slow["/f"] = time.Second
			h.must(h.writeText(0, "abc"))
			closed := h.background(func() error { return h.run("close") })
			closed()
			if n := h.memory.count(); n > 0 {
				h.Errorf("%d buffers are lent while the store publishes", n)
			}
			h.Break(errBroken)
			_, err := closed()
			h.must(err)
			h.check("abc", "")
		})
	})
	t.Run("the context of Close ends before", func(t *testing.T) {
		stop, resume := stopped()
		bubble(t, func(h *handle) {
			ctx, cancel := context.WithCancelCause(h.Context())
			h.must(h.writeText(0, "abc"))
			closed := h.background(func() error { _, _, err := h.Close(ctx); return err })
			closed()
			cancel(errBroken)
			synctest.Wait()
			resume()
			_, err := closed()
			h.wants(err, errBroken)
			h.check("-", "ab")
		}, stop)
	})
	t.Run("Close twice", func(t *testing.T) {
		bubble(t, func(h *handle) {
			h.must(h.run("0:abc close"))
			_, _, err := h.Close(h.Context())
			h.wants(err, fs.ErrClosed)
			h.wants(h.run("3:d"), fs.ErrClosed)
			h.wants(h.run("size=2"), fs.ErrClosed)
			h.check("abc", "")
		})
	})
}

// TestConditions checks what the store is told.
func TestConditions(t *testing.T) {
	const etag = "a" // of ten bytes, in the store in memory
	for name, test := range map[string]struct {
		file, operations string
		set              func(*Config)
		want             proxy.Write
		puts             int
	}{
		"new":                        {file: "-", operations: "0:abc close", set: truncated, want: proxy.Write{Size: 3}, puts: 1},
		"EXCL":                       {file: "-", operations: "0:abc close", set: func(c *Config) { c.New = true }, want: proxy.Write{New: true, Size: 3}, puts: 1},
		"all of a file overwritten":  {file: "0123456789", operations: "0:abcdefghij close", want: proxy.Write{Size: 10}, puts: 1},
		"scp":                        {file: "0123456789", operations: "0:abc size=3 close", want: proxy.Write{Size: 3}, puts: 1},
		"a long one over a file":     {file: "0123456789", operations: "0:0123456789abcde 15:fghi close", want: proxy.Write{}, puts: 1},
		"over a part of the file":    {file: "0123456789", operations: "0:abc close", want: proxy.Write{Base: etag, Size: 3}, puts: 1},
		"append":                     {file: "0123456789", operations: "10:abc close", want: proxy.Write{Base: etag, Size: 3}, puts: 1},
		"append to an empty file":    {file: "", operations: "0:abc close", set: appending, want: proxy.Write{Base: "0", Size: 3}, puts: 1},
		"announced":                  {file: "-", operations: "announce=36 0:" + text + " close", want: proxy.Write{Size: 36}, puts: 1},
		"the rest announced":         {file: "0123456789", operations: "announce=46 10:" + text + " close", want: proxy.Write{Base: etag, Size: 36}, puts: 1},
		"a patch that streams":       {file: "0123456789", operations: "announce=38 2:" + text + " close", want: proxy.Write{Base: etag}, puts: 1},
		"a patch, its end announced": {file: "0123456789", operations: "announce=10 2:01 close", want: proxy.Write{Base: etag, Size: 2}, puts: 1},
		"only the time":              {file: "0123456789", operations: "time close", want: proxy.Write{Base: etag}, puts: 1},
		"the time of an empty file":  {file: "", operations: "time close", want: proxy.Write{Base: "0"}, puts: 1},
		"nothing":                    {file: "0123456789", operations: "size=10 close", want: proxy.Write{}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				set := test.set
				if set == nil {
					set = func(*Config) {}
				}
				h := open(t, storeWith(test.file), set)
				h.must(h.run(test.operations))
				if g, w := h.given, test.want; h.puts != test.puts || g.New != w.New || g.Base != w.Base || g.Size != w.Size {
					h.Errorf("%d calls of Put with %v, want %d with %v", h.puts, g, test.puts, w)
				}
			})
		})
	}
}

// TestBreakTellsTheStoreLittle checks that a store does not go on with what cannot be resumed.
func TestBreakTellsTheStoreLittle(t *testing.T) {
	for name, test := range map[string]struct {
		file, operations string
		cause            error
		puts             int
		want             string // the bytes and the error that Read returns
	}{
		"a patch that is kept":       {file: "0123456789", operations: "0:ab", cause: errBroken},
		"discarded bytes":            {file: "-", operations: "0:ab", cause: proxy.ErrDiscard},
		"a single byte":              {file: "-", operations: "0:a", cause: errBroken},
		"a patch that streams":       {file: "0123456789" + text, operations: "0:" + text + " 40:x", cause: errBroken, puts: 1, want: text + ", the connection is lost"},
		"discarded bytes, streaming": {file: "-", operations: "0:" + text + " 40:x", cause: proxy.ErrDiscard, puts: 1, want: text + ", upload is discarded"},
		"io.EOF":                     {file: "0123456789" + text, operations: "0:" + text, cause: io.EOF, puts: 1, want: text + ", unexpected EOF"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, storeWith(test.file))
				got := ""
				h.config.Put = func(src proxy.Source, _ proxy.Write) (proxy.Stored, error) {
					h.puts++
					var b []byte
					run, err := src.Next(h.Context())
					for err == nil {
						b, err = io.ReadAll(run.New)
						if got += string(b); err == nil {
							run, err = src.Next(h.Context())
						}
					}
					got += ", " + err.Error()
					return proxy.Stored{}, err
				}
				h.must(h.run(test.operations))
				h.Break(test.cause)
				if h.puts != test.puts || got != test.want {
					h.Errorf("%d calls of Put, which has read %q; want %d, %q", h.puts, got, test.puts, test.want)
				}
			})
		})
	}
	for name, test := range map[string]struct {
		file, operations string
		cause            error
	}{
		"discarded bytes that it has not read": {"-", "0:0123456789abc 13:defg", proxy.ErrDiscard},
		"a patch that it has not read":         {"0123456789", "4:0123456789abc 17:defg", errBroken},
	} {
		t.Run(name, func(t *testing.T) {
			stop, resume := stopped()
			synctest.Test(t, func(t *testing.T) {
				h := open(t, storeWith(test.file), func(c *Config) {
					c.Put = func(src proxy.Source, _ proxy.Write) (proxy.Stored, error) {
						run, err := src.Next(t.Context())
						if !errors.Is(err, test.cause) {
							t.Errorf("Next returns %v, %v", run, err)
						}
						return proxy.Stored{}, err
					}
				}, stop)
				write := h.background(func() error { return h.run(test.operations) })
				write()
				go h.Break(test.cause)
				write()
				resume()
				synctest.Wait()
			})
		})
	}
	t.Run("without a cause", func(t *testing.T) {
		bubble(t, func(h *handle) {
			h.must(h.run("0:abc break"))
			h.Break(nil)
			_, _, err := h.Close(h.Context())
			h.wants(err, errBroken)
		})
		bubble(t, func(h *handle) {
			h.must(h.run("0:abc"))
			h.Break(nil)
			_, _, err := h.Close(h.Context())
			h.wants(err, io.ErrUnexpectedEOF)
			h.check("-", "ab")
		})
	})
}

func TestEXCLIsCheckedAtTheEnd(t *testing.T) {
	bubble(t, func(h *handle) {
		h.must(h.writeText(0, "abc"))
		h.store.Files["/f"] = storetest.MemoryFile{Name: "/f", Data: []byte("other")}
		h.wants(h.run("close"), fs.ErrExist)
		h.check("other", "")
	}, func(c *Config) { c.New = true })
}

func TestTimeIsSet(t *testing.T) {
	for name, ops := range map[string]string{"with content": "time 0:abc close", "streaming": "0:" + text + " time close", "alone": "time close", "before": "0:abc time close"} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, storeWith("old"))
				h.must(h.run(ops))
				if got := h.store.Files["/f"].Time; !got.Equal(time.Unix(1e9, 0)) {
					h.Errorf("the time is %v", got)
				}
			})
		})
	}
}

func TestBaseChanges(t *testing.T) {
	for name, test := range map[string]struct {
		operations string
		want       error
	}{
		"a patch":       {"4:ab close", proxy.ErrStale},
		"a new start":   {"0:ab close", proxy.ErrStale},
		"an append":     {"10:ab close", syscall.ESPIPE},
		"only the time": {"time close", proxy.ErrStale},
		"all of it":     {"0:0123456789 close", nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := open(t, storeWith("0123456789"))
				h.store.Files["/f"] = storetest.MemoryFile{Name: "/f", Data: []byte("another one")}
				h.wants(h.run(test.operations), test.want)
				if test.want == nil {
					h.check("0123456789", "")
				} else {
					h.check("another one", "")
				}
			})
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

package reassembly

import (
	"context"
	"io/fs"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

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

package reassembly

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

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

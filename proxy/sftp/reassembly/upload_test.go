package reassembly

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// A handle is an Upload to the file /f of a store in memory.
type handle struct {
	*testing.T
	*Upload
	store  *storetest.Memory
	memory *lender
	puts   int         // calls of Put
	given  proxy.Write // of the last one
	name   string
}

// open returns a handle in a bubble. The config is that of a server with small limits, changed by set.
func open(t *testing.T, store *storetest.Memory, set ...func(*Config)) *handle {
	t.Helper()
	h := &handle{T: t, store: store, memory: &lender{T: t, free: 1 << 20}, name: "/f"}
	c := Config{Keep: 16, Window: 2 * pageSize, Memory: h.memory}
	c.Base, _ = store.Stat(t.Context(), h.name)
	c.Put = func(src proxy.Source, w proxy.Write) (proxy.Stored, error) {
		h.puts++
		h.given = w
		return store.Put(t.Context(), h.name, src, w)
	}
	for _, f := range set {
		f(&c)
	}
	h.Upload = New(c)
	return h
}

// truncated opens as TRUNC does.
func truncated(c *Config) { c.Base, c.Truncate = proxy.Entry{}, true }

func appending(c *Config) { c.Append = true }

// keep returns an option that sets Config.Keep.
func keep(n int64) func(*Config) { return func(c *Config) { c.Keep = n } }

// A lender is a Memory that checks its use.
type lender struct {
	*testing.T
	mu   sync.Mutex
	free int // buffers
	lent map[*byte]bool
	most int // buffers lent at a time
}

func (l *lender) Lend(n int) []byte {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.free == 0 {
		return nil
	}
	l.free--
	b := bytes.Repeat([]byte("?"), n)
	if l.lent == nil {
		l.lent = make(map[*byte]bool)
	}
	l.lent[&b[0]] = true
	l.most = max(l.most, len(l.lent))
	return b
}

func (l *lender) ReturnPrefetched(buffers ...[]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, b := range buffers {
		if !l.lent[&b[0]] {
			l.Error("a buffer was returned that was not lent")
		}
		delete(l.lent, &b[0])
		clear(b)
		l.free++
	}
}

func (l *lender) count() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.lent)
}

// writeText writes text at an offset. It waits for memory.
func (h *handle) writeText(offset int64, text string) error {
	return h.writeFrom(offset, len(text), strings.NewReader(text), true)
}

func (h *handle) writeFrom(offset int64, n int, r io.Reader, mayWait bool) error {
	return h.Write(h.Context(), offset, n, r, func() bool { return mayWait })
}

// run runs operations until one fails, e.g. "0:abc size=2 time close": a WRITE, an FSETSTAT of the size, one of the time, a CLOSE.
func (h *handle) run(operations string) (err error) {
	h.Helper()
	for _, op := range strings.Fields(operations) {
		if err = h.do(op); err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
	}
	return nil
}

func (h *handle) do(op string) (err error) {
	name, n, _ := strings.Cut(op, "=")
	number, _ := strconv.ParseInt(n, 10, 64)
	switch offset, text, isWrite := strings.Cut(op, ":"); {
	case isWrite:
		number, err := strconv.ParseInt(offset, 10, 64)
		if err != nil {
			h.Fatal(err)
		}
		return h.writeText(number, text)
	case name == "size":
		return h.SetSize(number)
	case name == "announce":
		h.Announce(number)
	case name == "time":
		h.SetTime(time.Unix(1e9, 0))
	case name == "break":
		h.Break(errBroken)
	case name == "close":
		_, _, err = h.Close(h.Context())
	default:
		h.Fatalf("unknown operation %q", op)
	}
	return err
}

var errBroken = errors.New("the connection is lost")

// check checks the content of the file, which must be missing if want is "-"; that of the resumable upload; and that all memory was
// returned.
func (h *handle) check(want, resumable string) {
	h.Helper()
	got := "-"
	if f, ok := h.store.Files[h.name]; ok {
		got = string(f.Data)
	}
	if got != want {
		h.Errorf("the file is %.80q, want %.80q", got, want)
	}
	if got := string(h.store.Resumable[h.name]); got != resumable {
		h.Errorf("the resumable upload is %.80q, want %.80q", got, resumable)
	}
	if n := h.memory.count(); n > 0 {
		h.Errorf("%d buffers were not returned", n)
	}
}

// storeWith returns a store with the file /f, unless content is "-".
func storeWith(content string) *storetest.Memory {
	m := storetest.NewMemory()
	if content != "-" {
		m.Files["/f"] = storetest.MemoryFile{Name: "/f", Data: []byte(content), Time: time.Unix(1, 0)}
	}
	return m
}

// A scenario is what happens to a file or resumable upload by one handle.
type scenario struct {
	file, resumable string // before; "-" = no file
	set             func(*Config)
	operations      string
	fails           error  // of the last operation
	want            string // the file afterwards
	left            string // the resumable upload afterwards
}

func (s scenario) run(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := storeWith(s.file)
		if s.resumable != "" {
			store.Resumable["/f"] = []byte(s.resumable)
		}
		h := open(t, store)
		if s.set != nil {
			h = open(t, store, s.set)
		}
		var err error
		for op := range strings.FieldsSeq(s.operations) {
			if err == nil {
				err = h.do(op)
				synctest.Wait()
			}
		}
		if !errors.Is(err, s.fails) {
			t.Errorf("error %v, want %v", err, s.fails)
		}
		if s.fails != nil {
			if _, _, err := h.Close(t.Context()); !errors.Is(err, s.fails) {
				t.Errorf("Close after an error: %v, want %v", err, s.fails)
			}
		}
		h.check(s.want, s.left)
	})
}

func runAll(t *testing.T, all map[string]scenario) {
	for name, s := range all {
		t.Run(name, s.run)
	}
}

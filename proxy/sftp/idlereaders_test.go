package sftp

import (
	"context"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
	"github.com/s3ftpd/s3ftpd/proxy/storetest"
)

// An openCounter is a store that counts its open readers.
type openCounter struct {
	*storetest.Memory
	open *atomic.Int64
}

func (s openCounter) Open(ctx context.Context, name string, at proxy.Range) (proxy.Reader, error) {
	r, err := s.Memory.Open(ctx, name, at)
	if err == nil {
		s.open.Add(1)
		r = countedReader{r, s.open}
	}
	return r, err
}

type countedReader struct {
	proxy.Reader
	open *atomic.Int64
}

func (r countedReader) Close() error {
	r.open.Add(-1)
	return r.Reader.Close()
}

// Handles that wait for a READ hold a limited number of readers, whether one has come or not. The others read on at the next READ.
func TestIdleReadersAreLimited(t *testing.T) { synctest.Test(t, checkIdleReaders) }

func checkIdleReaders(t *testing.T) {
	const size, step = 1000, 300
	var open atomic.Int64
	content := func(i int) string { return strings.Repeat(fmt.Sprintf("%d;", i), size)[:size] }
	c := newClient(t, func(_ *Server, a *proxy.Account) {
		m := a.Store.(*storetest.Memory)
		for i := range maxHandles {
			name := fmt.Sprint("/", i)
			m.Files[name] = storetest.MemoryFile{Name: name, Data: []byte(content(i))}
		}
		a.Store = openCounter{m, &open}
	})
	var handles []string
	for i := range maxHandles {
		body := cursor(c.await(c.request(packet.Open, fmt.Sprint(i), packet.FlagRead, 0)).body)
		handles = append(handles, body.text())
	}
	synctest.Wait()
	if n := open.Load(); n != maxIdleReaders {
		t.Errorf("%d readers are open after OPEN", n)
	}
	for offset := 0; offset+step < size; offset += step {
		for i, h := range handles {
			body := cursor(c.await(c.request(packet.Read, h, int64(offset), step)).body)
			if got := body.text(); got != content(i)[offset:][:step] {
				t.Errorf("file %d at %d: %q", i, offset, got)
			}
		}
		synctest.Wait()
		if n := open.Load(); n > maxIdleReaders {
			t.Errorf("%d readers are open after READ at %d", n, offset)
		}
	}
	for _, h := range handles {
		c.expect(c.request(packet.Close, h), "OK")
	}
	c.close()
	if n := open.Load(); n != 0 {
		t.Errorf("%d readers are left", n)
	}
}

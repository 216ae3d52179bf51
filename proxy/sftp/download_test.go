package sftp

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/sftp/packet"
)

// A countingStore counts the requests for downloads.
type countingStore struct {
	proxy.Store
	asked []string
}

func (s *countingStore) Stat(ctx context.Context, name string) (proxy.Entry, error) {
	s.asked = append(s.asked, "Stat")
	return s.Store.Stat(ctx, name)
}

func (s *countingStore) Open(ctx context.Context, name string, at proxy.Range) (proxy.Reader, error) {
	s.asked = append(s.asked, "Open")
	return s.Store.Open(ctx, name, at)
}

// Clients read on until EOF, many at several offsets at once. The server knows the size: EOF costs no request to S3.
func TestEOFAsksNothing(t *testing.T) {
	for _, size := range []int{0, 5, 100_000} {
		synctest.Test(t, func(t *testing.T) {
			var store countingStore
			c := newClient(t, func(_ *Server, a *proxy.Account) {
				store.Store = a.Store
				a.Store = &store
			})
			defer c.close()
			h := c.create("f")
			c.expect(c.request(packet.Write, h, int64(0), strings.Repeat("x", size)), "OK")
			c.expect(c.request(packet.Close, h), "OK")
			store.asked = nil
			body := cursor(c.await(c.request(packet.Open, "f", packet.FlagRead, 0)).body)
			h = body.text()
			for offset := 0; offset < size; offset += 32 << 10 {
				c.await(c.request(packet.Read, h, int64(offset), 32<<10))
			}
			for _, offset := range []int64{int64(size), int64(size) + 1, int64(size) + 1<<40, -1} {
				c.expect(c.request(packet.Read, h, offset, 32<<10), "EOF")
			}
			c.expect(c.request(packet.Close, h), "OK")
			if got := strings.Join(store.asked, " "); got != "Open" {
				t.Errorf("a file of %d bytes: the store is asked for %s, want one Open", size, got)
			}
		})
	}
}

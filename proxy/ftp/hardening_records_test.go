package ftp

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
)

// A tallied connection counts the writes on it, which on a real one are calls of the kernel.
type tallied struct {
	*memConn
	writes *atomic.Int64
}

func (c tallied) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.memConn.Write(p)
}

type talliedListener struct {
	net.Listener
	writes *atomic.Int64
}

func (l talliedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return tallied{conn.(*memConn), l.writes}, nil
}

// TestDownloadRecords: a download over TLS takes one write for two records, or for all of a short file, and comes whole.
func TestDownloadRecords(t *testing.T) {
	for _, version := range []string{"1.2", "1.3"} {
		// What io.Copy reads at a time are 32 KiB; some more writes are of the handshake, the ticket and the end.
		for size, most := range map[int]int64{1: 4, 16 << 10: 4, 32 << 10: 4, 1<<20 + 1: 33 + 4} {
			inBubble(t, func(s *script) {
				writes := new(atomic.Int64)
				listen := s.srv.Passive.ListenFunc
				s.srv.Passive.ListenFunc = func(ctx context.Context, network, address string) (net.Listener, error) {
					l, err := listen(ctx, network, address)
					return talliedListener{l, writes}, err
				}
				content := strings.Repeat("0123456789abcdef", size/16+1)[:size]
				s.play("! tls implicit\n! tls-version " + version)
				s.step(fmt.Sprintf("<= /a %q", content))
				s.play("C> EPSV\nS> 229 *\nC> RETR a\nS> 150 *")
				s.step(fmt.Sprintf("D= %q", content))
				s.play("D.\nS> 226 *")
				if n := writes.Load(); n == 0 || n > most {
					t.Errorf("TLS %s, %d bytes: %d writes, want %d at most", version, size, n, most)
				}
			})
		}
	}
}

package ftp

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"
)

// A countingConn counts the writes, which are system calls on a real connection.
type countingConn struct {
	*memConn
	writes *atomic.Int64
}

func (c countingConn) Write(p []byte) (int, error) {
	c.writes.Add(1)
	return c.memConn.Write(p)
}

type countingListener struct {
	net.Listener
	writes *atomic.Int64
}

func (l countingListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	return countingConn{conn.(*memConn), l.writes}, nil
}

// A download over TLS writes two records at a time, and a short file at once.
func TestDownloadWritesTwoRecordsAtATime(t *testing.T) {
	for _, version := range []string{"1.2", "1.3"} {
		// io.Copy reads 32 KiB at a time. Up to 4 more writes are for the handshake, the ticket and close_notify.
		for size, most := range map[int]int64{1: 4, 16 << 10: 4, 32 << 10: 4, 1<<20 + 1: 33 + 4} {
			inBubble(t, func(s *script) {
				writes := new(atomic.Int64)
				listen := s.srv.Passive.ListenFunc
				s.srv.Passive.ListenFunc = func(ctx context.Context, network, address string) (net.Listener, error) {
					l, err := listen(ctx, network, address)
					return countingListener{l, writes}, err
				}
				content := strings.Repeat("0123456789abcdef", size/16+1)[:size]
				s.play("! tls implicit\n! tls-version " + version)
				s.playLine(fmt.Sprintf("<= /a %q", content))
				s.play("C> EPSV\nS> 229 *\nC> RETR a\nS> 150 *")
				s.playLine(fmt.Sprintf("D= %q", content))
				s.play("D.\nS> 226 *")
				if n := writes.Load(); n == 0 || n > most {
					t.Errorf("TLS %s, %d bytes: %d writes, want 1 to %d", version, size, n, most)
				}
			})
		}
	}
}

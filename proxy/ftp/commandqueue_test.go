package ftp

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
)

// drain empties a queue, and returns the number of its lines and their bytes.
func drain(q *commandQueue) (lines, bytes int) {
	for len(q.lines) > 0 {
		lines++
		bytes += len((<-q.lines).text)
	}
	return lines, bytes
}

// The server queues at most 4 lines of 512 bytes before the login, and 64 of 4 KiB after it.
func TestQueueIsBounded(t *testing.T) {
	for _, c := range []struct {
		loggedIn     bool
		lines, bytes int
	}{{false, 4, 4 * 512}, {true, 64, 64 * 4096}} {
		for _, length := range []int{100, 512, 4 << 10, 1 << 20} {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				defer client.Close()
				q, gone, done := newCommandQueue(), make(chan struct{}), make(chan struct{})
				q.setLoggedIn(c.loggedIn)
				go readLines(server, q, gone, done)
				go io.WriteString(client, strings.Repeat("USER "+strings.Repeat("x", length-5)+"\r\n", 70))
				synctest.Wait()
				lines, bytes := drain(q)
				t.Logf("logged in %v, lines of %d bytes: %d are queued, with %d bytes", c.loggedIn, length, lines, bytes)
				if lines != c.lines || bytes > c.bytes {
					t.Errorf("%d lines with %d bytes are queued; want %d with at most %d", lines, bytes, c.lines, c.bytes)
				}
				close(done)
				server.Close()
			})
		}
	}
}

// While Login runs, the server reads a bounded number of bytes: those of the queue, of one more line and of the read buffer.
func TestBytesReadDuringLoginAreBounded(t *testing.T) {
	inBubbleWithLog(t, func(srv *Server) {
		srv.Login = func(ctx context.Context, _ proxy.Attempt) (proxy.Account, error) {
			<-ctx.Done()
			return proxy.Account{}, ctx.Err()
		}
	}, func(s *script, _ *logBuffer) {
		s.play("! login no\nS> 220 *\nC> USER a\nS> 331 *\nC> PASS b\nS-")
		taken := 0
		line := "USER " + strings.Repeat("x", 400) + "\r\n"
		for range 70 {
			s.conn.SetWriteDeadline(time.Now().Add(time.Second))
			n, err := io.WriteString(s.conn, line)
			taken += n
			if err != nil {
				break
			}
		}
		if most := 5*len(line) + readAhead; taken > most {
			t.Errorf("the server reads %d bytes, want at most %d", taken, most)
		}
		s.closeControl()
	})
}

// The log has at most 128 bytes of a user name. Login gets all of it.
func TestUserNamesInLogsAreTruncated(t *testing.T) {
	name := strings.Repeat("\u00e9", 250)
	inBubbleWithLog(t, nil, func(s *script, log *logBuffer) {
		var users []string
		login := s.srv.Login
		s.srv.Login = func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
			users = append(users, a.User)
			return login(ctx, a)
		}
		s.play("! login no\nS> 220 *\nC> USER " + name + "\nS> 331 *\nC> PASS wrong\nT> 1s\nS> 530 *\nC> USER " + name +
			"\nS> 331 *\nC> PASS secret\nS> 230 *\nC> DELE f\nS> 550 *\nC> QUIT\nS> 221 *\nS.")
		synctest.Wait()
		for line := range strings.Lines(log.String()) {
			if n := strings.Count(line, "\u00e9"); n > proxy.MaxLoggedUser { // as user and as name
				t.Errorf("%d bytes of the name are in a log line: %s", 2*n, line)
			}
		}
		if !strings.Contains(log.String(), "session ends") || len(users) != 2 || users[0] != name || users[1] != name {
			t.Errorf("Login gets the users %q; log:\n%s", users, log.String())
		}
	})
}

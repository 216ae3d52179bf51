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

// held returns how many lines a queue has, and their bytes.
func held(q *commandQueue) (lines, bytes int) {
	for len(q.lines) > 0 {
		lines++
		bytes += len((<-q.lines).text)
	}
	return lines, bytes
}

// A client that has not logged in makes the server hold 4 lines of 512 bytes, whatever it sends; after the login 64 of 4 KiB.
func TestQueuedBytes(t *testing.T) {
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
				lines, bytes := held(q)
				t.Logf("logged in %v, lines of %d bytes: %d are held, with %d bytes", c.loggedIn, length, lines, bytes)
				if lines != c.lines || bytes > c.bytes {
					t.Errorf("%d lines with %d bytes are held; want %d with %d at most", lines, bytes, c.lines, c.bytes)
				}
				close(done)
				server.Close()
			})
		}
	}
}

// What a server takes of a client whose password is being judged is bounded: the queue, a line in hand and what is read ahead.
func TestBytesTakenBeforeLogin(t *testing.T) {
	logging(t, func(srv *Server) {
		srv.Login = func(ctx context.Context, _ proxy.Attempt) (proxy.Account, error) {
			<-ctx.Done()
			return proxy.Account{}, ctx.Err()
		}
	}, func(s *script, _ *safeBuffer) {
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
			t.Errorf("the server takes %d bytes, want %d at most", taken, most)
		}
		s.hangUp()
	})
}

// The log shows 128 bytes of a user name; Login gets all of it.
func TestUserNamesInLogsAreClipped(t *testing.T) {
	name := strings.Repeat("\u00e9", 250)
	logging(t, nil, func(s *script, log *safeBuffer) {
		var asked []string
		login := s.srv.Login
		s.srv.Login = func(ctx context.Context, a proxy.Attempt) (proxy.Account, error) {
			asked = append(asked, a.User)
			return login(ctx, a)
		}
		s.play("! login no\nS> 220 *\nC> USER " + name + "\nS> 331 *\nC> PASS wrong\nT> 1s\nS> 530 *\nC> USER " + name +
			"\nS> 331 *\nC> PASS secret\nS> 230 *\nC> DELE f\nS> 550 *\nC> QUIT\nS> 221 *\nS.")
		synctest.Wait()
		for line := range strings.Lines(log.String()) {
			if n := strings.Count(line, "\u00e9"); n > 2*maxUser/2 { // as user and as name
				t.Errorf("%d bytes of the name are in a log line: %s", 2*n, line)
			}
		}
		if !strings.Contains(log.String(), "session ends") || len(asked) != 2 || asked[0] != name || asked[1] != name {
			t.Errorf("Login is asked for %q; log:\n%s", asked, log.String())
		}
	})
}

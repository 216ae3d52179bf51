package load

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"

	"github.com/s3ftpd/s3ftpd/test/real"
)

// TestIdleSessions keeps 500 sessions in clear and 500 with TLS idle, transfers 20 files meanwhile, and closes all. The memory of a
// session is limited, the files must be exact, and nothing may stay open.
//
// The memory is RssAnon, the process's own memory: the sessions, their stacks, and uncollected garbage of their logins and
// handshakes. The buffers of idle sockets belong to the kernel, and are empty.
func TestIdleSessions(t *testing.T) {
	const each, plainKiB, secureKiB = 500, 16, 32
	store := real.MinIO(t)
	view := harness.NewBucket(t, store)
	ftps := real.FreeAddr(t)
	b := startServer(t, store, "--ftps", ftps, "--tls-self-signed", "--tls", "optional",
		"--max-sessions", "2000", "--max-sessions-per-ip", "2000", "--max-sessions-per-user", "2000")
	closeAll(append(b.idle(t, 8, b.clear), b.idle(t, 8, b.implicit(ftps))...)) // the first sessions allocate buffers that later ones share
	b.awaitSessionEnds(t)
	open := b.descriptors(t)

	empty := b.stat(t, "RssAnon")
	plain := b.idle(t, each, b.clear)
	some := b.stat(t, "RssAnon")
	secure := append(b.idle(t, each/2, b.implicit(ftps)), b.idle(t, each/2, b.explicit)...)
	all := b.stat(t, "RssAnon")
	t.Logf("KiB a session: %.1f plain, %.1f TLS", float64(some-empty)/each, float64(all-some)/each)
	if some-empty > each*plainKiB {
		t.Errorf("%d plain sessions take %d KiB each, want %d at most", each, (some-empty)/each, plainKiB)
	}
	if all-some > each*secureKiB {
		t.Errorf("%d TLS sessions take %d KiB each, want %d at most", each, (all-some)/each, secureKiB)
	}
	b.transfers(t, view, "beside")
	sessions := append(plain, secure...)
	for _, c := range sessions {
		if err := ask(c, 200, "NOOP"); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(b.descriptors(t)); n < len(open)+len(sessions) {
		t.Errorf("%d descriptors with %d sessions", n, len(sessions))
	}
	closeAll(sessions)
	b.awaitSessionEnds(t)
	b.back(t, open)
}

// transfers moves 20 files at a time, half of them up and half of them down, and compares every byte.
func (b server) transfers(t *testing.T, view harness.Bucket, prefix string) {
	t.Helper()
	const size = 3*harness.MiB + 1
	var all sync.WaitGroup
	for i := range 20 {
		name := fmt.Sprint(prefix, i)
		want := harness.SumOf(t, io.LimitReader(harness.Noise(name), size))
		w := b.Connect(t)
		if i%2 == 0 {
			all.Go(func() { w.Store(name, io.LimitReader(harness.Noise(name), size)); w.Cmd(221, "QUIT") })
			defer func() {
				if got := view.Sum(name); got != want {
					t.Errorf("%s: S3 has %s, want %s", name, got, want)
				}
			}()
			continue
		}
		var content strings.Builder
		io.CopyN(&content, harness.Noise(name), size)
		view.Put(name, content.String())
		all.Go(func() {
			if got := harness.SumOf(t, w.Open("RETR %s", name)); got != want {
				t.Errorf("%s: %s comes, want %s", name, got, want)
			}
			w.Expect(226)
			w.Cmd(221, "QUIT")
		})
	}
	all.Wait()
}

// idle opens sessions.
func (b server) idle(t *testing.T, n int, open func() (*textproto.Conn, error)) []*textproto.Conn {
	t.Helper()
	sessions := make([]*textproto.Conn, n)
	var all sync.WaitGroup
	for g := range 8 {
		all.Go(func() {
			for i := g; i < n; i += 8 {
				c, err := open()
				if err != nil {
					t.Error(err)
					return
				}
				sessions[i] = c
			}
		})
	}
	all.Wait()
	if t.Failed() {
		t.FailNow()
	}
	return sessions
}

func closeAll(sessions []*textproto.Conn) {
	for _, c := range sessions {
		c.Close()
	}
}

// ask sends a command and expects one reply.
func ask(c *textproto.Conn, code int, format string, args ...any) error {
	if err := c.PrintfLine(format, args...); err != nil {
		return err
	}
	_, _, err := c.ReadResponse(code)
	return err
}

// logIn logs in on a connection that the server has greeted.
func logIn(c *textproto.Conn) (*textproto.Conn, error) {
	if err := ask(c, 331, "USER %s", harness.User); err != nil {
		return nil, err
	}
	return c, ask(c, 230, "PASS %s", harness.Password)
}

var anyCertificate = &tls.Config{InsecureSkipVerify: true}

// clear opens a session in clear.
func (b server) clear() (*textproto.Conn, error) {
	c, err := textproto.Dial("tcp", b.Addr)
	if err != nil {
		return nil, err
	}
	if _, _, err := c.ReadResponse(220); err != nil {
		return nil, err
	}
	return logIn(c)
}

// explicit opens a session with explicit TLS.
func (b server) explicit() (*textproto.Conn, error) {
	conn, err := net.Dial("tcp", b.Addr)
	if err != nil {
		return nil, err
	}
	c := textproto.NewConn(conn)
	if _, _, err := c.ReadResponse(220); err != nil {
		return nil, err
	}
	if err := ask(c, 234, "AUTH TLS"); err != nil {
		return nil, err
	}
	return logIn(textproto.NewConn(tls.Client(conn, anyCertificate)))
}

// implicit opens a session with implicit TLS.
func (b server) implicit(addr string) func() (*textproto.Conn, error) {
	return func() (*textproto.Conn, error) {
		conn, err := tls.Dial("tcp", addr, anyCertificate)
		if err != nil {
			return nil, err
		}
		c := textproto.NewConn(conn)
		if _, _, err := c.ReadResponse(220); err != nil {
			return nil, err
		}
		return logIn(c)
	}
}

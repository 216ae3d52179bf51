package ftp

import (
	"context"
	"crypto/tls"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy/observe"
)

// A faultyConn is a control connection with one method that panics.
type faultyConn struct {
	net.Conn
	method string
	armed  *atomic.Bool
}

func (c faultyConn) panics(method string) {
	if c.method == method && c.armed.Load() {
		panic("a bug in " + method)
	}
}

func (c faultyConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.panics("Read")
	return n, err
}

func (c faultyConn) Close() error {
	defer c.panics("Close")
	return c.Conn.Close()
}

func (c faultyConn) CloseWrite() error {
	c.panics("CloseWrite")
	return nil
}

func (c faultyConn) LocalAddr() net.Addr { return net.TCPAddrFromAddrPort(serverAddr) }

func (c faultyConn) RemoteAddr() net.Addr {
	c.panics("RemoteAddr")
	return net.TCPAddrFromAddrPort(netip.AddrPortFrom(clientAddr, 2000))
}

// A panic in any goroutine of a session ends this session only, is counted and logged, and frees the session's resources.
func TestPanicEndsOnlyItsSession(t *testing.T) {
	for _, c := range []struct {
		method   string // the one that panics; TLS is the function TLS.Config
		implicit bool
		say      string
	}{
		{"RemoteAddr", false, ""}, // like a connection that reads a PROXY header
		{"Read", false, "NOOP\r\n"},
		{"CloseWrite", false, "QUIT\r\n"},
		{"Close", false, "QUIT\r\n"},
		{"TLS", true, ""},
	} {
		t.Run(c.method, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				log := new(logBuffer)
				srv := &Server{Observer: observe.Log(slog.New(slog.NewTextHandler(log, nil)))}
				srv.TLS = &TLS{Config: func() *tls.Config { panic("a bug in TLS") }}
				client, server := net.Pipe()
				conn := faultyConn{server, c.method, new(atomic.Bool)}
				conn.armed.Store(c.method == "RemoteAddr")
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				over := make(chan struct{})
				go srv.session(ctx, ctx, conn, c.implicit, func() { close(over) })
				synctest.Wait()
				if c.say != "" {
					io.ReadFull(client, make([]byte, len("220 s3ftpd ready.\r\n")))
					conn.armed.Store(true)
					go io.Copy(io.Discard, client)
					io.WriteString(client, c.say)
				}
				select {
				case <-over:
				case <-time.After(10 * time.Second):
					t.Error("the session has not ended")
				}
				client.Close()
				synctest.Wait() // for the goroutine that logs its panic
				if n := srv.Panics(); n < 1 || !strings.Contains(log.String(), "a bug in "+c.method) {
					t.Errorf("%d panics counted, log:\n%s", n, log.String())
				}
				if n, _ := srv.sessions().Running(); n != 0 {
					t.Errorf("%d sessions are still counted", n)
				}
			})
		})
	}
}

// A panic while commands are read closes the queue and the control connection, which fails a running upload.
func TestPanicOfReaderClosesControlConnection(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, gone := newCommandQueue(), make(chan struct{})
		client, server := net.Pipe()
		s := &session{srv: &Server{}, raw: server, ctx: t.Context()}
		armed := new(atomic.Bool)
		armed.Store(true)
		go func() {
			defer s.recoverPanic("reading commands")
			readLines(faultyConn{server, "Read", armed}, q, gone, nil)
		}()
		io.WriteString(client, "NOOP\r\n")
		<-gone
		synctest.Wait() // for the count
		if _, open := <-q.lines; open || s.srv.Panics() != 1 {
			t.Errorf("lines are open: %v, %d panics", open, s.srv.Panics())
		}
		if _, err := client.Read(make([]byte, 1)); err != io.EOF {
			t.Errorf("the control connection: %v", err)
		}
	})
}

// A faultyPort panics when it is closed.
type faultyPort struct{ dataPort }

func (faultyPort) Close() error { panic("a bug in Close") }

// A panic in a goroutine that closes data connections ends the session, not the process.
func TestPanicInBackgroundEndsSession(t *testing.T) {
	for name, begin := range map[string]func(*session){
		"a tail":         func(s *session) { s.lingering.Go(func() { panic("a bug") }) },
		"a refused port": func(s *session) { s.holdRefused(faultyPort{}) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				client, server := net.Pipe()
				s := &session{srv: &Server{}, raw: server, ctx: t.Context()}
				s.lingering = &lingering{session: s}
				begin(s)
				s.lingering.Wait()
				<-time.After(time.Minute)
				if _, err := client.Read(make([]byte, 1)); err != io.EOF || s.srv.Panics() != 1 {
					t.Errorf("the control connection: %v; %d panics", err, s.srv.Panics())
				}
			})
		})
	}
}

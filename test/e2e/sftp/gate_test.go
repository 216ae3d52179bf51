package sftp

import (
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// A gate relays one connection of a client to a server. After a number of bytes from the client it holds the rest back, until open is
// called. It passes on a FIN and a reset as they are.
type gate struct {
	addr string        // where the client connects
	held chan struct{} // closed when bytes are held back
	open func()
	peer string        // the gate's address for the server; valid after held or end
	sent int64         // bytes of the client; valid after end
	end  chan struct{} // closed when both directions have ended
}

// newGate starts a gate that lets so many bytes pass.
func newGate(t testing.TB, server string, bytes int64) *gate {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	opened := make(chan struct{})
	g := &gate{addr: l.Addr().String(), held: make(chan struct{}), end: make(chan struct{}), open: sync.OnceFunc(func() { close(opened) })}
	t.Cleanup(func() { l.Close() })
	t.Cleanup(g.open)
	go func() {
		defer close(g.end)
		client, err := l.Accept()
		if err != nil {
			return
		}
		defer client.Close()
		to, err := net.Dial("tcp", server)
		if err != nil {
			return
		}
		defer to.Close()
		g.peer = to.LocalAddr().String()
		g.relay(client.(*net.TCPConn), to.(*net.TCPConn), bytes, opened)
	}()
	return g
}

func (g *gate) relay(client, server *net.TCPConn, bytes int64, opened chan struct{}) {
	var back sync.WaitGroup
	back.Go(func() { pass(client, server) })
	n, err := io.CopyN(server, client, bytes)
	g.sent = n
	if err == nil {
		close(g.held)
		<-opened
		n, err = io.Copy(server, client)
		g.sent += n
	}
	finish(server, err)
	back.Wait()
}

// pass copies one direction of a connection, and its end.
func pass(to, from *net.TCPConn) {
	_, err := io.Copy(to, from)
	finish(to, err)
}

// finish ends a direction with a FIN or a reset.
func finish(to *net.TCPConn, err error) {
	if errors.Is(err, syscall.ECONNRESET) {
		to.SetLinger(0)
		to.Close()
		return
	}
	to.CloseWrite()
}

// wait waits for the end of the server's session, if there was a connection.
func (g *gate) wait(t *testing.T, log *harness.Log) {
	t.Helper()
	<-g.end
	if g.peer != "" {
		log.Await(t, "session ends", "peer="+g.peer)
	}
}

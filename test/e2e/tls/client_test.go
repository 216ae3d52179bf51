package tls

import (
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/textproto"
	"sync"
	"testing"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// A tlsConn is a bare client over explicit TLS, with protected data connections.
type tlsConn struct {
	*harness.Client
	config *tls.Config
	under  net.Conn // the TCP connection of the control connection
}

// connectTLS opens a control connection, secures it and logs in. With tickets its data connections resume its TLS session.
func connectTLS(t testing.TB, b harness.TLSServer, version string, tickets tls.ClientSessionCache) *tlsConn {
	t.Helper()
	conn, err := net.Dial("tcp", b.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	w := &tlsConn{under: conn, config: &tls.Config{RootCAs: b.Roots, ServerName: "127.0.0.1", ClientSessionCache: tickets,
		MinVersion: harness.TLSVersions[version], MaxVersion: harness.TLSVersions[version]}}
	w.Client = &harness.Client{T: t, Conn: textproto.NewConn(conn), Host: "127.0.0.1"}
	w.Expect(220)
	w.Cmd(234, "AUTH TLS")
	w.Conn = textproto.NewConn(tls.Client(conn, w.config))
	w.Login()
	w.Cmd(200, "PBSZ 0")
	w.Cmd(200, "PROT P")
	return w
}

// A tlsData is a data connection over TLS, with its TCP connection.
type tlsData struct {
	*tls.Conn
	tcp *net.TCPConn
}

// open begins a transfer.
func (w *tlsConn) open(format string, args ...any) tlsData {
	w.T.Helper()
	d := tlsData{tcp: w.Client.Open(format, args...)}
	d.Conn = tls.Client(&recordReader{Conn: d.tcp}, w.config)
	if err := d.Handshake(); err != nil {
		w.T.Fatal(err)
	}
	return d
}

// errNoCloseNotify is the end of a data connection by FIN, without close_notify.
var errNoCloseNotify = errors.New("FIN without close_notify")

// A recordReader gives crypto/tls one record at a time, as OpenSSL reads, so that data behind a handshake is not read with it. It
// reports a FIN without close_notify as an error.
type recordReader struct {
	net.Conn
	header []byte
	left   int // of the record
}

func (f *recordReader) Read(p []byte) (int, error) {
	most := f.left
	if most == 0 {
		most = 5 - len(f.header)
	}
	n, err := f.Conn.Read(p[:min(most, len(p))])
	if f.left > 0 {
		f.left -= n
	} else if f.header = append(f.header, p[:n]...); len(f.header) == 5 {
		f.left, f.header = int(f.header[3])<<8|int(f.header[4]), nil
	}
	if err == io.EOF {
		err = errNoCloseNotify // not io.ErrUnexpectedEOF, which crypto/tls turns into io.EOF between two records
	}
	return n, err
}

// A ticketCache keeps the latest ticket, and offers it only if enabled.
type ticketCache struct {
	mu     sync.Mutex
	show   bool
	latest *tls.ClientSessionState
}

func (b *ticketCache) Get(string) (*tls.ClientSessionState, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.latest, b.show && b.latest != nil
}

func (b *ticketCache) Put(_ string, s *tls.ClientSessionState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if s != nil {
		b.latest = s
	}
}

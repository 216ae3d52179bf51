package netns

import (
	"crypto/tls"
	"io"
	"net"
	"net/textproto"

	"github.com/s3ftpd/s3ftpd/test/e2e/harness"
)

// A bareTLSClient is a bareClient with TLS on both connections; data connections resume the session of the control connection.
type bareTLSClient struct {
	*bareClient
	config *tls.Config
}

// loginTLS logs in at a server with that version of TLS.
func (h *host) loginTLS(addr string, version uint16) *bareTLSClient {
	h.t.Helper()
	conn, err := h.dial(addr)
	if err != nil {
		h.t.Fatal(err)
	}
	server, _, _ := net.SplitHostPort(addr)
	plain := &harness.Client{T: h.t, Conn: textproto.NewConn(conn), Host: server}
	plain.Expect(220)
	plain.Cmd(234, "AUTH TLS")
	config := &tls.Config{InsecureSkipVerify: true, ServerName: server, MinVersion: version, MaxVersion: version,
		ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	w := &harness.Client{T: h.t, Conn: textproto.NewConn(tls.Client(conn, config)), Host: server}
	w.Login()
	w.Cmd(200, "PBSZ 0")
	w.Cmd(200, "PROT P")
	return &bareTLSClient{&bareClient{w, h, conn.LocalAddr().String()}, config}
}

// connect opens the data connection; TLS begins with the transfer.
func (g *bareTLSClient) connect(addr string) *tls.Conn {
	g.T.Helper()
	return tls.Client(g.bareClient.connect(addr), g.config)
}

// fetch returns the sum of a file, which must end with close_notify.
func (g *bareTLSClient) fetch(data *tls.Conn, name string) string {
	g.T.Helper()
	g.Cmd(150, "RETR %s", name)
	sum := harness.SumOf(g.T, data)
	data.Close()
	g.Expect(226)
	return sum
}

// resumeOnce transfers once, so that the server knows that this client resumes TLS sessions.
func (g *bareTLSClient) resumeOnce() {
	g.T.Helper()
	data := g.connect(g.passive("EPSV"))
	g.Cmd(150, "NLST")
	if _, err := io.Copy(io.Discard, data); err != nil {
		g.T.Fatal(err)
	}
	data.Close()
	g.Expect(226)
	if !data.ConnectionState().DidResume {
		g.T.Fatal("the data connection does not resume the TLS session")
	}
}

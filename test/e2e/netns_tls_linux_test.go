package e2e

import (
	"crypto/tls"
	"io"
	"net"
	"net/textproto"
)

// A secureGuest is a guest who speaks TLS on both connections, and resumes the session of the one on the other.
type secureGuest struct {
	*guest
	config *tls.Config
}

// visitTLS logs in at a bridge by that version of TLS.
func (h *host) visitTLS(addr string, version uint16) *secureGuest {
	h.t.Helper()
	conn, err := h.dial(addr)
	if err != nil {
		h.t.Fatal(err)
	}
	server, _, _ := net.SplitHostPort(addr)
	plain := &wire{h.t, textproto.NewConn(conn), server}
	plain.expect(220)
	plain.say(234, "AUTH TLS")
	config := &tls.Config{InsecureSkipVerify: true, ServerName: server, MinVersion: version, MaxVersion: version,
		ClientSessionCache: tls.NewLRUClientSessionCache(1)}
	w := &wire{h.t, textproto.NewConn(tls.Client(conn, config)), server}
	w.login()
	w.say(200, "PBSZ 0")
	w.say(200, "PROT P")
	return &secureGuest{&guest{w, h, conn.LocalAddr().String()}, config}
}

// connect opens the data connection; TLS begins with the transfer.
func (g *secureGuest) connect(addr string) *tls.Conn {
	g.t.Helper()
	return tls.Client(g.guest.connect(addr), g.config)
}

// fetch returns the sum of a file. The whole of it has come only if TLS says so.
func (g *secureGuest) fetch(data *tls.Conn, name string) string {
	g.t.Helper()
	g.say(150, "RETR %s", name)
	sum := sumOf(g.t, data)
	data.Close()
	g.expect(226)
	return sum
}

// familiar lets the bridge see once that this client resumes TLS sessions.
func (g *secureGuest) familiar() {
	g.t.Helper()
	data := g.connect(g.passive("EPSV"))
	g.say(150, "NLST")
	if _, err := io.Copy(io.Discard, data); err != nil {
		g.t.Fatal(err)
	}
	data.Close()
	g.expect(226)
	if !data.ConnectionState().DidResume {
		g.t.Fatal("the data connection does not resume the TLS session")
	}
}

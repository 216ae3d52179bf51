package ftp

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"slices"
)

// Extensions of a ClientHello with a session ticket: session_ticket before TLS 1.3, which may be empty (RFC 5077, section 3.2), and
// pre_shared_key in TLS 1.3 (RFC 8446, section 4.2.11).
const (
	extensionTicket = 35
	extensionPSK    = 41
)

// errNotResumed: the data connection may be another client's.
var errNotResumed = errors.New("the data connection does not resume the TLS session of the control connection")

// errOtherCertificate: the data connection has another client certificate than the control connection.
var errOtherCertificate = errors.New("the data connection has another client certificate than the control connection")

// errNoCloseNotify: the data connection of an upload may have been cut.
var errNoCloseNotify = errors.New("the data connection ended without TLS close_notify")

// A tlsError means that TLS could not be established on a data connection.
type tlsError struct{ err error }

func (e tlsError) Error() string { return "data connection: TLS: " + e.err.Error() }
func (e tlsError) Unwrap() error { return e.err }

// protect does the TLS handshake of a data connection. For uploads it sends no ticket. A connection that was identified by its ticket
// must resume its session.
func (c *tlsSession) protect(ctx context.Context, conn net.Conn, upload, identified bool) (*tls.Conn, error) {
	secure := tls.Server(conn, c.dataConfig(upload))
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, tlsError{causedBy(ctx, err)}
	}
	resumed := secure.ConnectionState().DidResume
	c.lastResumed = resumed
	if !resumed && (identified || c.DataSession == Required) {
		return nil, tlsError{errNotResumed}
	}
	return secure, nil
}

// dataConfig returns the TLS configuration of a data connection.
//
// In TLS 1.3 a ticket is sent after the handshake. A client that only sends may not read it; it then closes the connection with
// unread bytes, which sends a reset and may destroy the end of the upload. So uploads get no ticket.
func (c *tlsSession) dataConfig(upload bool) *tls.Config {
	config := c.config.Clone()
	config.DynamicRecordSizingDisabled = true // it helps interactive clients only
	config.WrapSession = func(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		if !cs.DidResume { // the client may be another one: do not issue a ticket of this session
			return c.config.EncryptTicket(cs, ss)
		}
		return c.seal(cs, ss)
	}
	config.VerifyConnection = c.verifySameClient
	config.UnwrapSession = func(ticket []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		if upload && cs.Version >= tls.VersionTLS13 {
			config.SessionTicketsDisabled = true // crypto/tls checks it again before it sends a ticket
		}
		ss, id := unseal(c.config, ticket, cs)
		if id != c.id {
			return nil, nil // another session's ticket, or an unknown one: do a full handshake
		}
		return ss, nil
	}
	config.GetConfigForClient = func(hello *tls.ClientHelloInfo) (*tls.Config, error) {
		if upload && slices.Contains(hello.SupportedVersions, tls.VersionTLS13) && !slices.Contains(hello.Extensions, extensionPSK) {
			config.SessionTicketsDisabled = true
		}
		return nil, nil
	}
	return config
}

// verifySameClient checks the client certificate, also of resumed sessions.
func (c *tlsSession) verifySameClient(cs tls.ConnectionState) error {
	if !peerCertificate(cs).Equal(peerCertificate(c.state)) {
		return errOtherCertificate
	}
	return nil
}

// peerCertificate returns the client's certificate, or nil.
func peerCertificate(cs tls.ConnectionState) *x509.Certificate {
	if len(cs.PeerCertificates) == 0 {
		return nil
	}
	return cs.PeerCertificates[0]
}

// certificate returns the client's verified certificate, or nil.
func (c *tlsSession) certificate() *x509.Certificate {
	if c == nil || len(c.state.VerifiedChains) == 0 {
		return nil
	}
	return peerCertificate(c.state)
}

// A closeNotifyConn returns errNoCloseNotify for a FIN. Without it crypto/tls returns io.EOF for a FIN between two records, and a
// connection that was cut there looks complete.
type closeNotifyConn struct{ net.Conn }

func (g closeNotifyConn) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if err == io.EOF {
		err = errNoCloseNotify
	}
	return n, err
}

const (
	oneRecord  = 16 << 10              // plaintext of a TLS record
	twoRecords = 2 * (oneRecord + 256) // with TLS overhead
)

// A batchConn sends two TLS records at a time, which saves a sixth of the CPU time of a download.
type batchConn struct {
	net.Conn
	w         *bufio.Writer // nil until the first write of more than a record
	buffering bool          // while Write buffers
}

// batch calls write, which writes TLS records to g, and flushes them.
func (g *batchConn) batch(write func([]byte) (int, error), p []byte) (n int, err error) {
	if g == nil || len(p) <= oneRecord {
		return write(p)
	}
	if g.w == nil {
		g.w = bufio.NewWriterSize(g.Conn, twoRecords)
	}
	g.buffering = true
	n, err = write(p)
	if g.buffering = false; err == nil {
		err = g.w.Flush()
	}
	return n, err
}

// Write is called by crypto/tls.
func (g *batchConn) Write(p []byte) (int, error) {
	if g.buffering {
		return g.w.Write(p)
	}
	return g.Conn.Write(p)
}

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

// Extensions of a ClientHello in which a client shows a ticket: before TLS 1.3, where it may be empty (RFC 5077, section 3.2),
// and in TLS 1.3 (RFC 8446, section 4.2.11).
const (
	extensionTicket = 35
	extensionPSK    = 41
)

// errNotResumed is why a data connection is refused that could be anybody's.
var errNotResumed = errors.New("the data connection does not resume the TLS session of the control connection")

// errOtherCertificate is why a data connection is refused whose client is another than that of the control connection.
var errOtherCertificate = errors.New("the data connection shows another client certificate than the control connection")

// errNoCloseNotify is why an upload is refused whose data connection ended as a cut one does.
var errNoCloseNotify = errors.New("the data connection ended without TLS close_notify")

// A tlsError says that a data connection could not be secured.
type tlsError struct{ err error }

func (e tlsError) Error() string { return "data connection: TLS: " + e.err.Error() }
func (e tlsError) Unwrap() error { return e.err }

// protect makes TLS of a data connection. Where the client only sends, it gets no ticket. One that was told by its ticket has
// to resume by it.
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

// dataConfig returns the configuration of one data connection.
//
// On one that the client only sends on, no ticket goes out after the handshake, as it does in TLS 1.3: a client that never reads
// it closes the connection with something unread, which resets it, and the reset destroys what the client sent last.
func (c *tlsSession) dataConfig(upload bool) *tls.Config {
	config := c.config.Clone()
	config.DynamicRecordSizingDisabled = true // which is for who waits for the first lines
	config.WrapSession = func(cs tls.ConnectionState, ss *tls.SessionState) ([]byte, error) {
		if !cs.DidResume { // it may be anybody's: its ticket must not be one of this session
			return c.config.EncryptTicket(cs, ss)
		}
		return c.seal(cs, ss)
	}
	config.VerifyConnection = c.verifySameClient
	config.UnwrapSession = func(ticket []byte, cs tls.ConnectionState) (*tls.SessionState, error) {
		if upload && cs.Version >= tls.VersionTLS13 {
			config.SessionTicketsDisabled = true // crypto/tls asks for it once more, before it sends a ticket
		}
		ss, id := unseal(c.config, ticket, cs)
		if id != c.id {
			return nil, nil // of another session, or of none: the handshake goes on in full
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

// verifySameClient refuses another client's certificate, in a resumed TLS session too.
func (c *tlsSession) verifySameClient(cs tls.ConnectionState) error {
	if !peerCertificate(cs).Equal(peerCertificate(c.state)) {
		return errOtherCertificate
	}
	return nil
}

// shown returns the certificate that a client has shown, or nil.
func peerCertificate(cs tls.ConnectionState) *x509.Certificate {
	if len(cs.PeerCertificates) == 0 {
		return nil
	}
	return cs.PeerCertificates[0]
}

// certificate returns the client's certificate, which was verified, or nil.
func (c *tlsSession) certificate() *x509.Certificate {
	if c == nil || len(c.state.VerifiedChains) == 0 {
		return nil
	}
	return peerCertificate(c.state)
}

// A guarded connection tells a cut TLS connection from one that was ended: crypto/tls takes the end of a TCP connection
// between two records for the end of the data.
type closeNotifyConn struct{ net.Conn }

func (g closeNotifyConn) Read(p []byte) (int, error) {
	n, err := g.Conn.Read(p)
	if err == io.EOF {
		err = errNoCloseNotify
	}
	return n, err
}

const (
	oneRecord  = 16 << 10              // bytes that go into a TLS record
	twoRecords = 2 * (oneRecord + 256) // with what TLS adds
)

// A gathered connection sends records of TLS two at a time, which spares a sixth of what a download costs the processor.
type batchConn struct {
	net.Conn
	w         *bufio.Writer // nil before the first write that is more than a record
	buffering bool          // for more to come
}

// gather calls write, which is TLS's on g, and sends what that has come to.
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

// Write takes what TLS sends.
func (g *batchConn) Write(p []byte) (int, error) {
	if g.buffering {
		return g.w.Write(p)
	}
	return g.Conn.Write(p)
}

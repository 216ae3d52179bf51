package ftp

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// TLS is how a Server secures its connections (RFC 2228 and 4217).
type TLS struct {
	// Config returns what the next session is served with: its certificates, the least version, the cipher suites, and whose
	// certificates clients have to show. All else in it is set by the server.
	Config func() *tls.Config

	Control     Demand // for TLS on sessions that begin in clear; Never = AUTH is refused
	DataSession Demand // for data connections to resume the TLS session of their own control connection; Never = they cannot

	// Share lets sessions of one address await their data connections on one port at the same time, where all ports are in
	// use: the ticket that a data connection shows says whose it is. That is true of clients that keep the tickets of each
	// control connection apart, as most do. One that does not, such as curl --parallel, would mix its files up.
	Share bool

	// LenientClose publishes uploads whose data connection ends without close_notify, as some old clients end theirs.
	// A cut connection then looks like a whole file, if the control connection stays.
	LenientClose bool
}

// A Demand says what is asked of a client.
type Demand int

const (
	Optional Demand = iota
	Required
	Never
)

// handshakeTimeout is how long a client may take for a TLS handshake.
const handshakeTimeout = 10 * time.Second

// A secured is the TLS of one session: that of its control connection, and what its data connections are held against.
type tlsSession struct {
	*TLS
	config      *tls.Config // of the control connection; those of data connections are made from it
	id          string      // sealed in every ticket that is issued here
	state       tls.ConnectionState
	lastResumed bool // the last data connection has resumed
	weakLogged  bool // a connection of the session was weak, and the log has it
}

// tlsHandshake makes TLS of a control connection.
func (srv *Server) tlsHandshake(ctx context.Context, conn net.Conn) (*tls.Conn, *tlsSession, error) {
	c := &tlsSession{TLS: srv.TLS, id: newTicketID()}
	c.config = srv.TLS.Config().Clone()
	c.config.NextProtos = []string{"ftp"} // a browser that is led here by another's certificate asks for another protocol
	c.config.SetSessionTicketKeys(srv.tickets.keys())
	c.config.WrapSession = c.seal
	c.config.SessionTicketsDisabled = srv.TLS.DataSession == Never
	secure := tls.Server(conn, c.config) // may resume an earlier session: cameras come for every file
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, nil, fmt.Errorf("TLS handshake: %w", causedBy(ctx, err))
	}
	c.state = secure.ConnectionState()
	return secure, c, nil
}

// secure makes the control connection a TLS one, once the reply to AUTH is out, and lets the commands come from it.
func (s *session) startTLS(ctx context.Context, p *authPause) error {
	conn, secured, err := s.srv.tlsHandshake(ctx, s.raw)
	if err != nil {
		p.readOn <- nil
		return err
	}
	s.tlsStarted(ctx, conn, secured)
	p.readOn <- conn
	return nil
}

// begun notes that the session is a TLS one from now on.
func (s *session) tlsStarted(ctx context.Context, conn *tls.Conn, secured *tlsSession) {
	s.conn, s.tls = conn, secured
	s.entry.SetTLS(tls.VersionName(secured.state.Version))
	if !secured.noteWeak(ctx, s.srv.observer(), secured.state) {
		version, cipher := describeTLS(secured.state)
		s.observe(ctx, event.TLSHandshake{Version: version, Cipher: cipher})
	}
}

// describeTLS names the version and the cipher suite of a connection.
func describeTLS(state tls.ConnectionState) (version, cipher string) {
	return tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)
}

// noteWeak tells of the first connection of a session whose TLS is too weak for anything but an old device, and says whether it did.
func (c *tlsSession) noteWeak(ctx context.Context, o proxy.Observer, state tls.ConnectionState) bool {
	if c.weakLogged || !isWeak(state) {
		return false
	}
	c.weakLogged = true
	version, cipher := describeTLS(state)
	o.Observe(ctx, event.TLSLegacy{Version: version, Cipher: cipher})
	return true
}

// isWeak says whether a connection has a version of TLS, or a cipher suite, that crypto/tls speaks only when it is told to.
func isWeak(state tls.ConnectionState) bool {
	return state.Version < tls.VersionTLS12 ||
		slices.ContainsFunc(tls.InsecureCipherSuites(), func(suite *tls.CipherSuite) bool { return suite.ID == state.CipherSuite })
}

// insists says whether nothing may go in clear.
func (s *session) requiresTLS() bool { return s.srv.TLS != nil && s.srv.TLS.Control == Required }

// errTLSRequired refuses a login in clear where that is not allowed, before there is a password on the wire if possible.
var errTLSRequired = reply{530, "TLS required, send AUTH TLS first."}

func (s *session) cmdAuth(_ context.Context, arg string) error {
	switch {
	case s.srv.TLS == nil || s.srv.TLS.Control == Never && s.tls == nil:
		return reply{502, "TLS is not available."}
	case s.tls != nil:
		return reply{503, "TLS is already active."}
	}
	arg = strings.ToUpper(arg)
	switch arg {
	case "TLS", "TLS-C", "SSL", "TLS-P":
	default:
		return reply{504, "Unknown mechanism, use AUTH TLS."}
	}
	s.reset() // what was said in clear may be another's word
	// SSL and TLS-P mean protected data connections as well (RFC 4217, section 17).
	s.pbsz, s.protP = arg == "SSL" || arg == "TLS-P", arg == "SSL" || arg == "TLS-P"
	return s.ok(234, "Proceed with TLS negotiation.")
}

// errNoTLS answers what has a meaning under TLS only.
var errNoTLS = reply{503, "Send AUTH TLS first."}

func (s *session) cmdPbsz(_ context.Context, arg string) error {
	switch {
	case s.tls == nil:
		return errNoTLS
	case !isNumber(arg):
		return reply{501, "Use PBSZ 0."}
	}
	s.pbsz = true
	return s.ok(200, "PBSZ=0")
}

// cmdProt says whether data connections are protected (RFC 4217, section 9).
func (s *session) cmdProt(_ context.Context, arg string) error {
	switch {
	case s.tls == nil:
		return errNoTLS
	case !s.pbsz:
		return reply{503, "Send PBSZ 0 first."}
	}
	switch strings.ToUpper(arg) {
	case "P":
		s.protP = true
		return s.ok(200, "Protection level set to P.")
	case "C":
		if s.requiresTLS() {
			return reply{534, "TLS required on data connections, use PROT P."}
		}
		s.protP = false
		return s.ok(200, "Protection level set to C.")
	case "S", "E":
		return reply{536, "Protection level not supported, use PROT P."}
	}
	return reply{504, "Unknown protection level, use PROT P."}
}

// cmdCcc refuses to go on in clear: whoever is in between could then say what he likes.
func (s *session) cmdCcc(context.Context, string) error {
	if s.tls == nil {
		return reply{533, "TLS is not active."}
	}
	return reply{534, "CCC not allowed."}
}

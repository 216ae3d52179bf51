package ftp

import (
	"context"
	"crypto/tls"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// TLS configures the security of a Server's connections (RFC 2228 and 4217).
type TLS struct {
	// Config returns the configuration of the next session: certificates, minimum version, cipher suites and client
	// authentication. The server sets all other fields.
	Config func() *tls.Config

	Control     Demand // for TLS on connections that begin without it; Never = AUTH is refused
	DataSession Demand // for data connections to resume the TLS session of their control connection; Never = no tickets

	// Share lets sessions of one client address wait on one passive port at the same time, if all ports are in use: the ticket of
	// a data connection identifies its session. Clients that share tickets between control connections, such as curl --parallel,
	// would mix up their files.
	Share bool

	// LenientClose publishes uploads whose data connection ends without close_notify, for old clients. A connection that was cut
	// then passes for a complete upload, if the control connection stays open.
	LenientClose bool
}

// A Demand is a requirement for clients.
type Demand int

const (
	Optional Demand = iota
	Required
	Never
)

// handshakeTimeout limits a TLS handshake.
const handshakeTimeout = 10 * time.Second

// A tlsSession is the TLS state of a session's control connection, against which its data connections are checked.
type tlsSession struct {
	*TLS
	config      *tls.Config // of the control connection; those of data connections are copies
	id          string      // in every ticket of this session, see seal
	state       tls.ConnectionState
	lastResumed bool // the last data connection was resumed
	weakLogged  bool // weak TLS was reported for this session
}

// A HandshakeError ends a session whose TLS handshake on the control connection failed.
type HandshakeError struct {
	Implicit bool // TLS without AUTH
	Err      error
}

func (e *HandshakeError) Error() string { return "TLS handshake: " + e.Err.Error() }
func (e *HandshakeError) Unwrap() error { return e.Err }

// tlsHandshake does the TLS handshake of a control connection.
func (srv *Server) tlsHandshake(ctx context.Context, conn net.Conn, implicit bool) (*tls.Conn, *tlsSession, error) {
	c := &tlsSession{TLS: srv.TLS, id: newTicketID()}
	c.config = srv.TLS.Config().Clone()
	c.config.NextProtos = []string{"ftp"} // refuses a browser that was redirected here (ALPACA): it asks for another protocol
	c.config.SetSessionTicketKeys(srv.tickets.keys())
	c.config.WrapSession = c.seal
	c.config.SessionTicketsDisabled = srv.TLS.DataSession == Never
	secure := tls.Server(conn, c.config) // may resume a session: cameras connect for each file
	ctx, cancel := context.WithTimeout(ctx, handshakeTimeout)
	defer cancel()
	if err := secure.HandshakeContext(ctx); err != nil {
		return nil, nil, &HandshakeError{implicit, causedBy(ctx, err)}
	}
	c.state = secure.ConnectionState()
	return secure, c, nil
}

// startTLS does the handshake after AUTH and its reply, and continues reading commands over TLS.
func (s *session) startTLS(ctx context.Context, p *authPause) error {
	conn, secured, err := s.srv.tlsHandshake(ctx, s.raw, false)
	if err != nil {
		p.readOn <- nil
		return err
	}
	s.tlsStarted(ctx, conn, secured)
	p.readOn <- conn
	return nil
}

// tlsStarted sets the session's TLS state.
func (s *session) tlsStarted(ctx context.Context, conn *tls.Conn, secured *tlsSession) {
	s.conn, s.tls = conn, secured
	s.entry.SetTLS(tls.VersionName(secured.state.Version))
	if !secured.noteWeak(ctx, s.srv.observer(), secured.state) {
		version, cipher := describeTLS(secured.state)
		s.observe(ctx, event.TLSHandshake{Version: version, Cipher: cipher})
	}
}

// describeTLS returns the names of a connection's version and cipher suite.
func describeTLS(state tls.ConnectionState) (version, cipher string) {
	return tls.VersionName(state.Version), tls.CipherSuiteName(state.CipherSuite)
}

// noteWeak reports the first weak connection of a session, and returns whether it did.
func (c *tlsSession) noteWeak(ctx context.Context, o proxy.Observer, state tls.ConnectionState) bool {
	if c.weakLogged || !isWeak(state) {
		return false
	}
	c.weakLogged = true
	version, cipher := describeTLS(state)
	o.Observe(ctx, event.TLSLegacy{Version: version, Cipher: cipher})
	return true
}

// isWeak reports whether a connection uses a version or cipher suite that crypto/tls disables by default.
func isWeak(state tls.ConnectionState) bool {
	return state.Version < tls.VersionTLS12 ||
		slices.ContainsFunc(tls.InsecureCipherSuites(), func(suite *tls.CipherSuite) bool { return suite.ID == state.CipherSuite })
}

// requiresTLS reports whether login and data without TLS are refused.
func (s *session) requiresTLS() bool { return s.srv.TLS != nil && s.srv.TLS.Control == Required }

// errTLSRequired refuses USER already, so that no password is sent without TLS.
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
	s.reset() // commands before TLS may be an attacker's
	// AUTH SSL and TLS-P imply PROT P (RFC 4217, section 17).
	s.pbsz, s.protP = arg == "SSL" || arg == "TLS-P", arg == "SSL" || arg == "TLS-P"
	return s.ok(234, "Proceed with TLS negotiation.")
}

// errNoTLS refuses commands that need TLS.
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

// cmdProt sets the protection of data connections (RFC 4217, section 9).
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

// cmdCcc refuses to end TLS on the control connection: an attacker could then send commands.
func (s *session) cmdCcc(context.Context, string) error {
	if s.tls == nil {
		return reply{533, "TLS is not active."}
	}
	return reply{534, "CCC not allowed."}
}

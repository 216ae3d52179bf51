package ftp

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"time"

	"github.com/s3ftpd/s3ftpd/passive"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
	"github.com/s3ftpd/s3ftpd/proxy/ftp/modez"
	"github.com/s3ftpd/s3ftpd/proxy/names"
)

// A session is one control connection and its state. Only one goroutine at a time uses it, see interruptible and becomeIdle.
type session struct {
	srv             *Server
	raw             net.Conn       // the TCP connection
	conn            net.Conn       // carries commands and replies: raw, or TLS on raw
	host            netip.Addr     // this host's address on raw
	local           netip.AddrPort // the address that the client connected to, which may be a load balancer's
	peer            netip.AddrPort
	ctx             context.Context // of the session, without its user
	cancel          context.CancelCauseFunc
	ended           func() // called when the session has ended
	began           time.Time
	dialer          *passive.Dialer // nil = active data connections are refused
	queue           *commandQueue
	lines           <-chan *line    // those of queue
	gone            <-chan struct{} // closed when the client has closed the control connection
	hard            context.Context // cancelled when the drain timeout is over
	drain           context.Context // cancelled when an idle session must end
	entry           *proxy.Session
	lingering       *lingering    // data connections that wait for the client's FIN
	discards        chan struct{} // limits the refused uploads that are read and discarded, see discard
	implicit        bool          // TLS without AUTH
	greeted         bool          // the first reply was sent
	idle            idleTimer
	timesOut        time.Time // the idle timeout, while the session waits for a command; otherwise zero
	announced       bool      // SessionStart was reported, see announce
	closing         bool      // close the session after this reply
	closeReason     error     // of closing, for the event; nil after QUIT
	writeErr        error     // first error of writing a reply; nothing is written after it
	failedLogins    int       // refused logins
	unknownCommands int       // unknown commands before login
	refusals        event.Refusals
	tls             *tlsSession // nil = no TLS
	pbsz            bool        // PBSZ was sent
	protP           bool        // PROT P was sent
	pending         []*line     // lines that were received during a command and run after it, at most maxQueued
	quit            *quitNotice // QUIT after the upload that runs; nil = no upload
	result          reply       // reply to the command that runs, see ok; zero = 200 OK
	more            bool        // another line was received together with the last one and will be in lines

	loginState
}

// A loginState is reset by REIN, AUTH and a new USER.
type loginState struct {
	loginTimeout <-chan time.Time // fires when the time to log in is over
	name         string           // argument of USER
	user         string           // user name in logs, shortened
	account      proxy.Account    // of the login, with the Place of the last change
	store        proxy.Store      // nil = not logged in
	dir          string
	known        names.Directories
	ascii        bool         // TYPE A
	mode         transferMode // MODE Z
	facts        []string
	epsvOnly     bool          // EPSV ALL
	hashName     string        // OPTS HASH; "" = SHA-256
	idleTimeout  time.Duration // SITE IDLE; 0 = the server's
	compat       proxy.Compat  // settings of the client's network; after login those of the account
	utf8         bool          // OPTS UTF8 ON

	// Arguments for a later command, which takes them.
	userGiven  bool          // USER was sent, for PASS
	port       dataPort      // PASV, EPSV, PORT or EPRT, for a transfer
	refused    *refusedPort  // data port of a transfer that was refused
	restOffset int64         // REST, for a transfer
	alloSize   int64         // ALLO, for an upload
	hashRange  *byteRange    // RANG, for HASH
	renameFrom string        // RNFR, for RNTO
	lastStored string        // file that the last upload stored, for RNFR
	reported   reportedEntry // size that SIZE or MLST reported, for APPE
}

// runCommands runs commands until the session ends. Its error is the reason, nil after QUIT; or errNoCommand.
func (s *session) runCommands(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = s.reportPanic("command", v)
			s.write(reply{421, "Internal error, closing connection."})
		}
	}()
	if !s.greeted {
		s.greeted = true
		s.reset()
		if err := s.write(reply{220, "s3ftpd ready."}); err != nil {
			return err
		}
	}
	for !s.closing {
		l, err := s.nextLine()
		if err == nil {
			err = s.handle(s.context(ctx), l)
		}
		if err != nil {
			var last reply
			if errors.As(err, &last) {
				s.write(last)
			}
			return err
		}
	}
	return s.closeReason
}

// closeWith ends the session after this reply, which is the reason in the event.
func (s *session) closeWith(last reply) reply {
	s.closing, s.closeReason = true, last
	return last
}

// handle runs a command line and sends its reply.
func (s *session) handle(ctx context.Context, l line) error {
	s.quit = l.quit
	r := s.execute(ctx, l)
	if r.code == 234 && l.pause.stopReading(s.raw) {
		// The client, or an attacker, sent it without TLS. Do not run it as if it came over TLS.
		r = s.closeWith(reply{503, "Data received between AUTH and its reply, closing connection."})
	}
	if s.tooManyUnknown(r) {
		r = s.closeWith(reply{421, "Too many unknown commands, closing connection."})
	}
	err := s.write(r)
	if l.pause == nil {
		return err
	}
	if err == nil && r.code == 234 {
		return s.startTLS(ctx, l.pause)
	}
	l.pause.readOn <- nil
	return err
}

// maxUnknown limits the unknown commands before login.
const maxUnknown = 10

func (s *session) tooManyUnknown(r reply) bool {
	if s.store != nil || r.code != 500 && r.code != 502 {
		return false
	}
	s.unknownCommands++
	return s.unknownCommands >= maxUnknown
}

// errClientClosed ends a session whose client sent no QUIT.
var errClientClosed = errors.New("the client closed the control connection")

// Last replies of sessions that the server ends.
var (
	errLoginTimeout   = reply{421, "Login timeout, closing connection."}
	errServerShutdown = reply{421, "Server is shutting down, closing connection."}
	errSessionEnded   = reply{421, "Session ended by an administrator, closing connection."}
	errUserRemoved    = reply{421, "User was removed or disabled, closing connection."}
	errClientLeft     = reply{421, "Connection closed by client."}
)

// drainReply returns the last reply of a session that is drained.
func (s *session) drainReply() reply {
	switch cause := context.Cause(s.drain); {
	case errors.Is(cause, proxy.ErrSessionEnded):
		return errSessionEnded
	case errors.Is(cause, proxy.ErrUserRemoved):
		return errUserRemoved
	}
	return errServerShutdown
}

// errBanned closes connections of clients that are banned.
var errBanned = reply{421, "Too many failed logins, try again later."}

// refusedSession returns the reply that refuses a session.
func refusedSession(err error) reply {
	switch {
	case errors.Is(err, proxy.ErrBanned):
		return errBanned
	case errors.Is(err, proxy.ErrTooManyFromAddress):
		return reply{421, "Too many sessions from your address."}
	}
	return reply{421, "Too many sessions, try again later."}
}

// nextLine returns the next command line. If the error is a reply, it is the last one of the session. errNoCommand means that none has
// come for a while: the session may become idle.
func (s *session) nextLine() (line, error) {
	if len(s.pending) > 0 {
		l := s.pending[0]
		s.pending = s.pending[1:]
		return *l, l.err
	}
	if s.timesOut.IsZero() {
		s.timesOut = time.Now().Add(cmp.Or(s.idleTimeout, s.srv.IdleTimeout, 5*time.Minute))
	}
	left := time.Until(s.timesOut)
	wait := left
	if s.store != nil { // before login a session does not last long
		wait = min(left, idleAfter)
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case l, ok := <-s.lines:
		if !ok {
			return line{}, errClientClosed
		}
		s.timesOut = time.Time{}
		s.announce(false)
		s.queue.lineTaken()
		s.more = l.more
		return *l, l.err
	case <-timer.C:
		if wait < left {
			return line{}, errNoCommand
		}
		return line{}, reply{421, "Idle timeout, closing connection."}
	case <-s.loginTimeout:
		return line{}, errLoginTimeout
	case <-s.drain.Done():
		return line{}, s.drainReply()
	}
}

// reset resets the session to the state before login. It does not restart the login timeout.
func (s *session) reset() {
	s.logout()
	login := cmp.Or(s.loginTimeout, time.After(cmp.Or(s.srv.LoginTimeout, time.Minute)))
	s.loginState = loginState{loginTimeout: login, dir: "/", facts: allFacts, compat: s.srv.compat(s.peer.Addr()),
		mode: transferMode{level: modez.DefaultLevel}}
}

// logout drops the account and the data port.
func (s *session) logout() {
	s.closePort()
	if take(&s.store) != nil {
		s.queue.setLoggedIn(false)
		s.entry.Logout()
		s.account.Leave()
	}
}

// closePort closes an unused data port.
func (s *session) closePort() {
	s.dropRefused()
	if p := take(&s.port); p != nil {
		p.Close()
	}
}

// controlWriteTimeout limits the time to send a reply.
const controlWriteTimeout = 30 * time.Second

func (s *session) write(r reply) error {
	return s.writeText(r.String())
}

func (s *session) writeText(text string) error {
	if s.writeErr == nil {
		s.conn.SetWriteDeadline(time.Now().Add(controlWriteTimeout))
		_, s.writeErr = s.conn.Write([]byte(encodeReply(s.codec(), text)))
		s.conn.SetWriteDeadline(time.Time{}) // TLS also writes on its own, e.g. to answer a key update
	}
	return s.writeErr
}

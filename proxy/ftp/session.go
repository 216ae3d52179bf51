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
	"github.com/s3ftpd/s3ftpd/proxy/ftp/modez"
)

// A session is one control connection and what has been said on it. It is one goroutine's.
type session struct {
	srv             *Server
	raw             net.Conn       // the TCP connection
	conn            net.Conn       // what commands and replies go over: raw, or TLS on it
	host            netip.Addr     // of this host, to which raw leads
	local           netip.AddrPort // to which the client came, which may be a balancer's
	peer            netip.AddrPort
	ctx             context.Context // for what no command does, such as a panic
	dialer          *passive.Dialer // nil = no active data connections
	queue           *commandQueue
	lines           <-chan *line    // of queue
	gone            <-chan struct{} // closed when the client has ended the control connection
	hard            context.Context // ends when the server must, some time after drain
	drain           context.Context // ends when the session is to end as soon as nothing runs in it
	entry           *proxy.Session
	lingering       *lingering    // of data connections that wait for the client's end
	discards        chan struct{} // has a place for each data connection that is read on, see discard
	closed          bool          // after this reply, no more
	writeErr        error         // why a reply did not get through: after a part of one, no other may follow
	failedLogins    int           // logins refused so far
	unknownCommands int           // commands so far that are none, before a login
	tls             *tlsSession   // nil = in clear
	pbsz            bool          // PBSZ
	protP           bool          // PROT P
	pending         []*line       // came while a command was obeyed, and wait for its end; maxQueued at most
	quit            *quitNotice   // of the command that runs, if it is an upload
	result          reply         // to the command that runs, see ok; the zero value is 200
	more            bool          // another line came along with the last one, and is about to be in lines

	loginState
}

// A dialogue is what REIN, AUTH and a new login end.
type loginState struct {
	loginTimeout <-chan time.Time // until when
	name         string           // as given by USER
	user         string           // the same for logs, clipped
	store        proxy.Store      // nil = not logged in
	dir          string
	known        directories
	ascii        bool         // TYPE A
	mode         transferMode // MODE Z
	facts        []string
	epsvOnly     bool          // EPSV ALL
	hashName     string        // OPTS HASH; "" = the default
	idleTimeout  time.Duration // SITE IDLE; 0 = the server's
	compat       proxy.Compat  // of the network, and from the login on of the user
	utf8         bool          // OPTS UTF8 ON

	// Said and not yet spent: the next command that needs it takes it.
	userGiven  bool          // USER, for PASS
	port       dataPort      // PASV, EPSV, PORT or EPRT, for a transfer
	refused    *refusedPort  // of the transfer that the last command was
	restOffset int64         // REST, for a transfer
	alloSize   int64         // ALLO, for an upload
	hashRange  *byteRange    // RANG, for HASH
	renameFrom string        // RNFR, for RNTO
	lastStored string        // the file that the last upload made, for RNFR
	reported   reportedEntry // by SIZE or MLST, for APPE
}

// serve obeys command after command. Its error says why the session ended, nil after QUIT.
func (s *session) serve(ctx context.Context) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = s.reportPanic("command", v)
			s.write(reply{421, "Internal error, closing connection."})
		}
	}()
	s.reset()
	if err := s.write(reply{220, "s3ftpd ready."}); err != nil {
		return err
	}
	for !s.closed {
		l, err := s.next()
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
	return nil
}

// answer obeys a command line and sends its reply.
func (s *session) handle(ctx context.Context, l line) error {
	s.quit = l.quit
	r := s.execute(ctx, l)
	if r.code == 234 && l.pause.stopReading(s.raw) {
		// Sent in clear, to be obeyed as if it had come over TLS.
		r, s.closed = reply{503, "Data received between AUTH and its reply, closing connection."}, true
	}
	if s.tooManyUnknown(r) {
		r, s.closed = reply{421, "Too many unknown commands, closing connection."}, true
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

// maxUnknown is how many commands that are none a client may send before it has logged in: others know what they want.
const maxUnknown = 10

func (s *session) tooManyUnknown(r reply) bool {
	if s.store != nil || r.code != 500 && r.code != 502 {
		return false
	}
	s.unknownCommands++
	return s.unknownCommands >= maxUnknown
}

// errClientClosed is why a session ends without QUIT.
var errClientClosed = errors.New("the client closed the control connection")

// Last replies of sessions that the server ends.
var (
	errLoginTimeout   = reply{421, "Login timeout, closing connection."}
	errServerShutdown = reply{421, "Server is shutting down, closing connection."}
	errSessionEnded   = reply{421, "Session ended by an administrator, closing connection."}
	errClientLeft     = reply{421, "Connection closed by client."}
)

// farewell is the last reply of a session whose drain has ended.
func (s *session) drainReply() reply {
	if errors.Is(context.Cause(s.drain), proxy.ErrSessionEnded) {
		return errSessionEnded
	}
	return errServerShutdown
}

// tooManySessions refuses a session.
func tooManySessions(err error) reply {
	if errors.Is(err, proxy.ErrTooManyFromAddress) {
		return reply{421, "Too many sessions from your address."}
	}
	return reply{421, "Too many sessions, try again later."}
}

// next waits for the next command line. A reply for error is the last that the client gets.
func (s *session) next() (line, error) {
	if len(s.pending) > 0 {
		l := s.pending[0]
		s.pending = s.pending[1:]
		return *l, l.err
	}
	idle := time.NewTimer(cmp.Or(s.idleTimeout, s.srv.IdleTimeout, 5*time.Minute))
	defer idle.Stop()
	select {
	case l, ok := <-s.lines:
		if !ok {
			return line{}, errClientClosed
		}
		s.queue.lineTaken()
		s.more = l.more
		return *l, l.err
	case <-idle.C:
		return line{}, reply{421, "Idle timeout, closing connection."}
	case <-s.loginTimeout:
		return line{}, errLoginTimeout
	case <-s.drain.Done():
		return line{}, s.drainReply()
	}
}

// reset brings the session to where it begins, and where REIN brings it back. Only the time to log in goes on where it runs.
func (s *session) reset() {
	s.logout()
	login := cmp.Or(s.loginTimeout, time.After(cmp.Or(s.srv.LoginTimeout, time.Minute)))
	s.loginState = loginState{loginTimeout: login, dir: "/", facts: allFacts, compat: s.srv.compat(s.peer.Addr()),
		mode: transferMode{level: modez.DefaultLevel}}
}

// logout gives up what a login gave.
func (s *session) logout() {
	s.drop()
	if take(&s.store) != nil {
		s.queue.setLoggedIn(false)
		s.entry.Logout()
	}
}

// drop closes a data port that no transfer took, or that it was refused.
func (s *session) drop() {
	s.dropRefused()
	if p := take(&s.port); p != nil {
		p.Close()
	}
}

// controlWriteTimeout is how long a client may take to accept a reply.
const controlWriteTimeout = 30 * time.Second

func (s *session) write(r reply) error {
	return s.writeText(r.String())
}

func (s *session) writeText(text string) error {
	if s.writeErr == nil {
		s.conn.SetWriteDeadline(time.Now().Add(controlWriteTimeout))
		_, s.writeErr = s.conn.Write([]byte(encodeReply(s.codec(), text)))
		s.conn.SetWriteDeadline(time.Time{}) // TLS has to answer a client's new keys whenever they come
	}
	return s.writeErr
}

package ftp

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"net"
	"time"

	"github.com/s3ftpd/s3ftpd/passive"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// session serves one control connection. Nothing that goes wrong in it reaches another session.
func (srv *Server) session(drain, hard context.Context, conn net.Conn, implicit bool) {
	info := proxy.SessionInfo{ID: newID(), Protocol: protocol}
	s := &session{srv: srv, raw: conn, conn: conn, hard: hard, ctx: proxy.WithSession(hard, info), discards: make(chan struct{}, maxDiscards)}
	s.lingering = &lingering{session: s}
	defer s.recoverPanic("session")
	defer conn.Close()
	s.host, s.local, s.peer = passive.HostAddr(conn), passive.AddrPort(conn.LocalAddr()), passive.AddrPort(conn.RemoteAddr())
	defer s.lingering.Wait()
	info.Client = s.peer
	ctx, end, cancel := s.lifetime(drain, proxy.WithSession(hard, info))
	defer cancel(nil)
	s.ctx = ctx
	var err error
	if s.entry, err = srv.sessions().Start(info, end); err != nil {
		s.observe(ctx, event.SessionRefused{Code: 421, Err: err})
		if !implicit { // to whom it would be noise
			s.write(tooManySessions(err))
		}
		return
	}
	defer s.entry.End()
	defer s.logout()
	// The urgent byte of an ABOR that comes as Telnet Synch has to stay in its place in the line.
	keepUrgentInline(conn)

	begin := time.Now()
	s.observe(ctx, event.SessionStart{TLS: implicit})
	err = s.begin(ctx, implicit)
	if err == nil {
		queue, gone := newCommandQueue(), make(chan struct{})
		s.queue, s.lines, s.gone = queue, queue.lines, gone
		conn := s.conn // AUTH changes it
		go func() {
			defer s.recoverPanic("reading commands")
			readLines(conn, queue, gone, ctx.Done())
		}()
		err = s.serve(ctx)
		ctx = s.context(ctx) // with the user, who is logged out before the client has ended the connection
		s.logout()
		s.closeControl(func() { cancel(nil) })
	}
	s.observe(ctx, event.SessionEnd{Duration: time.Since(begin), Err: err})
}

// protocol is the name of this one in the list of sessions and in the log.
const protocol = "ftp"

// context returns a context of what is done for the session as it is now: with its client and, after a login, the user.
func (s *session) context(ctx context.Context) context.Context {
	return proxy.WithSession(ctx, s.entry.Info())
}

func (s *session) observe(ctx context.Context, e proxy.Event) { s.srv.observer().Observe(ctx, e) }

// lifetime returns the context of the session, and how it is ended: as when drain ends. An idle session ends at once, and
// what runs has the drain time-out before ctx ends.
func (s *session) lifetime(drain, hard context.Context) (ctx context.Context, end, cancel context.CancelCauseFunc) {
	ctx, kill := context.WithCancelCause(hard)
	drain, leave := context.WithCancelCause(drain)
	s.drain = drain
	end = func(cause error) {
		leave(cause)
		timer := time.AfterFunc(s.srv.drainTimeout(), func() { kill(cause) })
		context.AfterFunc(ctx, func() { timer.Stop() })
	}
	return ctx, end, func(cause error) {
		kill(cause)
		leave(nil)
	}
}

// closeControl ends the control connection, and returns when its reading goroutine has ended. To close it before the client has
// done so, with something unread, would reset it, and the client might never see the last reply.
func (s *session) closeControl(cancel func()) {
	patience := time.Duration(0)
	if s.tls != nil {
		s.raw.SetWriteDeadline(time.Now().Add(lingerTimeout)) // for the reading goroutine too, which TLS lets write
		s.conn.(*tls.Conn).CloseWrite()
	}
	if tcp, ok := below[passive.HalfCloser](s.raw); ok && tcp.CloseWrite() == nil {
		patience = lingerTimeout
	}
	timer := time.AfterFunc(patience, func() {
		defer s.recoverPanic("hanging up")
		cancel() // it may stand still after AUTH
		s.raw.Close()
	})
	defer timer.Stop()
	for range s.lines {
		s.queue.lineTaken()
	}
}

// open shakes hands where a session begins with TLS.
func (s *session) begin(ctx context.Context, implicit bool) error {
	s.dialer = s.srv.Active
	if !implicit {
		return nil
	}
	s.dialer = cmp.Or(s.srv.ActiveTLS, s.srv.Active)
	conn, secured, err := s.srv.tlsHandshake(ctx, s.raw)
	if err == nil {
		s.tlsStarted(ctx, conn, secured)
		s.pbsz, s.protP = true, true
	}
	return err
}

// newID names a session in the log; no two replicas give the same one but by a rare chance.
func newID() string {
	var b [6]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

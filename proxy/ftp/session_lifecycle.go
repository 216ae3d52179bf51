package ftp

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"time"

	"github.com/s3ftpd/s3ftpd/passive"
	"github.com/s3ftpd/s3ftpd/proxy"
	"github.com/s3ftpd/s3ftpd/proxy/event"
)

// session serves a control connection, and calls ended when the session has ended. It may return before that, see becomeIdle. An error
// or panic ends this session only.
func (srv *Server) session(drain, hard context.Context, conn net.Conn, implicit bool, ended func()) {
	info := proxy.SessionInfo{ID: proxy.NewSessionID(), Protocol: protocol}
	s := &session{srv: srv, raw: conn, conn: conn, hard: hard, ctx: proxy.WithSession(hard, info), implicit: implicit, ended: ended,
		discards: make(chan struct{}, maxDiscards)}
	s.lingering = &lingering{session: s}
	s.runPart(func() (idle bool) {
		if !s.register(drain, info) {
			return false
		}
		s.began = time.Now()
		if err := s.begin(s.ctx); err != nil {
			s.reportEnd(s.ctx, err)
			return false
		}
		s.startReading()
		return s.serve()
	})
}

// runPart runs a part of a session. After it the session is idle, or runPart releases it.
func (s *session) runPart(part func() (idle bool)) {
	idle := false
	defer func() {
		if !idle {
			s.release()
		}
	}()
	defer s.recoverPanic("session")
	idle = part()
}

// release closes the control connection, and waits for what the session has left running.
func (s *session) release() {
	defer s.ended()
	defer s.recoverPanic("session")
	defer s.raw.Close()
	defer s.lingering.Wait()
	if s.cancel != nil { // nil before register
		defer s.cancel(nil)
	}
	if s.entry != nil {
		defer s.entry.End()
		defer s.logout()
	}
}

// register adds the session to the list of sessions, unless it is refused.
func (s *session) register(drain context.Context, info proxy.SessionInfo) bool {
	s.host, s.local, s.peer = passive.HostAddr(s.raw), passive.AddrPort(s.raw.LocalAddr()), passive.AddrPort(s.raw.RemoteAddr())
	info.Client = s.peer
	var end context.CancelCauseFunc
	s.ctx, end, s.cancel = s.lifetime(drain, proxy.WithSession(s.hard, info))
	entry, err := s.srv.sessions().Start(info, end)
	if err != nil {
		s.observe(s.ctx, event.SessionRefused{Code: 421, Err: err})
		if !s.implicit { // an implicit TLS client would read it as a broken handshake
			s.write(refusedSession(err))
		}
		return false
	}
	s.entry = entry
	// ABOR may be sent with Telnet Synch: its urgent byte must stay in its place in the line.
	keepUrgentInline(s.raw)
	return true
}

// startReading starts the goroutine that reads command lines.
func (s *session) startReading() {
	queue, gone := newCommandQueue(), make(chan struct{})
	queue.resume = s.resume
	s.queue, s.lines, s.gone = queue, queue.lines, gone
	conn, done := s.conn, s.ctx.Done() // AUTH changes s.conn
	go func() {
		defer s.recoverPanic("reading commands")
		readLines(conn, queue, gone, done)
	}()
}

// serve runs commands until the session ends or is idle.
func (s *session) serve() (idle bool) {
	for {
		err := s.runCommands(s.ctx)
		if err != errNoCommand {
			ctx := s.context(s.ctx) // with the user, for SessionEnd: logout clears it
			s.logout()
			s.closeControl(func() { s.cancel(nil) })
			s.reportEnd(ctx, err)
			return false
		}
		if s.becomeIdle() {
			return true
		}
	}
}

// reportEnd reports the end of the session.
func (s *session) reportEnd(ctx context.Context, err error) {
	probe := !s.announced && (err == errClientClosed || s.implicit && errors.Is(err, io.EOF))
	s.announce(probe)
	s.observe(ctx, event.SessionEnd{Duration: time.Since(s.began), Err: err, Probe: probe})
}

// announce reports the start of the session once: when the client has sent something, or else at its end. A monitoring probe connects
// and leaves.
func (s *session) announce(probe bool) {
	if !s.announced {
		s.announced = true
		s.observe(s.ctx, event.SessionStart{TLS: s.implicit, Probe: probe})
	}
}

// protocol is the protocol's name in the list of sessions and in the log.
const protocol = "ftp"

// context adds the session's client and user to ctx.
func (s *session) context(ctx context.Context) context.Context {
	return proxy.WithSession(ctx, s.entry.Info())
}

func (s *session) observe(ctx context.Context, e proxy.Event) { s.srv.observer().Observe(ctx, e) }

// lifetime returns the context of the session and two functions that end it. end works as a drain: an idle session ends now, and
// a running command gets the drain timeout. cancel ends it at once.
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

// closeControl closes the control connection and waits for its reading goroutine. It waits for the client's FIN first: closing
// with unread bytes sends a reset, and the client might not see the last reply.
func (s *session) closeControl(cancel func()) {
	patience := time.Duration(0)
	if s.tls != nil {
		s.raw.SetWriteDeadline(time.Now().Add(lingerTimeout)) // the reading goroutine may write through TLS, too
		s.conn.(*tls.Conn).CloseWrite()
	}
	if tcp, ok := below[passive.HalfCloser](s.raw); ok && tcp.CloseWrite() == nil {
		patience = lingerTimeout
	}
	timer := time.AfterFunc(patience, func() {
		defer s.recoverPanic("hanging up")
		cancel() // the reading goroutine may be waiting after AUTH
		s.raw.Close()
	})
	defer timer.Stop()
	for range s.lines {
		s.queue.lineTaken()
	}
}

// begin does the TLS handshake of an implicit TLS session.
func (s *session) begin(ctx context.Context) error {
	s.dialer = s.srv.Active
	if !s.implicit {
		return nil
	}
	s.dialer = cmp.Or(s.srv.ActiveTLS, s.srv.Active)
	conn, secured, err := s.srv.tlsHandshake(ctx, s.raw, true)
	if err == nil {
		s.announce(false)
		s.tlsStarted(ctx, conn, secured)
		s.pbsz, s.protP = true, true
	}
	return err
}
